"""Records of streams: how they are written down, and read."""

from collections.abc import AsyncIterator, Mapping

from prism_backends.kafka.book import Stream
from prism_backends.kafka.client import EARLIEST, Stored
from prism_backends.kafka.space import Space
from prism_testkit.interfaces.errors import CorruptPayload
from prism_testkit.interfaces.stream import Record

__all__ = ["headers_of", "record_of", "records", "texts_of"]

_PAGE_BYTES = 4_000_000


def headers_of(texts: Mapping[str, str]) -> list[tuple[str, bytes]]:
    """Return headers as Kafka keeps them."""
    return [(name.encode().decode(), text.encode()) for name, text in texts.items()]  # plain text, whatever kind of str it is


def texts_of(stored: Stored) -> dict[str, str]:
    """Undo `headers_of`."""
    return {name: (value or b"").decode() for name, value in stored.headers}


def record_of(stored: Stored, partition: int) -> Record:
    """Make a record, in a partition of its stream; raise `CorruptPayload` for one of a stranger's."""
    try:
        key = None if stored.key is None else bytes(stored.key).decode()
        return Record(stored.offset, key, bytes(stored.value), texts_of(stored), stored.at_ms, partition)
    except UnicodeDecodeError as error:
        raise CorruptPayload(f"kafka: what is stored at {stored.offset} is none of ours: {error}") from error


async def records(
    what: str, space: Space, stream: Stream, number: int, start: int, stop: int | None = None
) -> AsyncIterator[Stored]:
    """Iterate over what is kept of a partition from an offset on, up to its end as of the first step, or to ``stop`` before."""
    partition = stream.partitions[number]
    while stop is None or start < stop:
        start = max(start, stream.oldest(partition))
        page = (await space.fetch(what, [(partition, start)], _PAGE_BYTES))[partition]
        if page.end < 0:  # beyond the end, or else some of it is gone since
            first = (await space.client.offsets(what, space.topic, {partition: EARLIEST}))[partition]
            if start >= first:
                return
            start = first
            continue
        stop = page.end if stop is None else min(stop, page.end)
        for stored in page.records:
            if stored.offset < stop and stream.is_kept((partition, stored.offset)):
                yield stored
        if not page.records:
            return
        start = page.records[-1].offset + 1
