"""Publishing, and receiving in whatever way a slot offers, and judging what came: the message, whole, and the right one.

A message may take a moment to arrive, so what must come is waited for; what must not come is told by a later message that does.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.interfaces import Delivery, Message, PubSubBasic, PubSubPersistent

__all__ = [
    "BASIC",
    "PERSISTENT",
    "BasicAndPersistent",
    "Ear",
    "Laws",
    "Sent",
    "entered",
    "hears",
    "is_message",
    "listening",
    "numbered",
    "patience",
    "publish",
    "quiet",
    "send",
    "silent",
]


async def entered(manager: AbstractAsyncContextManager[Any]) -> None:
    """Enter a subscription, and leave it."""
    async with manager:
        pass


@dataclass(frozen=True, slots=True)
class Laws:
    """Which promise of an interface says what both interfaces promise."""

    content: str
    lost: str
    once: str
    order: str
    wait: str
    alias: str
    refusal: str
    copy: str
    namespace: str
    headers: str = ""
    """Where headers have a promise of their own; otherwise ``content`` says it."""

    @property
    def plain(self) -> bool:
        """Say whether the subscriptions have no name and remember nothing."""
        return self is not PERSISTENT


BASIC = Laws(*(f"pubsub_basic.{number}" for number in (1, 1, 2, 3, 9, 5, 6, 7, 8)))
PERSISTENT = Laws(*(f"pubsub_persistent.{number}" for number in (2, 13, 1, 3, 9, 11, 11, 12, 12)))


class BasicAndPersistent(PubSubBasic, PubSubPersistent, Protocol):
    """Publish and subscribe of both kinds."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was published, as it must be received."""

    id: str
    topic: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


def patience(case: Case) -> float:
    """Return seconds for which a message that must come is waited for."""
    return 500.0 if case.clock.virtual else 10.0


def quiet(case: Case) -> float:
    """Return seconds for which a message that must not come is waited for; on a real clock it is looked for once."""
    return 0.12 if case.clock.virtual else 0.0


def publish(slot: Any, laws: Laws) -> Any:
    """Return the method that publishes."""
    return slot.publish if laws.plain else slot.publish_persistent


async def send(
    slot: Any, topic: str, payloads: Iterable[bytes], laws: Laws, headers: Mapping[str, str] | None = None
) -> list[Sent]:
    """Publish payloads one after another."""
    call = publish(slot, laws)
    return [Sent(await call(topic, payload, headers), topic, payload, dict(headers or {})) for payload in payloads]


def numbered(count: int, mark: str = "m") -> list[bytes]:
    """Return payloads that are all different."""
    return [b"%s-%d" % (mark.encode(), number) for number in range(count)]


class Ear:
    """One subscription of either kind, from which messages are taken for good."""

    def __init__(self, case: Case, inner: Any, laws: Laws) -> None:
        self.case = case
        self.inner = inner
        self.laws = laws

    async def next(self, timeout_s: float | None = None) -> Message | None:
        """Return the next message, waiting for it; of a durable subscription it is acked."""
        wait_s = patience(self.case) if timeout_s is None else timeout_s
        if self.laws.plain:
            received: Message | None = await self.inner.receive(wait_s)
            return received
        got = await self.inner.receive(1, wait_s)
        if not isinstance(got, list) or len(got) > 1 or not all(isinstance(each, Delivery) for each in got):
            broken(self.laws.wait, "receive of one gives no list of at most one delivery", expected="a list", got=got)
        if not got:
            return None
        await self.inner.ack(got[0])
        message: Message = got[0].message
        return message


@asynccontextmanager
async def listening(case: Case, slot: Any, topic: str, laws: Laws, name: str = "s") -> AsyncIterator[Ear]:
    """Enter a subscription of the kind that is judged, a durable one from the beginning of its topic."""
    entering = slot.subscribe(topic) if laws.plain else slot.subscribe_durable(topic, name, "earliest")
    async with entering as inner:
        yield Ear(case, inner, laws)


