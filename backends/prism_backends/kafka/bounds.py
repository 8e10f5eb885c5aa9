"""What a stream keeps: how trimming, bounds and compaction are reckoned.

What goes does so by a step in the log, so it is gone for everybody. Kafka is then told to free what is below the first offset that
is kept; it writes that down once a minute only, so alone it would not survive a kill. What compaction hides stays on its disk until
it is below: Kafka's own compaction is of a whole topic, refuses records without a key, and takes its time.
"""

import math
from contextlib import suppress

from prism_backends.kafka.book import Stream
from prism_backends.kafka.reading import records
from prism_backends.kafka.space import Space
from prism_testkit.interfaces.errors import PrismError
from prism_testkit.interfaces.stream_retention import Retention

__all__ = ["bounds_of", "compact", "cut", "enforce", "milliseconds", "younger"]

_HIDDEN_AT_ONCE = 20_000


def milliseconds(seconds: float | None) -> int | None:
    """Return a bound rounded up to what is compared with."""
    return None if seconds is None else math.ceil(round(seconds * 1000, 6))


def bounds_of(stream: Stream | None) -> Retention:
    """Return what was set."""
    if stream is None:
        return Retention()
    return Retention(None if stream.age_ms is None else stream.age_ms / 1000, stream.most)


async def cut(what: str, space: Space, name: str, first: dict[int, int], version: int | None = None) -> bool:
    """Let go what is below an offset of each partition; say whether it was, for with a ``version`` it may be reckoned in vain."""
    stream = space.book.streams.get(name)
    first = {partition: offset for partition, offset in first.items() if stream is not None and offset > stream.oldest(partition)}
    if not first:
        return True
    step = {"do": "cut", "stream": name, "first": list(first.items()), "version": version}
    if not await space.do(what, step, make=False):
        return False
    with suppress(PrismError):  # it is gone for everybody; what this frees is freed with the next one
        await space.client.delete_records(what, space.topic, first)
    return True


async def enforce(what: str, space: Space, name: str) -> None:
    """Let go what is outside of the bounds of a stream."""
    while True:
        stream = (await space.sync(what)).streams.get(name)
        if stream is None or (stream.age_ms is None and stream.most is None):
            return
        version, age_ms, most = stream.version, stream.age_ms, stream.most
        first: dict[int, int] = {}
        if age_ms is not None:
            now_ms = await space.do(what, {"do": "tick"}, make=False)
            if now_ms is None:
                return
            first = await younger(what, space, stream, now_ms - age_ms)
        if most is not None:
            for partition, end in (await space.ends(what, stream)).items():
                first[partition] = max(first.get(partition, 0), _last(stream, partition, end, most))
        if await cut(what, space, name, first, version):
            return


async def younger(what: str, space: Space, stream: Stream | None, at_ms: int) -> dict[int, int]:
    """Return the first offset of each partition that was appended at an instant or later, else its end as of before."""
    ends = await space.ends(what, stream)
    found = await space.client.offsets(what, space.topic, dict.fromkeys(ends, max(0, at_ms)))
    return {partition: ends[partition] if offset < 0 else offset for partition, offset in found.items()}


def _last(stream: Stream, partition: int, end: int, most: int) -> int:
    """Return the offset of the first one of the last ``most`` records that are kept."""
    hidden = stream.hidden.get(partition, [])
    offset = end
    place = len(hidden)
    while True:  # go down by what is kept between two that are hidden
        above = hidden[place - 1] + 1 if place else 0
        if offset - above >= most:
            return offset - most
        most -= offset - above
        if not place:
            return 0
        offset = hidden[place - 1]
        place -= 1


async def compact(what: str, space: Space, name: str) -> None:
    """Let go each record with a key that came again in its partition."""
    stream = (await space.sync(what)).streams.get(name)
    for number, partition in enumerate(stream.partitions if stream is not None else ()):
        assert stream is not None
        last: dict[bytes, int] = {}
        superseded: list[int] = []
        async for stored in records(what, space, stream, number, 0):
            if stored.key is not None:
                before = last.get(bytes(stored.key))
                if before is not None:
                    superseded.append(before)
                last[bytes(stored.key)] = stored.offset
        superseded.sort()
        for start in range(0, len(superseded), _HIDDEN_AT_ONCE):
            offsets = superseded[start : start + _HIDDEN_AT_ONCE]
            await space.do(what, {"do": "hide", "stream": name, "partition": partition, "offsets": offsets}, make=False)
