"""Subscriptions to a part of what is published, by pattern or by attributes, and which part that is.

What is promised of every plain subscription is promised of these too: `Way.also` makes a check of `PubSubBasic` one of them, by
showing it a client whose `subscribe` goes that way, and by naming the promise of that interface in the place of its own.
"""

import dataclasses
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from prism_suites._pubsub_taking import BASIC, Laws
from prism_testkit.checks import Check
from prism_testkit.interfaces import Message, PubSubFiltering, PubSubWildcards
from prism_testkit.outcomes import Violation
from prism_testkit.slots import slot_of

__all__ = ["ATTRIBUTES", "FILTERING", "PATTERN", "REST", "WILDCARDS", "Way"]

Headers = Mapping[str, str] | None
Publication = tuple[str, Headers]
"""The topic and the headers of a message."""

_WILDCARDS = {1: 1, 2: 2, 3: 5, 4: 6, 5: 4, 6: 7, 7: 1, 8: 8, 9: 9, 10: 9, 11: 9, 12: 9, 13: 10}
_FILTERING = {1: 1, 2: 2, 3: 8, 4: 8, 5: 5, 6: 6, 7: 7, 8: 10, 9: 9, 10: 10, 11: 10, 12: 9, 13: 11}
"""By the number of what ``pubsub_basic`` promises, that of what these interfaces do."""


def _laws(interface: str, numbers: Mapping[int, int], headers: str = "") -> Laws:
    names = [field.name for field in dataclasses.fields(Laws) if field.name != "headers"]
    basic = (int(getattr(BASIC, name).rpartition(".")[2]) for name in names)
    return dataclasses.replace(Laws(*(f"{interface}.{numbers[number]}" for number in basic)), headers=headers)


WILDCARDS = _laws("pubsub_wildcards", _WILDCARDS)
FILTERING = _laws("pubsub_filtering", _FILTERING, "pubsub_filtering.3")


@dataclasses.dataclass(frozen=True)
class Way:
    """One way to subscribe to what a check calls a topic."""

    interface: str
    protocol: type
    numbers: Mapping[int, int]
    published: Callable[[str, Headers], Publication]
    """What is published instead of a message to that topic."""
    seen: Callable[[Message], Message]
    """The message, as it were to that topic."""
    enter: Callable[[Any, str], AbstractAsyncContextManager[Any]]
    decoys: Callable[[str, Headers], Sequence[Publication]]
    """What is published before each message, and is received by nobody."""

    def also(self, check: Check, module: str, *, decoys: bool = True, numbers: Mapping[int, int] | None = None) -> Check:
        """Return a check of plain subscriptions as one of these, which is found in ``module``.

        ``numbers`` are of promises that it judges another part of than most do.
        """
        if numbers:
            return dataclasses.replace(self, numbers={**self.numbers, **numbers}).also(check, module, decoys=decoys)

        async def judged(pubsub: Any, case: Any, **data: Any) -> None:
            slots = _Slots(self, decoys)
            names = {check.slots[0].name: slots.of(pubsub), check.case_parameter: _Seen(case, slots)}
            try:
                await check.function(**names, **data)
            except Violation as violation:
                promise = self.promise(violation.promise)
                raise Violation.of(promise, violation.message, expected=violation.expected, got=violation.got) from violation
            except Exception as error:
                if hasattr(error, "prism_promise"):
                    error.prism_promise = self.promise(error.prism_promise)
                raise

        judged.__module__, judged.__doc__ = module, check.function.__doc__
        judged.__name__ = judged.__qualname__ = check.name
        slot = slot_of("pubsub", self.protocol)
        assert slot is not None, "it is an interface"
        promises = tuple(dict.fromkeys(map(self.promise, check.promises)))
        return dataclasses.replace(check, function=judged, slots=(slot,), case_parameter="case", promises=promises)

    def promise(self, promise: str) -> str:
        """Return the promise of this interface that says what one of ``pubsub_basic`` does."""
        interface, _, number = promise.rpartition(".")
        return f"{self.interface}.{self.numbers[int(number)]}" if interface == "pubsub_basic" else promise


