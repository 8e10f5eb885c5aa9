"""stream: what was looked at before tells nothing of now, however often another client has worked since."""

from prism_suites._judging import same
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamBasic


@check("stream_basic.2", "stream_basic.7", "stream_basic.6")
async def however_often_another_client_worked(stream: StreamBasic, case: Case) -> None:
    """A client that has read a stream reads the one record that is left of any number up to 64 that others appended since.

    All have one length, so a store that frees what is trimmed has as much of everything again after some number of them.
    """
    other = await case.client()
    for often in range(1, 65) if not case.server else (3, 64):
        name = f"s{often % 2}"
        for _ in range(2):
            await stream.append(name, b"%08d" % 0)
        first = [record.payload async for record in stream.read(name)][-2:]
        same("stream_basic.2", first, [b"%08d" % 0] * 2, "a stream does not give what was appended")
        last = 0
        for number in range(1, often + 1):
            last = await other.append(name, b"%08d" % number)
            await other.trim(name, last)
        got = [(record.offset, record.payload) async for record in stream.read(name)]
        sentence = f"a client that has read a stream does not read what is left of it, after {often} records of another client"
        same("stream_basic.2", got, [(last, b"%08d" % often)], sentence)
        same("stream_basic.6", await stream.latest_offset(name), last, sentence)