def is_message(promise: str, got: Any, sent: Sent, sentence: str, headers_promise: str = "") -> None:
    """Judge that a message is the one that was published: its payload, headers, topic and id."""
    if not isinstance(got, Message):
        broken(promise, sentence, expected=sent, got=got)
    if got.payload != sent.payload or not isinstance(got.payload, bytes):
        broken(promise, sentence, expected=sent.payload, got=got.payload)
    if got.id != sent.id or not isinstance(got.id, str):
        broken(promise, f"{sentence}: its id is not what publish returned", expected=sent.id, got=got.id)
    if got.topic != sent.topic:
        broken(promise, f"{sentence}: its topic is another", expected=sent.topic, got=got.topic)
    headers = got.headers
    if not isinstance(headers, Mapping) or dict(headers) != dict(sent.headers):
        told = f"{sentence}: its headers are not those that were published"
        broken(headers_promise or promise, told, expected=dict(sent.headers), got=headers)


async def hears(
    ear: Ear, sents: Sequence[Sent], story: str = "", *, more: bool = False, lost: str = "", besides: Sequence[Sent] = ()
) -> None:
    """Receive what one publisher sent, in that order, and then nothing (unless ``more``); name loss, order and doubles apart.

    ``besides``: what was published to the topic for subscriptions of another kind. Whether it comes is the backend's; if it does,
    it is whole, and comes once.
    """
    laws, told = ear.laws, f" ({story})" if story else ""
    pending, others = list(sents), {(sent.id, sent.payload): sent for sent in besides}
    while pending:
        got = await _next(ear, others, None)
        if got is None:
            broken(lost or laws.lost, f"a message that was published is not received{told}", expected=pending[0], got=None)
        if isinstance(got, Message) and (got.id, got.payload) != (pending[0].id, pending[0].payload):
            await _not_the_next(ear, got, pending, sents, told, lost)
        is_message(laws.content, got, pending.pop(0), f"a message is not received as it was published{told}", laws.headers)
    if not more and (got := await _next(ear, others, quiet(ear.case))) is not None:
        broken(laws.once, f"a subscription that was given everything gives another message{told}", expected=None, got=got)


async def _next(ear: Ear, others: dict[tuple[str, bytes], Sent], timeout_s: float | None) -> Message | None:
    """Return the next message that is none of others, each of which is judged and taken out."""
    while True:
        got = await ear.next(timeout_s)
        other = others.pop((got.id, got.payload), None) if others and isinstance(got, Message) else None
        if other is None:
            return got
        is_message(ear.laws.content, got, other, "a message of another kind is not received as it was published", ear.laws.headers)


async def _not_the_next(ear: Ear, got: Message, pending: Sequence[Sent], sents: Sequence[Sent], told: str, lost: str) -> None:
    laws = ear.laws
    if any(got.id == sent.id and got.payload == sent.payload for sent in pending[1:]):
        for _ in pending:  # what is late breaks another promise than what never comes
            later = await ear.next()
            if later is None or later.id == pending[0].id:
                break
        else:
            later = None
        if later is None:
            sentence = f"a message that was published is not received, though one behind it is{told}"
            broken(lost or laws.lost, sentence, expected=pending[0], got=got)
        sentence = f"a message comes before one that was published earlier, which comes later{told}"
        broken(lost or laws.order, sentence, expected=pending[0], got=got)
    if any(got.id == sent.id and got.payload == sent.payload for sent in sents):
        broken(laws.once, f"a message is received again{told}", expected=pending[0], got=got)
    if got.payload != pending[0].payload and got.id != pending[0].id:
        broken(laws.once, f"a message is received that was not published here{told}", expected=pending[0], got=got)


async def silent(ear: Ear, promise: str, sentence: str) -> None:
    """Judge that nothing comes."""
    got = await ear.next(quiet(ear.case))
    if got is not None:
        broken(promise, sentence, expected=None, got=got)
