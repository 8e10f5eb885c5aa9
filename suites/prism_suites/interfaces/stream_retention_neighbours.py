"""stream_retention: of streams with equal histories, side by side and in two namespaces, only what is asked for loses records."""

from collections.abc import Sequence
from typing import Any

from prism_suites._judging import same
from prism_suites._stream_bounds import Bounded, BoundedAndParted, everything, holds
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Record

_STREAMS = ("a", "s", "z", "s elsewhere")
"""Streams of one namespace, and the second of them in another."""
_KEYS = ("a", "b", None, "a", "c", "b", None, "a")
_MOST = 3
_LAWS = ("stream_retention.1", "stream_retention.2")
_CHANGED = [
    {"changed": changed, "compacted": compacted}
    for changed in (("s",), ("a", "z", "s elsewhere"))
    for compacted in (False, True)
]  # fmt: skip


async def _slots(stream: Any, case: Case) -> dict[str, Any]:
    sibling = await case.sibling(whole=True)
    return {each: sibling if each.endswith("elsewhere") else stream for each in _STREAMS}


async def _lanes(slot: Any, name: str, n: int) -> list[list[Record]]:
    """Read a stream to the end, each partition by itself."""
    if n == 1:
        return [await everything(slot.read(name))]
    return [await everything(slot.read_partition(name, place)) for place in range(n)]


def _compacted(lane: Sequence[Record]) -> list[Record]:
    last = {record.key: record.offset for record in lane}
    return [record for record in lane if record.key is None or last[record.key] == record.offset]


async def _neighbours(stream: Any, case: Case, changed: tuple[str, ...], compacted: bool, n: int) -> None:
    compacts = compacted and case.traits.compaction == "immediate"
    slots = await _slots(stream, case)
    wanted: dict[str, list[list[Record]]] = {}
    for each, slot in slots.items():
        if n > 1:
            await slot.create_partitioned(each[0], n)

    async def more() -> dict[str, list[list[int]]]:
        offsets: dict[str, list[list[int]]] = {each: [[] for _ in range(n)] for each in slots}
        for number, key in enumerate(_KEYS):
            for each, slot in slots.items():  # in turns, so that nobody's records are all before those of another
                for place in range(n):
                    where = (each[0],) if n == 1 else (each[0], place)
                    append = slot.append if n == 1 else slot.append_to_partition
                    offsets[each][place].append(await append(*where, b"%d" % number, key))
        return offsets

    async def judge(story: str) -> None:
        for each, slot in slots.items():
            found = await _lanes(slot, each[0], n)
            for place, (lane, kept) in enumerate(zip(found, wanted[each], strict=True)):
                told = f"in {each}, partition {place}, {story} {', '.join(changed)} of {', '.join(_STREAMS)}"
                holds(lane, kept, *(_LAWS if each in changed else ("stream_retention.12", "stream_retention.12")), told)

    await more()
    wanted = {each: await _lanes(slot, each[0], n) for each, slot in slots.items()}
    if compacts:
        for each in changed:
            await slots[each].compact(each[0])
            wanted[each] = [_compacted(lane) for lane in wanted[each]]
        await judge("after compacting")
    for each in changed:
        await slots[each].set_retention(each[0], None, _MOST)
        await slots[each].enforce_retention(each[0])
        wanted[each] = [lane[-_MOST:] for lane in wanted[each]]
    await judge("after bounding")
    offsets = await more()
    for each, slot in slots.items():
        await slot.enforce_retention(each[0])
        lanes = await _lanes(slot, each[0], n)
        for place, (lane, kept, new) in enumerate(zip(lanes, wanted[each], offsets[each], strict=True)):
            left = new[-_MOST:] if each in changed else [record.offset for record in kept] + new
            told = f"in {each}, partition {place}, after more came everywhere, of {', '.join(changed)} bounded to {_MOST}"
            same("stream_retention.2" if each in changed else "stream_retention.12", [record.offset for record in lane], left, told)


@check("stream_retention.12", "stream_retention.1", "stream_retention.2")
@gauntlet(lambda limits: _CHANGED)
async def bounds_are_of_one_stream(stream: Bounded, case: Case, changed: tuple[str, ...], compacted: bool) -> None:
    """Some streams are compacted, and bounded: exactly these lose exactly what they should, whatever their neighbours hold."""
    await _neighbours(stream, case, changed, compacted, 1)


@check("stream_retention.12", "stream_retention.1", "stream_retention.2")
@gauntlet(lambda limits: _CHANGED)
async def bounds_are_of_one_partitioned_stream(
    stream: BoundedAndParted, case: Case, changed: tuple[str, ...], compacted: bool
) -> None:
    """The same of streams of two partitions each."""
    await _neighbours(stream, case, changed, compacted, 2)
