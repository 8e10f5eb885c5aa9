"""Durable subscriptions that keep the order of a key; what they are otherwise is said in `pubsub`."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Deliveries, Start

__all__ = ["PubSubOrdering"]


class PubSubOrdering(Protocol):
    """Messages of one key, delivered one after the other.

    An *ordering key* is a name; it is no part of the message, and one key under two topics is two. Of two messages of a key the
    one whose publish returned before that of the other began is the *earlier*; where two overlapped either is, and the same one
    for every subscription. `subscribe_durable` and `Deliveries` are those of `PubSubPersistent`, and so are the words *member*
    and *held*.

    1. `publish_ordered` is a `PubSubPersistent.publish_persistent` with a key. What is promised there holds for its messages, and
       for those without a key beside them, but the order of first deliveries (3 there), of which 2 here takes the place: between
       messages of two keys, or of a key and of none, no order is promised.
    2. On each subscription the messages of one key are delivered for the first time in their order, the earlier first, whoever
       published them.
    3. A message is delivered only when every earlier message of its key that the subscription gets has been acked. So at most
       one message of a key is held at a time, by all members together, and one receive gives at most one of each key.
    4. A message that comes again, after nack, leaving or death, comes before every later one of its key; while the ``delay_s``
       of a nack lasts, and its member stays, nothing of its key comes.
    5. An ack makes the next message of the key available at once, to a receive that waits too, of whichever member.
    6. A key that is held or delayed holds up nothing else: messages of other keys, and of none, are delivered meanwhile, however
       many of that key stand before them.
    7. Every legal name is a key of its own; keys are one only if they are equal in every code point. An illegal one raises
       `InvalidName` before any effect. A message arrives with the headers that were published, and nothing of its key.
    8. Subscriptions are independent: what is held, acked or nacked in one neither holds nor frees anything in another. One that
       begins with ``"new"`` waits for nothing that was published before.
    9. An ack or a nack of what its member no longer holds frees nothing.
    10. A cancelled publish is received by all or by none, and a later message of its key waits for nothing else. After a receive
        that was cancelled or timed out, the same message is still the next of its key. The driver stays usable.
    11. With ``durability="process"``, keys and their order survive SIGKILL of the process and of the server: what comes
        again comes in its order, and before every later message of its key that was not acked.
    12. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver works
        again.
    """

    @abstractmethod
    async def publish_ordered(self, topic: str, ordering_key: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Store a message behind those of its key for every durable subscription of ``topic`` and return its id.

        A repeat stores another message.
        """

    @abstractmethod
    def subscribe_durable(self, topic: str, name: str, start: Start = "new") -> AbstractAsyncContextManager[Deliveries]:
        """Join the subscription ``name`` of ``topic``, making it if there is none."""