class _Slots:
    """Clients as a check of plain subscriptions sees them."""

    def __init__(self, way: Way, decoys: bool) -> None:
        self.way, self.decoys = way, decoys

    def of(self, inner: Any) -> "_Slot":
        return _Slot(self, inner)


class _Slot:
    """A client with `publish` and `subscribe`."""

    def __init__(self, slots: _Slots, inner: Any) -> None:
        self._way, self._decoys, self._inner = slots.way, slots.decoys, inner

    async def publish(self, topic: str, payload: Any, headers: Headers = None) -> Any:
        for place, others in self._way.decoys(topic, headers) if self._decoys else ():
            await self._inner.publish(place, b"for nobody", others)
        place, all_headers = self._way.published(topic, headers)
        return await self._inner.publish(place, payload, all_headers)

    def subscribe(self, topic: str) -> "_Manager":
        return _Manager(self._way, self._way.enter(self._inner, topic))


class _Manager:
    def __init__(self, way: Way, inner: AbstractAsyncContextManager[Any]) -> None:
        self._way, self._inner = way, inner

    async def __aenter__(self) -> "_Subscription":
        return _Subscription(self._way, await self._inner.__aenter__())

    async def __aexit__(self, *raised: Any) -> Any:
        return await self._inner.__aexit__(*raised)


class _Subscription:
    def __init__(self, way: Way, inner: Any) -> None:
        self._way, self._inner = way, inner

    async def receive(self, timeout_s: float = 0) -> Any:
        got = await self._inner.receive(timeout_s)
        return self._way.seen(got) if isinstance(got, Message) else got

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        return self._way.seen(await self._inner.__anext__())

    @property
    def gaps(self) -> int:
        gaps: int = self._inner.gaps
        return gaps


class _Seen:
    """A case, or a private server, whose clients are seen so."""

    def __init__(self, inner: Any, slots: _Slots) -> None:
        self._inner, self._slots = inner, slots

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def client(self, **how: bool) -> Any:
        return self._slots.of(await self._inner.client(**how))

    async def sibling(self, **how: bool) -> Any:
        return self._slots.of(await self._inner.sibling(**how))

    @asynccontextmanager
    async def private_server(self) -> AsyncIterator["_Seen"]:
        async with self._inner.private_server() as private:
            yield _Seen(private, self._slots)


def _without(message: Message, end: str) -> Message:
    return dataclasses.replace(message, topic=message.topic.removesuffix(end))


def _unmarked(message: Message) -> Message:
    headers = dict(message.headers)
    headers.pop("kind", None)
    return dataclasses.replace(message, headers=headers)


PATTERN = Way(
    "pubsub_wildcards",
    PubSubWildcards,
    _WILDCARDS,
    published=lambda topic, headers: (f"{topic}.x", headers),
    seen=lambda message: _without(message, ".x"),
    enter=lambda slot, topic: slot.subscribe_pattern(f"{topic}.*"),
    decoys=lambda topic, headers: [(topic, headers), (f"{topic}.x.y", headers)],
)
"""A topic is every topic of one token more."""

REST = Way(
    "pubsub_wildcards",
    PubSubWildcards,
    _WILDCARDS,
    published=lambda topic, headers: (f"{topic}.x.y", headers),
    seen=lambda message: _without(message, ".x.y"),
    enter=lambda slot, topic: slot.subscribe_pattern(f"{topic}.>"),
    decoys=lambda topic, headers: [(topic, headers), (f"x.{topic}.x", headers)],
)
"""A topic is every topic that begins with its tokens and has more."""

ATTRIBUTES = Way(
    "pubsub_filtering",
    PubSubFiltering,
    _FILTERING,
    published=lambda topic, headers: (topic, {**(headers or {}), "kind": "this"}),
    seen=_unmarked,
    enter=lambda slot, topic: slot.subscribe_filtered(topic, {"kind": "this"}),
    decoys=lambda topic, headers: [(topic, headers), (topic, {**(headers or {}), "kind": "that"})],
)
"""A topic is every message of it with one certain header."""
