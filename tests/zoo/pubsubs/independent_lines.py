"""The ledger of a namespace: lines that are appended one after the other, and who waits for the next one."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prism_testkit.clock import Clock
from prism_testkit.interfaces import Message

if TYPE_CHECKING:
    from .independent_ledger import Shelf

__all__ = ["Ledger", "Library", "Line"]


@dataclass(frozen=True, slots=True)
class Line:
    """A message as it stands in the ledger; ``kept`` says that it is for durable subscriptions, else it is for plain ones."""

    place: int
    topic: str
    payload: bytes
    headers: tuple[tuple[str, str], ...]
    kept: bool
    key: str | None = None

    @property
    def id(self) -> str:
        return f"{self.place:012x}"

    def message(self) -> Message:
        return Message(self.id, self.topic, self.payload, dict(self.headers))


class Ledger:
    """All lines of one namespace, and who waits for the next one."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.last: dict[str, str] = {}
        self.shelves: dict[tuple[str, str], Shelf] = {}
        self.turn = asyncio.Lock()
        self.waiting: set[asyncio.Future[None]] = set()

    async def append(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None = None) -> Line:
        """Write a line, one writer at a time; cancelled before it stands, it never will."""
        async with self.turn:
            await self.flush()
            line = self.line(topic, payload, headers, kept, key)
            self.lines.append(line)
            if kept:
                self.last[topic] = line.id
        self.ring()
        return line

    def line(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None) -> Line:
        return Line(len(self.lines), topic, payload, tuple(headers.items()), kept, key)

    async def flush(self) -> None:
        """Where a ledger on a disk would wait for it."""
        await asyncio.sleep(0)

    def ring(self) -> None:
        """Wake everybody who waits."""
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, seconds: float | None) -> None:
        """Wait for the next ring, so many seconds at most."""
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=seconds)
        finally:
            self.waiting.discard(waiter)


class Library:
    """What the clients of one place share."""

    ledger_type: type[Ledger] = Ledger

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ledgers: dict[str, Ledger] = {}

    def ledger(self, namespace: str) -> Ledger:
        if namespace not in self.ledgers:
            self.ledgers[namespace] = self.ledger_type()
        return self.ledgers[namespace]
