"""Wrong readers of a ledger: what is written, who is woken, and what a plain subscription reads."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from prism_testkit.interfaces import Bytes, Closed, Message, PayloadTooLarge, Subscription
from prism_testkit.naming import check_headers, check_name, check_payload, check_timeout
from tests.zoo.declare import Mutant

from .independent_ledger import LedgerPubSub, Reader, matches
from .independent_lines import Ledger, Library, Line
from .independent_parts import declaring_independent

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


class UnlockedLedger(Ledger):
    async def append(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None = None) -> Line:
        line = self.line(topic, payload, headers, kept, key)
        await self.flush()
        self.lines.append(line)
        if kept:
            self.last[topic] = line.id
        self.ring()
        return line


@_mutant("persistent.13", "missing lock", trap="two publishes overlap", also="basic.1 persistent.2 basic.2")
class NumbersALineBeforeItsTurn(Library):
    """Two publishes that overlap get one number."""

    ledger_type = UnlockedLedger


class EagerLedger(Ledger):
    async def append(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None = None) -> Line:
        async with self.turn:
            line = self.line(topic, payload, headers, kept, key)
            if kept:
                self.last[topic] = line.id
            await self.flush()
            self.lines.append(line)
        self.ring()
        return line


@_mutant("persistent.10", "partial effect", trap="a publish is cancelled while it is written", also="persistent.14")
class LastIsSetBeforeTheWrite(Library):
    """A publish that was cancelled is still the last one."""

    ledger_type = EagerLedger


class LateLedger(Ledger):
    async def append(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None = None) -> Line:
        async with self.turn:
            await self.flush()
            line = self.line(topic, payload, headers, kept, key)
            self.lines.append(line)
        self.ring()
        await self.flush()
        if kept:
            self.last[topic] = line.id
        return line


@_mutant("persistent.10", "partial effect", trap="a publish is cancelled between the write and the note", also="persistent.14")
class LastIsSetAfterASecondWrite(Library):
    """A publish that is cancelled late is delivered, but never the last one."""

    ledger_type = LateLedger


class LockedLedger(Ledger):
    async def append(self, topic: str, payload: bytes, headers: Mapping[str, str], kept: bool, key: str | None = None) -> Line:
        await self.turn.acquire()
        await self.flush()
        line = self.line(topic, payload, headers, kept, key)
        self.lines.append(line)
        if kept:
            self.last[topic] = line.id
        self.turn.release()
        self.ring()
        return line


@_mutant(
    "basic.11",
    "lock kept",
    trap="a publish is cancelled while it is written",
    also="persistent.14 ordering.10 wildcards.9 filtering.10",
)
class KeepsTheTurnWhenCancelled(Library):
    """A cancelled publish never gives the lock back."""

    ledger_type = LockedLedger


class OneBell(Ledger):
    def ring(self) -> None:
        for waiter in self.waiting:
            if not waiter.done():
                waiter.set_result(None)
                return


@_mutant("basic.9", "lost wake-up", trap="two wait for different things", also="basic.1 persistent.9 ordering.5 basic.4 basic.10")
class WakesOneOfThoseWhoWait(Library):
    """Any change wakes one receive, be it his or not."""

    ledger_type = OneBell


@_mutant("basic.10", "lost wake-up", trap="left while a receive waits", also="wildcards.9 filtering.10")
class LeavesWithoutAWord(Reader):
    """A receive that waits learns of the leaving only with the next change."""

    def leave(self) -> None:
        self.left = True


@_mutant(
    "filtering.9", "bounded look", trap="more than a page of others before what matches", also="filtering.1 wildcards.1 basic.1"
)
class ReadsAPageAtATime(Reader):
    """A look that finds nothing in 300 lines ends there."""

    def next(self) -> Message | None:
        for line in self.ledger.lines[self.place : self.place + 300]:
            self.place += 1
            if not line.kept and self.wants(line):
                return line.message()
        return None


@_mutant("basic.9", "cap on time", trap="a wait of over an hour", also="wildcards.9 filtering.10 filtering.9")
class WaitsAnHourAtMost(Reader):
    """A receive with a longer timeout returns None after an hour."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        return await super().receive(min(check_timeout(timeout_s, "receive", "zoo"), 3600.0))


@_mutant("basic.9", "cap on time", trap="iteration waits for over a day", also="wildcards.9 filtering.10")
class IteratesForADay(Reader):
    """Iteration ends if nothing comes for a day."""

    async def __anext__(self) -> Message:
        try:
            message = await self.receive(86_400)
        except Closed:
            raise StopAsyncIteration from None
        if message is None:
            raise StopAsyncIteration
        return message


class Ahead:
    """Fetches the next message before it hands out this one."""

    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.kept: list[Message] = []

    async def __anext__(self) -> Message:
        if not self.kept:
            self.kept.append(await self.reader.__anext__())
        following = self.reader.next() if not self.reader.left else None
        message = self.kept.pop()
        if following is not None:
            self.kept.append(following)
        return message

    def __aiter__(self) -> AsyncIterator[Message]:
        return self


@_mutant(
    "basic.9",
    "prefetch",
    trap="an iteration is broken off with more to come, then receive",
    also="basic.1 wildcards.9 filtering.10",
)
class IteratesOneAhead(Reader):
    """An iteration that is broken off has taken one message more than it gave."""

    def __aiter__(self) -> AsyncIterator[Message]:
        return Ahead(self)


