"""Publish and subscribe: every subscription gets every message of its topic.

Each Protocol's docstring holds its numbered promises; numbers are never reused. Terms used by all of them:

* A *topic* and the *name* of a durable subscription are names: non-empty Unicode text without surrogates, at most
  ``limits.max_name`` bytes in UTF-8. A topic exists implicitly.
* A *payload* is bytes, at most ``limits.max_payload``: a call accepts ``bytes``, ``bytearray`` or ``memoryview`` and returns
  ``bytes``. *Headers* map names of 1 to 512 bytes to texts without surrogates, at most 8 KiB in all (the bytes of names and
  values in UTF-8, added up); None means none. They do not count against ``max_payload``.
* A *publisher* is one driver object that awaits one publish before it makes the next.
* ``timeout_s`` is finite; negative is 0; NaN and infinities raise ``ValueError``. A receive returns as soon as there is something.
* All clients of one namespace share its topics; namespaces never see each other.
* Whether what `publish` sends reaches durable subscriptions, or what `publish_persistent` sends the others, is the backend's. If it
  does, it does so whole and once.

A check of arguments comes before any effect: `InvalidName` for a topic, a name or a header name that is empty, too long or holds
a surrogate, `PayloadTooLarge` for a payload or headers over their limit, ``TypeError`` for what has the wrong type,
``ValueError`` for a number out of range and for a header value that holds a surrogate. Concurrent calls on one driver from one
event loop are safe.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Literal, Protocol

from prism_testkit.interfaces.keyvalue import Bytes

__all__ = ["Deliveries", "Delivery", "Message", "PubSubBasic", "PubSubPersistent", "Start", "Subscription"]

Start = Literal["new", "earliest"]
"""Where a durable subscription begins when it is opened for the first time."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it was published.

    ``id`` is what the publish returned, unique within its topic: among the plain ones, and among the durable ones.
    """

    id: str
    topic: str
    payload: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One delivery of a message of a durable subscription; ``delivery_count`` counts from 1.

    ``token`` tells the driver which delivery this is; it means nothing to others.
    """

    message: Message
    delivery_count: int
    token: str


class Subscription(Protocol):
    """What `PubSubBasic.subscribe` and its like enter: an async iterator of messages.

    After it is left every call raises `Closed`.
    """

    @abstractmethod
    async def receive(self, timeout_s: float = 0) -> Message | None:
        """Return the next message; None if there was none for ``timeout_s``."""

    def __aiter__(self) -> AsyncIterator[Message]:
        return self

    @abstractmethod
    async def __anext__(self) -> Message:
        """Return the next message, however long it takes; end the iteration when the subscription is left meanwhile."""

    @property
    @abstractmethod
    def gaps(self) -> int:
        """How often messages may have been missed: lost connections, and messages that a bounded buffer dropped."""


