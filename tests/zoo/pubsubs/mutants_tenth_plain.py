"""Wrong topics over tables: what is heard by whoever listens, by topic, pattern and headers."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import islice

from prism_testkit.interfaces import Message, Subscription
from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.naming import check_timeout
from tests.zoo.declare import Mutant

from .tenth_declare import declaring_tenth
from .tenth_driver import Ear, OfficePubSub, Wants

__all__ = ["MUTANTS"]

_MUTANTS: list[Mutant] = []
mutant = declaring_tenth(_MUTANTS)


def asked(ear: Ear) -> list[object]:
    """What a listener asked for: a topic, the tokens of a pattern, or a topic and attributes."""
    return [cell.cell_contents for cell in ear.wants.__closure__ or ()]


@mutant("basic.12", "sizes", "more than 2000 messages that nobody fetched", also="basic.1 filtering.1 wildcards.1")
class KeepsTwoThousand(Ear):
    """Keeps the last 2000 messages and does not say what it dropped."""

    def hear(self, message: Message) -> None:
        super().hear(message)
        if len(self.came) > 2000:
            self.came.popleft()


@mutant("basic.4", "identity", "two subscriptions to one topic, of which the second is left first", also="basic.1 basic.10")
class EqualEars(Ear):
    """Ears that want the same are equal, so whoever leaves takes the first of them off the list."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ear) and asked(self) == asked(other)

    __hash__ = None  # type: ignore[assignment]


@mutant("basic.9", "wake-ups", "a receive that waits while another topic is used", also="filtering.9 wildcards.9 basic.5")
class WokenIsServed(Ear):
    """Returns whatever there is once it was woken, also if that is nothing."""

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "office")
        await asyncio.sleep(0)
        if not self._there() and timeout > 0:
            await self.office.sleep(timeout)
        return self.came.popleft() if self._there() else None


@mutant("basic.9", "wake-ups", "two receives of one subscription that wait at once")
class OneWaiter(Ear):
    """Remembers one who waits: the second takes the place of the first."""

    waiter: asyncio.Future[None] | None = None

    def hear(self, message: Message) -> None:
        super().hear(message)
        if self.came and self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    def leave(self) -> None:
        super().leave()
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_result(None)

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", "office")
        deadline = self.office.clock.now_s() + timeout
        await asyncio.sleep(0)
        while not self._there():
            left = deadline - self.office.clock.now_s()
            if left <= 0:
                return None
            self.waiter = asyncio.get_running_loop().create_future()
            await asyncio.wait([self.waiter], timeout=left)
        return self.came.popleft()


@mutant("basic.11", "cancelled", "a step of an iteration that is cancelled as it gets a message", also="basic.9 basic.1")
class StepsRest(Ear):
    """A step of an iteration that waited lets others run before it gives its message away."""

    async def __anext__(self) -> Message:
        waited = not self.came
        message = await super().__anext__()
        if waited:
            await asyncio.sleep(0)
        return message