@_mutant("basic.1", "expiry", trap="a message waits for over ten minutes", also="wildcards.1 filtering.1")
class ForgetsWhatNobodyFetched(Reader):
    """A message that was not fetched in ten minutes is passed over, and is no gap."""

    def __init__(self, ledger: Ledger, clock: Any, wants: Callable[[Line], bool]) -> None:
        super().__init__(ledger, clock, wants)
        self.seen = clock.now_s()

    def next(self) -> Message | None:
        now, self.seen, before = self.clock.now_s(), self.clock.now_s(), self.seen
        if now - before > 600 and self.place < len(self.ledger.lines):
            self.place = len(self.ledger.lines)
        return super().next()


@_mutant("basic.6", "limit counted wrong", trap="a memoryview of wider items", also="persistent.11")
class CountsItemsOfAView(LedgerPubSub):
    """A view of four-byte items may be four times as large."""

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        check_name(topic, call, "zoo")
        if isinstance(payload, memoryview):
            if len(payload) > self.limits_bytes:
                raise PayloadTooLarge("zoo: too large")
            line = await self.ledger.append(topic, bytes(payload), check_headers(headers, call, "zoo"), kept, key)
            return line.id
        return await super().write(call, topic, payload, headers, kept=kept, key=key)

    limits_bytes = 1_000_000


@_mutant("filtering.5", "wrong comparison", trap="a name of one header with the value of another", also="filtering.2")
class ComparesNamesAndValuesApart(LedgerPubSub):
    """All names asked for are there, and all values."""

    def carries(self, line: Line, asked: Mapping[str, str]) -> bool:
        held = dict(line.headers)
        return asked.keys() <= held.keys() and set(asked.values()) <= set(held.values())


@_mutant("filtering.5", "colliding encoding", trap="a value that looks like the rest of the text", also="filtering.2 filtering.1")
class LooksForAttributesInText(LedgerPubSub):
    """Headers are one text, and what is asked for is looked for in it."""

    def carries(self, line: Line, asked: Mapping[str, str]) -> bool:
        text = "\n" + "".join(f"{name}={value}\n" for name, value in line.headers)
        return all(f"\n{name}={value}\n" in text for name, value in asked.items())


@_mutant("wildcards.4", "colliding cache", trap="a blank in a pattern and in a topic", also="wildcards.2 wildcards.1")
class RemembersMatchesByText(LedgerPubSub):
    """What matches is remembered under pattern, blank and topic."""

    def __init__(self, library: Library, namespace: str) -> None:
        super().__init__(library, namespace)
        self.known: dict[str, bool] = self.ledger.__dict__.setdefault("known", {})

    def matches(self, pattern: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
        return self.known.setdefault(f"{'.'.join(pattern)} {'.'.join(tokens)}", matches(pattern, tokens))


@_mutant("wildcards.7", "cap on number", trap="a pattern of more than 65 tokens", also="wildcards.3 wildcards.1 wildcards.2")
class CutsInto65Tokens(LedgerPubSub):
    """What comes after the 64th dot is one token."""

    def matches(self, pattern: tuple[str, ...], tokens: tuple[str, ...]) -> bool:
        return matches(tuple(".".join(pattern).split(".", 64)), tuple(".".join(tokens).split(".", 64)))


@_mutant("basic.10", "no finally", trap="left by an exception", also="wildcards.9 filtering.10")
class StaysWhenTheBodyRaises(LedgerPubSub):
    """A plain subscription is left only at the normal end of its body."""

    @asynccontextmanager
    async def reading(self, wants: Callable[[Line], bool]) -> AsyncIterator[Subscription]:
        reader = self.reader_type(self.ledger, self.clock, wants)
        yield reader
        reader.leave()


@_mutant("basic.1", "number per client", trap="two clients publish to one topic", also="persistent.2 filtering.1 wildcards.1")
class CountsIdsForEachClient(LedgerPubSub):
    """Plain messages have the number of their client: two have one id."""

    counted = 0

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        if kept:
            return await super().write(call, topic, payload, headers, kept=kept, key=key)
        self.counted += 1
        number = self.counted
        check_name(topic, call, "zoo")
        data = check_payload(payload, call, "zoo", topic)
        copy = check_headers(headers, call, "zoo")
        async with self.ledger.turn:
            made = Line(number, topic, data, tuple(copy.items()), kept, key)
            self.ledger.lines.append(made)
        self.ledger.ring()
        return made.id


@_mutant("basic.3", "tasks for speed", trap="small after large")
class LargeOnesTakeTheirTime(LedgerPubSub):
    """A large plain message is written by a task, after the publish has returned."""

    async def write(
        self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None, *, kept: bool, key: str | None = None
    ) -> str:
        if kept or len(payload) < 60_000:
            return await super().write(call, topic, payload, headers, kept=kept, key=key)
        check_name(topic, call, "zoo")
        data = check_payload(payload, call, "zoo", topic)
        copy = check_headers(headers, call, "zoo")
        made = Line(len(self.ledger.lines) + 1_000_000_000, topic, data, tuple(copy.items()), False)

        def write() -> None:
            self.ledger.lines.append(made)
            self.ledger.ring()

        asyncio.get_running_loop().call_later(0.005, write)
        return made.id