class PubSubBasic(Protocol):
    """Messages to whoever listens, at most once.

    1. Every message whose publish began after a subscription to its topic was entered is received by it, once, byte for byte,
        with its headers, its topic, and the id that `publish` returned, while ``gaps`` stays 0.
    2. A subscription receives nothing else: nothing published before it was entered began, nothing of another topic, nothing
       twice.
    3. The messages of one publisher are received in the order in which they were published.
    4. Every subscription gets every message; one that is slow, or was left, takes nothing from others and stops nobody.
    5. Topics alias only if their names are equal in every code point; every legal name is its own topic; no character has a
       meaning.
    6. What is illegal raises `InvalidName` or `PayloadTooLarge` before any effect; at the limit it is accepted. Publishing to a
       topic without subscribers is no error.
    7. A message holds a copy: a buffer or a mapping changed after the call changes nothing that is received.
    8. Nothing published in one namespace is received in another.
    9. `Subscription.receive` of nothing returns None, not before ``timeout_s`` have passed, and wakes for a message that comes
       meanwhile; iteration gives the same messages as repeated receives.
    10. After a subscription was left, its methods raise `Closed`, a receive that waits included, and iteration ends; others are
        unaffected.
    11. A cancelled publish is received by all subscriptions or by none; a cancelled or timed-out receive takes nothing. The
        driver stays usable.
    12. ``gaps`` is 0 while no connection was lost and no bounded buffer, of 16 messages at least, overflowed; what was missed
        shows there: it rises each time something was missed, whether it counts messages or times, and never falls.
    13. While the server is away publishes raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver
        works again, and the same subscriptions go on, ``gaps`` counting the interruption.
    """

    @abstractmethod
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Send a message to every subscription of ``topic`` and return its id. A repeat sends another message."""

    @abstractmethod
    def subscribe(self, topic: str) -> AbstractAsyncContextManager[Subscription]:
        """Receive what is published to ``topic`` from the entry of the context until its exit."""


class Deliveries(Protocol):
    """What `PubSubPersistent.subscribe_durable` enters. After it is left every call raises `Closed`."""

    @abstractmethod
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        """Return up to ``max_messages`` deliveries as soon as there is one; none after ``timeout_s``."""

    @abstractmethod
    async def ack(self, *deliveries: Delivery) -> None:
        """Confirm: these messages do not come again. A repeat does nothing."""

    @abstractmethod
    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        """Give back: these messages come again, not before ``delay_s`` have passed."""


class PubSubPersistent(Protocol):
    """Subscriptions with a name, which remember what was confirmed.

    A subscription is (topic, name). It exists from the return of its first entry; each context entered on it is a *member*. A
    delivery is *held* by its member from the receive until ack, nack, leaving or the member's death; an acknowledgement deadline
    of a second or more, after which a held message comes again, is legal.

    1. With ``start="earliest"`` a new subscription gets every message that was published with `publish_persistent` before and
       after, with ``"new"`` every message whose publish began after it was entered; another ``start`` raises ``ValueError``.
       Opened again, it goes on where it was, and ``start`` is ignored. Nothing else is received.
    2. A message arrives byte for byte, with its headers, topic and the id that `publish_persistent` returned.
    3. First deliveries to a single member are in the order of publishing, for the messages of each publisher.
    4. A message that is not acked comes again: after nack, after its member was left, or died (within ``member_timeout_s``); with
       a ``delivery_count`` that is higher (``delivery_count="exact"``: by one).
    5. An acked message never comes again on that subscription while the server lives (and no more after its kill with
       ``ack_survives_kill``). Acks are individual: what was received before or with it is not touched. A repeat is harmless.
    6. Subscriptions of one topic are independent: each gets every message, and an ack in one is none in another.
    7. Members of one subscription share: a message is held by one of them at a time, and nothing is lost when one leaves.
    8. A nacked message does not come before its ``delay_s`` while its member stays; others are not held up by it. NaN and
       infinite raise ``ValueError``; negative is 0.
    9. `Deliveries.receive` gives at most ``max_messages``, at least one as soon as there is one, and an empty list not before
       ``timeout_s`` have passed; ``max_messages`` below 1 raises ``ValueError``.
    10. `last_message_id` is the id of the message of the topic that was published last with `publish_persistent` (or
        `PubSubOrdering.publish_ordered`), None if there never was one; acks and deliveries do not change it.
    11. Topics and names alias only if they are equal in every code point; names and topics do not mix. What is illegal raises
        `InvalidName`, `PayloadTooLarge` or, if it has the wrong type (a delivery, a number or a delay, too), ``TypeError``, before
        any effect.
    12. A message holds a copy. Nothing published in one namespace is received in another.
    13. An acknowledged publish is received by every subscription that exists; concurrent publishes lose nothing.
    14. A cancelled publish is received by all or by none; a cancelled or timed-out receive takes nothing, so the message is
        received by the next one at once (its count may be higher). The driver stays usable.
    15. After a member was left its methods raise `Closed`; ack and nack of what another member holds now, or of what is no
        longer held, change nothing: they do nothing or raise `Conflict`.
    16. With ``durability="process"``, acknowledged publishes and subscriptions survive SIGKILL of the process and of the server.
    17. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Store a message for every durable subscription of ``topic`` and return its id. A repeat stores another message."""

    @abstractmethod
    def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AbstractAsyncContextManager[Deliveries]:
        """Join the subscription ``name`` of ``topic``, making it if there is none."""

    @abstractmethod
    async def last_message_id(self, topic: str) -> str | None:
        """Return the id of the last message published to ``topic``, or None."""
