"""stream: a payload is its bytes, in whatever kind of buffer it is appended."""

from typing import Any

from prism_suites._buffers import ANY_BUFFERS, payloads_are_their_bytes
from prism_suites._stream_shared import read
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic


@check("stream_basic.2", "stream_basic.9")
@gauntlet(lambda limits: [{"kind": kind} for kind in ANY_BUFFERS])
async def a_payload_may_be_any_buffer(stream: StreamBasic, case: Case, kind: str) -> None:
    """What is read is ``bytes``, those of the buffer, and no more of what lies behind a view of a part (ST-30)."""
    offsets: list[int] = []

    async def give(data: Any) -> None:
        offsets.append(await stream.append("s", data))

    async def taken() -> Any:
        records = await read(stream, "s", offsets[-1], 1)
        return records[0].payload if records else None

    await payloads_are_their_bytes(kind, case.limits, give, taken, "stream_basic.2", "stream_basic.9")
