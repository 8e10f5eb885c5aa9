"""A namespace of one model: its topic, whose first partition is the log that its `Book` follows."""

import asyncio
import json
import secrets
import time
from collections.abc import Mapping
from typing import Any

from prism_backends.kafka.book import Book, Stream
from prism_backends.kafka.client import LATEST, Headers, KafkaClient, Page
from prism_testkit.interfaces.errors import BackendUnavailable, CorruptPayload

__all__ = ["Space"]

_LOG = 0
_FIRST_PARTITIONS = 8
"""A topic begins with so many, for making more takes a request of its own."""
_PAGE_BYTES = 4_000_000
_PATIENCE_S = 5.0
"""How long what was just made may be unknown to the broker that is to lead it."""
_PAUSE_S = 0.002


class Space:
    """What one driver knows of its namespace. Nothing of it is on the server before something is written.

    `sync` brings the book to where the log was at some instant of the call, `do` appends a step and returns its outcome.
    """

    def __init__(self, client: KafkaClient, topic: str) -> None:
        self.client, self.topic = client, topic
        self.book = Book()
        self._next = 0
        """The offset of the next step."""
        self._lock = asyncio.Lock()
        self._begun = self._completed = 0
        """Which looks into the log there were."""
        self._awaited: dict[str, Any] = {}
        """By its name, each step of this driver that is on its way, and its outcome."""
        self._made = 0
        """How many partitions the topic has at least; 0 before this driver knows of it."""
        self._ahead_ms = 0
        self._lost = client.lost

    def now_ms(self) -> int:
        """Return about what the broker's clock says."""
        return time.time_ns() // 1_000_000 + self._ahead_ms

    async def sync(self, what: str) -> Book:
        """Return the book, with every step in it that was appended before the call."""
        wanted = self._begun + 1
        async with self._lock:
            if self._completed < wanted:  # else somebody looked since, and saw all that is asked for
                self._begun += 1
                look = self._begun
                while not await self._read_on(what):
                    continue
                self._completed = look
        return self.book

    async def do(self, what: str, step: Mapping[str, Any], make: bool = True) -> Any:
        """Append a step and return its outcome. A step that raises does so again here.

        If there is nothing of this namespace on the server, and ``make`` does not ask for it, nothing is done: the outcome is None.
        """
        name = secrets.token_hex(8)
        self._awaited[name] = None
        try:
            sent = json.dumps({**step, "id": name}, separators=(",", ":"), ensure_ascii=False).encode()
            if make:
                offset, at_ms = await self.append(what, _LOG, sent)
            elif (done := await self.client.append(what, self.topic, _LOG, sent)) is not None:
                offset, at_ms = done
            else:
                await self.sync(what)
                return None
            self._ahead_ms = at_ms - time.time_ns() // 1_000_000
            await self.sync(what)
            if self._next <= offset:
                raise BackendUnavailable(f"{what}: the namespace was cleaned meanwhile")
            outcome = self._awaited[name]
        finally:
            del self._awaited[name]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def append(
        self, what: str, partition: int, value: bytes, key: bytes | None = None, headers: Headers = ()
    ) -> tuple[int, int]:
        """Add a record; return its offset and its instant. Where there is no such partition yet it is made."""
        headers = list(headers)
        until = 0.0
        is_known = self._next > 0 or partition < self._made
        while True:
            done = await self.client.append(what, self.topic, partition, value, key, headers) if is_known else None
            if done is not None:
                self._made = max(self._made, partition + 1)
                return done
            loop = asyncio.get_running_loop()
            if not until:
                if is_known:
                    await self.sync(what)
                    if not self._next and partition != _LOG:  # what was known of this partition is over
                        raise BackendUnavailable(f"{what}: the namespace was cleaned meanwhile")
                await self._make(what, partition + 1)
                until, is_known = loop.time() + _PATIENCE_S, True
            elif loop.time() >= until:
                raise BackendUnavailable(f"{what}: the topic {self.topic} was made, and its partition {partition} is not there")
            else:
                await asyncio.sleep(_PAUSE_S)

    async def stream(self, what: str, name: str) -> Stream:
        """Return a stream that is used from now on."""
        found = self.book.streams.get(name)
        if found is None:
            await self.do(what, {"do": "open", "stream": name})
            found = self.book.streams.get(name)
        if found is None:
            raise BackendUnavailable(f"{what}: the namespace was cleaned meanwhile")
        return found

    async def fetch(self, what: str, places: list[tuple[int, int]], most_bytes: int) -> dict[int, Page]:
        """Return by partition what is there from an offset on, up to so many bytes in all, or one record."""
        if not places:
            return {}
        each = max(1, most_bytes // len(places))
        found = await self.client.fetch(what, self.topic, [(partition, start, each) for partition, start in places])
        return {partition: page or Page([], 0) for partition, page in found.items()}

    async def ends(self, what: str, stream: Stream | None) -> dict[int, int]:
        """Return the end of each partition: the offset of the next record."""
        if stream is None:
            return {}
        return await self.client.offsets(what, self.topic, dict.fromkeys(stream.partitions, LATEST))

    async def _make(self, what: str, partitions: int) -> None:
        """Let the topic have at least so many partitions; in a while the broker knows it."""
        # The number only depends on what is wanted, so those who want the same at one time ask for the same.
        wanted = max(_FIRST_PARTITIONS, 1 << (partitions - 1).bit_length())
        is_new = not self._next and await self.client.create(what, self.topic, wanted)
        if not is_new and wanted > _FIRST_PARTITIONS:
            await self.client.grow(what, self.topic, wanted)
        self._made = wanted

    async def _read_on(self, what: str) -> bool:
        """Follow the log by one page; say whether that is its end."""
        self._is_another()
        page = (await self.client.fetch(what, self.topic, [(_LOG, self._next, _PAGE_BYTES)]))[_LOG]
        if self._is_another():
            return False
        if page is None or page.end < self._next:
            if self._next:  # there was a `clean`
                self._forget()
                return page is None
            return True
        for record in page.records:
            try:
                step = json.loads(record.value)
                name = step["id"]
            except (ValueError, KeyError, TypeError) as error:
                raise CorruptPayload(f"{what}: what is in the log at {record.offset} is none of ours: {error!r}") from error
            try:
                outcome = self.book.apply(step, record.at_ms)
            except Exception as error:
                outcome = error
            self._next = record.offset + 1
            if name in self._awaited:
                self._awaited[name] = outcome
        self._made = max(self._made, 1)
        return self._next >= page.end

    def _is_another(self) -> bool:
        """Forget what is known if the log may be another one, and say whether; one as long as before does not tell."""
        lost, self._lost = self._lost, self.client.lost
        if not self.client.forgets or self._lost == lost or not self._next:
            return False
        self._forget()
        return True

    def _forget(self) -> None:
        self.book, self._next, self._made = Book(), 0, 0
