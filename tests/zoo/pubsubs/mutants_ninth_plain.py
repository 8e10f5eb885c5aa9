"""Mistakes of plain subscriptions, patterns and filters over rows: who is woken, who is passed over, and what is compared."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

from prism_testkit.interfaces import Bytes, Message, Subscription
from prism_testkit.naming import check_attributes, check_name, check_timeout
from tests.zoo.declare import Mutant

from .ninth_declare import declaring_ninth
from .ninth_driver import MAKER, Ear, RowPubSub, copied

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_ninth(MUTANTS)


@_mutant(
    "basic.9", "one is woken", trap="two receives wait, and the one that is woken is cancelled", also="wildcards.9 filtering.9"
)
class WakesOneWaiter(Ear):
    """A message wakes the first that waits; what is left when that one was cancelled wakes nobody."""

    def __init__(self, driver: RowPubSub, wants: Callable[[Message], bool]) -> None:
        super().__init__(driver, wants)
        self.waiting: deque[asyncio.Future[None]] = deque()

    def tell(self, message: Message) -> None:
        if self.wants(message):
            self.heard.append(message)
            self.wake(1)

    def wake(self, count: int) -> None:
        for waiter in [waiter for waiter in self.waiting if not waiter.done()][:count]:
            waiter.set_result(None)

    async def wait(self, seconds: float | None) -> None:
        waiter = asyncio.get_running_loop().create_future()
        self.waiting.append(waiter)
        try:
            await asyncio.wait([waiter], timeout=seconds)
        finally:
            self.waiting.remove(waiter)

    def leave(self) -> None:
        super().leave()
        self.wake(len(self.waiting))


@_mutant(
    "basic.4", "iterates over what changes", trap="of more than four one leaves during a publish", also="wildcards.6 filtering.8"
)
class TellsFourAtATime(RowPubSub):
    """Between every four the others have their turn, whoever leaves meanwhile."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        message = replace(self.message("publish", topic, payload, headers), id=f"p{self.rows.number():x}")

        async def tell() -> str:
            ears = self.rows.listeners.get(self.space, [])
            entered = set(ears)
            for number, ear in enumerate(ears):
                if ear in entered:
                    ear.tell(message)
                if number % 4 == 3:
                    await asyncio.sleep(0)
            return message.id

        return await asyncio.shield(asyncio.ensure_future(tell()))


@_mutant("basic.3", "two ways", trap="a payload of more than 64 KiB, then a small one", also="wildcards.5 filtering.8")
class SendsLargeOnesLater(RowPubSub):
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        message = replace(self.message("publish", topic, payload, headers), id=f"p{self.rows.number():x}")
        for ear in self.rows.listeners.get(self.space, ()):
            if len(message.payload) > 65_536:
                asyncio.get_running_loop().call_soon(ear.tell, message)
            else:
                ear.tell(message)
        return message.id


@_mutant(
    "basic.1", "a byte for a millisecond", trap="257 messages of one millisecond", also="persistent.2 persistent.13 persistent.16"
)
class CountsIdsInAByte(RowPubSub):
    def _named(self) -> str:
        return f"{self.rows.clock.now_ms():x}-{self.rows.number() & 0xFF}"

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        message = replace(self.message("publish", topic, payload, headers), id=self._named())
        for ear in self.rows.listeners.get(self.space, ()):
            ear.tell(message)
        return message.id

    def following(self, topic: str) -> tuple[int, str]:
        return super().following(topic)[0], self._named()


@_mutant(
    "basic.11",
    "taken before it is handed over",
    trap="an iteration is cancelled as a message comes",
    also="wildcards.9 filtering.10",
)
class StepsCarelessly(Ear):
    async def __anext__(self) -> Message:
        message = await super().__anext__()
        await asyncio.sleep(0)
        return message


@_mutant("basic.1", "what is below a view", trap="a memoryview backwards", also="persistent.2 ordering.1")
class LooksBelowViews(RowPubSub):
    """A view of as many bytes as its buffer has is its buffer."""

    def message(self, call: str, topic: str, payload: Bytes, headers: Mapping[str, str] | None) -> Message:
        if isinstance(payload, memoryview) and payload.nbytes == len(bytes(payload.obj)):
            payload = bytes(payload.obj)
        return super().message(call, topic, payload, headers)


