"""Publish and subscribe by headers; what a topic, a message, its headers and a subscription are is said in `pubsub`."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Subscription

__all__ = ["PubSubFiltering"]


class PubSubFiltering(Protocol):
    """Subscriptions to those messages of a topic that carry certain headers.

    *Attributes* are a mapping by the rules of headers. A message *matches* if its headers hold every attribute: the same name
    with the same value, both equal in every code point. `publish` and `Subscription` are those of `PubSubBasic`.

    1. Every message that matches and whose publish began after a subscription to its topic was entered is received by it, once,
       byte for byte, with its topic and the id that `publish` returned, while ``gaps`` stays 0.
    2. A subscription receives nothing else: nothing that does not match, nothing of another topic, nothing whose publish
       returned before the entry began, nothing twice.
    3. A message arrives with all its headers, also those that were not asked for; they do not matter to the match.
    4. No attributes match every message. An attribute with an empty value matches only what has that header, and empty; a
       message without headers matches no attributes only.
    5. Names and values are compared whole, each name with its own value: no case, blank or normal form is folded, and no
       character has a meaning.
    6. At its entry, before any effect, `subscribe_filtered` refuses a topic as `PubSubBasic.subscribe` does, and attributes as
       `publish` does headers: `InvalidName`, `PayloadTooLarge` over 8 KiB in all, ``ValueError`` for a surrogate in a value,
       ``TypeError`` for what is no mapping of str to str, None included. At the limit they are accepted.
    7. A subscription holds a copy: a mapping changed after the entry changes nothing.
    8. The messages of one publisher are received in the order in which they were published. Every subscription gets every message
       that matches, whatever others overlap with it or equal it; one that is slow, or was left, takes nothing from others.
    9. What does not match ends no wait: a receive returns None not before ``timeout_s`` have passed, and wakes for what matches,
       however much else is published meanwhile. Nor does it count in ``gaps``, while no bounded buffer overflows, of 16 messages
       at least that match.
    10. Iteration and leaving are what they are in `PubSubBasic`, and so are cancelled calls. Nothing published in one namespace
        is received in another.
    11. While the server is away publishes raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver
        works again, and the same subscriptions go on, ``gaps`` counting the interruption.
    """

    @abstractmethod
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Send a message to every subscription of ``topic`` that it matches and return its id. A repeat sends another message."""

    @abstractmethod
    def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AbstractAsyncContextManager[Subscription]:
        """Receive what is published to ``topic`` with all ``attributes``, from the entry of the context until its exit."""