@mutant("basic.11", "cancelled", "a publish that is cancelled, to more than 12 subscriptions", also="basic.4 basic.1")
class TellsTwelveAtATime(OfficePubSub):
    """Lets others run after every twelve listeners."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        held: list[Message] = []
        tell, self.tell = self.tell, held.append  # type: ignore[method-assign, assignment]
        try:
            number = await super().publish(topic, payload, headers)
        finally:
            self.tell = tell  # type: ignore[method-assign, assignment]
        ears = iter(list(self.office.listeners.get(self.namespace, ())))
        while some := list(islice(ears, 12)):
            for ear in some:
                ear.hear(held[-1])
            self.office.wake()
            await asyncio.sleep(0)
        return number


@mutant(
    "basic.3",
    "sizes",
    "a payload over 100,000 bytes and a small one behind it",
    also="basic.1 filtering.8 wildcards.5 basic.2",
)
class LargeOnesLater(OfficePubSub):
    """Hands large messages over in a task of their own, which lets others go first."""

    def tell(self, message: Message) -> None:
        if len(message.payload) > 100_000:
            loop = asyncio.get_running_loop()
            loop.call_soon(lambda: loop.call_soon(lambda: loop.call_soon(lambda: super(LargeOnesLater, self).tell(message))))
        else:
            super().tell(message)


@mutant("wildcards.1", "cache", "a topic that was used before a pattern with a wildcard first is entered", also="wildcards.6")
class RoutesAreKept(OfficePubSub):
    """Keeps who listens to a topic; a new pattern makes it forget the topics that begin with its first token."""

    def tell(self, message: Message) -> None:
        routes = self.office.notes.setdefault(("routes", self.namespace), {})
        here = self.office.listeners.get(self.namespace, [])
        if message.topic not in routes:
            routes[message.topic] = list(here)
        known = {id(ear) for ear in routes[message.topic]}
        for ear in list(here):
            if id(ear) in known or getattr(ear, "first", None) in (None, message.topic.split(".")[0]):
                ear.hear(message)
        self.office.wake()

    @asynccontextmanager
    async def _listening(self, wants: Callable[[], Wants]) -> AsyncIterator[Subscription]:
        async with super()._listening(wants) as ear:
            cells = asked(ear)  # type: ignore[arg-type]
            if cells and isinstance(cells[0], tuple):
                ear.first = cells[0][0]  # type: ignore[attr-defined]
            yield ear


@mutant(
    "wildcards.2",
    "cache",
    "two patterns of one length, a topic that only the first one matches",
    also="wildcards.1 wildcards.6",
)
class RemembersMatches(OfficePubSub):
    """Remembers for each topic whether a pattern matched it, by the pattern without its wildcards."""

    def by_pattern(self, pattern: str) -> Wants:
        right = super().by_pattern(pattern)
        known: dict[tuple[str, str], bool] = self.office.notes.setdefault("matches", {})
        name = ".".join("?" if token in ("*", ">") else token for token in pattern.split("."))
        return lambda message: known.setdefault((name, message.topic), right(message))


@mutant("filtering.5", "encoding", "a name that ends as a value begins, with an equals sign", also="filtering.2 filtering.1")
class NameEqualsValue(OfficePubSub):
    """Compares names and values joined by an equals sign."""

    def by_attributes(self, topic: str, attributes: Mapping[str, str]) -> Wants:
        super().by_attributes(topic, attributes)
        wanted = {f"{name}={value}" for name, value in attributes.items()}
        return lambda message: message.topic == topic and wanted <= {f"{name}={value}" for name, value in message.headers.items()}


@mutant("filtering.1", "sizes", "a message with more than 32 headers, of which one of the last is asked for", also="filtering.3")
class LooksAtThirtyTwo(OfficePubSub):
    """Looks at the first 32 headers of a message."""

    def by_attributes(self, topic: str, attributes: Mapping[str, str]) -> Wants:
        super().by_attributes(topic, attributes)
        wanted = dict(attributes).items()
        return lambda message: message.topic == topic and wanted <= dict(islice(message.headers.items(), 32)).items()


@mutant("filtering.8", "identity", "two subscriptions with equal attributes at once", also="filtering.1")
class EqualOnesShareAnEar(OfficePubSub):
    """Takes turns between subscriptions that ask for the same attributes, once there are three of them."""

    def tell(self, message: Message) -> None:
        seen: dict[object, int] = {}
        for ear in list(self.office.listeners.get(self.namespace, ())):
            cells = asked(ear)
            if len(cells) == 2:
                what = str(cells)
                seen[what] = seen.get(what, 0) + 1
                if seen[what] > 2:
                    continue
            ear.hear(message)
        self.office.wake()


@mutant("basic.1", "identity", "two drivers that publish to one topic", also="basic.2")
class NumbersOfADriver(OfficePubSub):
    """Numbers its messages itself, and drops what comes with the number of the one before."""

    count = 0

    def tell(self, message: Message) -> None:
        self.count += 1
        here = self.office.listeners.get(self.namespace, ())
        for ear in list(here):
            if getattr(ear, "last", None) != (message.topic, self.count, message.payload):
                ear.hear(message)
            ear.last = (message.topic, self.count, message.payload)
        self.office.wake()


@mutant("basic.8", "namespace", "a topic of more than 100 characters in two namespaces", also="filtering.10 wildcards.8")
class LooksAtTheEnds(OfficePubSub):
    """Tells whoever listens, in another namespace too, about topics of more than 100 characters."""

    def tell(self, message: Message) -> None:
        if len(message.topic) > 100:
            for ears in self.office.listeners.values():
                for ear in list(ears):
                    ear.hear(message)
            self.office.wake()
        else:
            super().tell(message)


@mutant("basic.10", "state", "a subscription whose context ends by an error while messages wait")
class ErrorsLeaveOpen(OfficePubSub):
    """After an error inside of the context the subscription still answers what had come."""

    @asynccontextmanager
    async def _listening(self, wants: Callable[[], Wants]) -> AsyncIterator[Subscription]:
        ear = self.ear_type(self.office, wants())
        ears = self.office.listeners.setdefault(self.namespace, [])
        ears.append(ear)
        try:
            yield ear
        except Exception:
            ears.remove(ear)
            raise
        except BaseException:
            ears.remove(ear)
            ear.leave()
            raise
        else:
            ears.remove(ear)
            ear.leave()


MUTANTS: tuple[Mutant, ...] = tuple(_MUTANTS)