@_mutant("filtering.10", "taken below a timeout", trap="a receive is cancelled as a message comes", also="basic.11 wildcards.9")
class PopsBelowATimeout(Ear):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        self.check_here()
        check_timeout(timeout_s, "receive", MAKER)
        if timeout_s <= 0 or self.heard:
            return await super().receive(timeout_s)

        async def pop() -> Message:
            while not self.heard:
                await self.wait(None)
                self.check_here()
            message = self.heard.popleft()
            await asyncio.sleep(0)
            return copied(message)

        try:
            async with asyncio.timeout(timeout_s):
                return await pop()
        except TimeoutError:
            return None


@_mutant("wildcards.2", "the end of a line", trap="a topic that ends with a newline", also="wildcards.3 wildcards.4")
class MatchesByLine(RowPubSub):
    def fits(self, tokens: tuple[str, ...], parts: list[str]) -> bool:
        if tokens[-1] == ">":
            return super().fits(tokens, parts)
        pattern = r"\.".join("[^.]*" if token == "*" else re.escape(token) for token in tokens) + "$"
        return re.match(pattern, ".".join(parts), re.DOTALL) is not None


@_mutant("wildcards.3", "nothing to stand for", trap="`a.*.>` against two tokens", also="wildcards.2")
class StandsForNothingBehindAStar(RowPubSub):
    def fits(self, tokens: tuple[str, ...], parts: list[str]) -> bool:
        if tokens[-2:] == ("*", ">") and len(parts) == len(tokens) - 1:
            tokens = tokens[:-1]
        return super().fits(tokens, parts)


@_mutant(
    "wildcards.6", "one list for equal ones", trap="three of one pattern of a client, one leaves", also="wildcards.1 wildcards.9"
)
class LeavesAnotherToo(RowPubSub):
    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        mine: dict[str, list[Subscription]] = self.__dict__.setdefault("patterns", {})
        async with super().subscribe_pattern(pattern) as ear:
            equal = mine.setdefault(pattern, [])
            equal.append(ear)
            try:
                yield ear
            finally:
                equal.remove(ear)
                ears = self.rows.listeners.get(self.space, [])
                if len(equal) >= 2 and equal[-1] in ears:
                    ears.remove(equal[-1])


@_mutant("filtering.2", "cap on number", trap="eight attributes alike, the ninth not", also="filtering.5")
class ComparesEight(RowPubSub):
    def of_attributes(self, topic: str, attributes: Mapping[str, str]) -> Callable[[Message], bool]:
        check_attributes(attributes, "subscribe_filtered", MAKER)
        return super().of_attributes(topic, dict([*attributes.items()][:8]))


@_mutant("filtering.2", "compared in part", trap="values alike in their first 1000 characters", also="filtering.5")
class ComparesTheFirstThousand(RowPubSub):
    def of_attributes(self, topic: str, attributes: Mapping[str, str]) -> Callable[[Message], bool]:
        check_name(topic, "subscribe_filtered", MAKER)
        checked = check_attributes(attributes, "subscribe_filtered", MAKER)
        wanted = {name: value[:1000] for name, value in checked.items()}.items()
        return lambda message: message.topic == topic and wanted <= {n: v[:1000] for n, v in message.headers.items()}.items()


@_mutant(
    "filtering.8", "the first that is equal", trap="of two equal subscriptions the second leaves", also="filtering.1 filtering.10"
)
class RemovesTheFirstThatIsEqual(RowPubSub):
    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        ear = self.ear_type(self, self.of_attributes(topic, attributes))
        equal: dict[int, object] = self.rows.__dict__.setdefault("equal", {})
        equal[id(ear)] = (self.space, topic, dict(attributes))
        ears = self.rows.listeners.setdefault(self.space, [])
        ears.append(ear)
        try:
            yield ear
        finally:
            ear.leave()
            there = self.rows.listeners.get(self.space, [])
            if found := [other for other in there if equal.get(id(other)) == equal[id(ear)]]:
                there.remove(found[0])
