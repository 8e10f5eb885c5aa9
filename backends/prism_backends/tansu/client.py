"""The client of Kafka, where Tansu answers otherwise than Apache Kafka does."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

import prism_testkit as prism
from prism_backends.kafka.client import Headers, KafkaClient, Page

__all__ = ["TansuClient", "connect"]

_BRIEFLY_MS, _AS_LONG_AS_IT_TAKES_MS = 2, 5000


class TansuClient(KafkaClient):
    """Looks before reading, and before the first writing, whether the topic is there, which Tansu tells of nothing but metadata.

    It writes to topics that nobody made, and reads them as empty ones, so what was written there would stay for ever: it is in no
    list. It writes to partitions beyond those of a topic as well, so nothing need grow; to make some more is none of its requests.
    """

    forgets: ClassVar[bool] = True

    def __init__(self, url: str, shared: dict[str, Any]) -> None:
        super().__init__(url, shared)
        self._there: set[str] = set()
        """Topics that were there when they were last looked for; who writes looks only whether what he wrote can be read."""

    async def append(
        self, what: str, topic: str, partition: int, value: bytes, key: bytes | None = None, headers: Headers = ()
    ) -> tuple[int, int] | None:
        if not self._link.is_up:
            self._there.clear()  # what answers next may be another one
        if topic not in self._there and not await self._has(what, topic):
            return None
        return await super().append(what, topic, partition, value, key, headers)

    async def fetch(
        self, what: str, topic: str, places: Sequence[tuple[int, int, int]], within_ms: int = _BRIEFLY_MS
    ) -> dict[int, Page | None]:
        """Ask briefly, for at the end of a partition Tansu waits all that time; and again where it did not come to the records."""
        if not await self._has(what, topic):
            return {partition: None for partition, _, _ in places}
        found = await super().fetch(what, topic, places, within_ms)
        left = [place for place in places if _is_unread(found[place[0]], place[1])]
        return found if not left else found | await super().fetch(what, topic, left, _AS_LONG_AS_IT_TAKES_MS)

    async def offsets(self, what: str, topic: str, asked: Mapping[int, int]) -> dict[int, int]:
        return await super().offsets(what, topic, asked) if await self._has(what, topic) else dict.fromkeys(asked, 0)

    async def grow(self, what: str, topic: str, partitions: int) -> None:
        """Do nothing: any partition can be written."""

    async def delete_records(self, what: str, topic: str, before: Mapping[int, int]) -> None:
        """Do nothing: Tansu ends the connection over it ("not yet implemented"), and what is in its memory stays."""

    async def _has(self, what: str, topic: str) -> bool:
        if any(found[0] for found in (await self._metadata(what, [topic])).topics):
            self._there.discard(topic)
            return False
        self._there.add(topic)
        return True


def _is_unread(page: Page | None, start: int) -> bool:
    return page is not None and not page.records and start < page.end


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[TansuClient]:
    """Yield a client. A connection is made when it is needed."""
    client = TansuClient(place.url, place.shared)
    try:
        yield client
    finally:
        await client.close()
