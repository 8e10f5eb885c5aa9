"""The client that `connect` yields: the few requests of Kafka's protocol of which the drivers are made."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias

import prism_testkit as prism
from prism_backends.kafka.connections import (
    TIMEOUT_S,
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DefaultRecordBatchBuilder,
    DeleteRecordsRequest,
    DeleteTopicsRequest,
    FetchRequest,
    Link,
    MemoryRecords,
    MetadataRequest,
    OffsetRequest,
    ProduceRequest,
    refusal,
)
from prism_testkit.interfaces.errors import ConfigError

__all__ = ["EARLIEST", "LATEST", "Headers", "KafkaClient", "Page", "Stored", "connect"]

EARLIEST, LATEST = -2, -1
"""What Kafka calls the first and the end of a partition where an instant is asked for."""

_TIMEOUT_MS = int(TIMEOUT_S * 1000)
_ALL_REPLICAS = -1
_OUT_OF_RANGE, _NO_TOPIC, _TOPIC_EXISTS, _PARTITIONS_EXIST = 1, 3, 36, 37
_NO_LEADER_YET = frozenset({5, 6, 9, 75, 76})
_PATIENCE_S = 3.0
"""How long a broker may be about to lead a partition that it has only just heard of."""
_PAUSE_S = 0.005

_SETTINGS = {
    "cleanup.policy": "delete",
    "retention.ms": "-1",
    "retention.bytes": "-1",
    "message.timestamp.type": "LogAppendTime",
    "max.message.bytes": str(2 * 1024 * 1024),
    # Of each partition two indexes are mapped into memory, of 10 MiB unless it is said otherwise.
    "segment.index.bytes": str(256 * 1024),
    "file.delete.delay.ms": "1000",
}
"""Of every topic: nothing goes by itself, and the instant of a record is the broker's, taken as it is appended."""


