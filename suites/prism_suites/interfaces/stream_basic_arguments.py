"""stream_basic: names, keys and headers are their text, whatever type it has; and many namespaces at a time."""

from typing import Any

from prism_suites._judging import same
from prism_suites._siblings import used_by_turns
from prism_suites._stream_shared import Put, read, reads
from prism_suites._texts import SAMPLES, TEXTS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic
from prism_testkit.outcomes import law


@check("stream_basic.8", "stream_basic.2")
@gauntlet(lambda limits: [{"how": how, "name": name} for how in TEXTS for name in SAMPLES])
async def a_name_may_be_any_kind_of_str(stream: StreamBasic, how: str, name: str) -> None:
    """A stream, a key, and headers, given as instances of subclasses of ``str`` are their text."""
    text = TEXTS[how](name)
    with law("stream_basic.8"):
        puts = [Put(await stream.append(text, b"1", text, {text: text}), b"1", name, {name: name})]
        puts.append(Put(await stream.append(name, b"2", name), b"2", name, {}))
        await reads(stream, name, puts, story=f"names given as {how}", loss="stream_basic.8")
        await reads(stream, text, puts, story=f"names given as {how}", loss="stream_basic.8")
        same("stream_basic.8", await stream.latest_offset(text), puts[1].offset, f"latest_offset of a name given as {how}")
        await stream.trim(text, puts[1].offset)
        await reads(stream, name, puts[1:], story=f"trimmed by a name given as {how}", loss="stream_basic.8")


@check("stream_basic.11")
async def many_namespaces_are_apart(stream: StreamBasic, case: Case) -> None:
    """However many namespaces are in use, each keeps its own records."""

    async def use(slot: Any, number: int) -> None:
        await slot.append("s", b"%d" % number)

    async def look(slot: Any, number: int) -> None:
        found = [record.payload for record in await read(slot, "s")]
        same("stream_basic.11", found, [b"%d" % number], "of many namespaces one does not hold its own records")

    with law("stream_basic.11"):
        await used_by_turns(case, stream, use, look)