Headers: TypeAlias = Iterable[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Stored:
    """A record as Kafka keeps it."""

    offset: int
    at_ms: int
    key: bytes | None
    value: bytes
    headers: Sequence[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class Page:
    """Records from an offset on, and the end of their partition then; -1 where the partition does not reach that offset."""

    records: list[Stored]
    end: int


class KafkaClient:
    """Talks to a cluster of one broker. ``shared`` is one dict for all clients of a place in this process.

    Every write is acknowledged by all replicas in sync, and none is ever sent twice, so none is doubled, and a producer needs no
    memory of what it sent. Requests of one client are served in the order in which they were made.
    """

    forgets: ClassVar[bool] = False
    """Whether what is there after a connection was lost may be something else than before: the broker keeps nothing on a disk."""

    def __init__(self, url: str, shared: dict[str, Any]) -> None:
        self.shared = shared
        self.clock = prism.RealClock()
        self._link = Link(url)
        self._is_known = False

    async def append(
        self,
        what: str,
        topic: str,
        partition: int,
        value: bytes,
        key: bytes | None = None,
        headers: Headers = (),
    ) -> tuple[int, int] | None:
        """Add a record; return its offset and its instant, None if there is no such topic, or no such partition of it yet."""
        builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, -1, 4 * 1024 * 1024)
        stated_ms = self.clock.now_ms()  # what counts where a broker does not take the instant itself
        builder.append(0, stated_ms, key, value, list(headers))
        request = ProduceRequest(None, _ALL_REPLICAS, _TIMEOUT_MS, [(topic, [(partition, bytes(builder.build()))])])
        found = await self._of_partitions(what, request, 1)
        (answer,) = found.values()
        if answer[1] == _NO_TOPIC:
            return None
        _check(answer[1], what)
        return answer[2], answer[3] if answer[3] >= 0 else stated_ms

    async def fetch(
        self, what: str, topic: str, places: Sequence[tuple[int, int, int]], within_ms: int = 1
    ) -> dict[int, Page | None]:
        """Return by partition what is there from an offset on, up to so many bytes, or one record; None if there is no topic.

        ``places``: partition, offset and bytes. No byte is waited for, so Kafka answers at once, whatever ``within_ms`` says; other
        brokers end their looking by it, and leave out of their answer what they did not look at.
        """
        request = FetchRequest(within_ms, 0, sum(most for _, _, most in places), 0, [(topic, list(places))])
        found = await self._of_partitions(what, request, 1)
        return {partition: _page(found[partition], start, what) for partition, start, _ in places}

    async def offsets(self, what: str, topic: str, asked: Mapping[int, int]) -> dict[int, int]:
        """Return by partition the first offset at an instant or later, -1 if there is none; or `EARLIEST`, or `LATEST`.

        Of a topic or partition that is not there everything is 0.
        """
        if not asked:
            return {}
        request = OffsetRequest(-1, 0, [(topic, list(asked.items()))])
        found = await self._of_partitions(what, request, 1)
        for answer in found.values():
            if answer[1] != _NO_TOPIC:
                _check(answer[1], what)
        return {partition: 0 if answer[1] == _NO_TOPIC else answer[3] for partition, answer in found.items()}

    async def delete_records(self, what: str, topic: str, before: Mapping[int, int]) -> None:
        """Let Kafka free what is below an offset of a partition."""
        request = DeleteRecordsRequest([(topic, list(before.items()))], _TIMEOUT_MS)
        for answer in (await self._of_partitions(what, request, 2)).values():
            _check(answer[2], what)

    @property
    def lost(self) -> int:
        """How often the connection was found lost."""
        return self._link.lost

    async def create(self, what: str, topic: str, partitions: int, settings: Mapping[str, str] | None = None) -> bool:
        """Make a topic, with some settings of its own; say whether there was none."""
        await self._introduced(what)
        request = CreateTopicsRequest(
            [(topic, partitions, 1, [], list({**_SETTINGS, **(settings or {})}.items()))], _TIMEOUT_MS, False
        )
        (answer,) = (await self._link.ask(what, request)).topic_errors
        if answer[1] == _TOPIC_EXISTS:
            return False
        _check(answer[1], what)
        return True

    async def grow(self, what: str, topic: str, partitions: int) -> None:
        """Let a topic have at least so many partitions."""
        request = CreatePartitionsRequest([(topic, (partitions, None))], _TIMEOUT_MS, False)
        (answer,) = (await self._link.ask(what, request)).topic_errors
        if answer[1] not in (_PARTITIONS_EXIST, _NO_TOPIC):
            _check(answer[1], what)

    async def delete(self, what: str, topics: Sequence[str]) -> None:
        """Remove topics, and wait until the broker no longer knows them. One that is not there is no error."""
        if not topics:
            return
        for answer in (await self._link.ask(what, DeleteTopicsRequest(list(topics), _TIMEOUT_MS))).topic_error_codes:
            if answer[1] != _NO_TOPIC:
                _check(answer[1], what)
        try:
            async with asyncio.timeout(TIMEOUT_S):
                while any(topic[0] != _NO_TOPIC for topic in (await self._metadata(what, topics)).topics):  # noqa: ASYNC110  no event
                    await asyncio.sleep(_PAUSE_S)
        except TimeoutError as error:
            raise refusal(7, what) from error

    async def look(self, what: str) -> None:
        """Ask for as little as there is; raise if nobody leads the cluster."""
        if not (await self._metadata(what, [])).brokers:
            raise refusal(8, what)

    async def topics(self, what: str) -> list[str]:
        """Return the name of every topic."""
        return [topic[1] for topic in (await self._metadata(what, None)).topics]

    async def close(self) -> None:
        """Hang up; later calls raise `Closed`. A repeat does nothing."""
        await self._link.close()

    async def _metadata(self, what: str, topics: Sequence[str] | None) -> Any:
        return await self._link.ask(what, MetadataRequest(None if topics is None else list(topics), False))

    async def _introduced(self, what: str) -> None:
        """Raise `ConfigError` unless the cluster is one broker: it is asked all, at the address that was given."""
        if not self._is_known:
            brokers = len((await self._metadata(what, [])).brokers)
            if brokers > 1:
                raise ConfigError(f"{what}: the cluster has {brokers} brokers, and this driver speaks to a cluster of one only")
            self._is_known = True

    async def _of_partitions(self, what: str, request: Any, code: int) -> dict[int, Any]:
        """Return by partition what is answered for the one topic of a request; where in it a code is, is given.

        A broker that is about to lead a partition, but does not yet, is asked again: it did nothing.
        """
        loop = asyncio.get_running_loop()
        until = loop.time() + _PATIENCE_S
        while True:
            answer = await self._link.ask(what, request)
            found = {each[0]: each for topic in answer.topics for each in topic[1]}
            if not any(each[code] in _NO_LEADER_YET for each in found.values()) or loop.time() >= until:
                return found
            await asyncio.sleep(_PAUSE_S)


def _check(code: int, what: str) -> None:
    if code:
        raise refusal(code, what)


def _page(answer: Any, start: int, what: str) -> Page | None:
    code, end, data = answer[1], answer[2], answer[-1]
    if code == _NO_TOPIC:
        return None
    if code == _OUT_OF_RANGE:
        return Page([], -1)
    _check(code, what)
    found: list[Stored] = []
    batches = MemoryRecords(bytes(data or b""))
    while batches.has_next():
        for record in batches.next_batch():
            if record.offset >= start:
                found.append(Stored(record.offset, record.timestamp, record.key, record.value or b"", record.headers))
    return Page(found, end)


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[KafkaClient]:
    """Yield a client. A connection is made when it is needed, so a server that is away is noticed by the first call."""
    client = KafkaClient(place.url, place.shared)
    try:
        yield client
    finally:
        await client.close()
