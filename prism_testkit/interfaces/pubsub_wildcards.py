"""Publish and subscribe by pattern; what a topic, a message and a subscription are is said in `pubsub`."""

from abc import abstractmethod
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from prism_testkit.interfaces.keyvalue import Bytes
from prism_testkit.interfaces.pubsub import Subscription

__all__ = ["PubSubWildcards"]


class PubSubWildcards(Protocol):
    """Subscriptions to every topic that a pattern matches.

    A topic and a pattern are cut at every ``.`` into *tokens*; empty tokens count: ``a..b`` has three, ``.`` two. In a pattern a
    token that is ``*`` stands for any one token, a last token that is ``>`` for one or more, an empty one being a token like any
    other. Every other token stands for itself, also ``a*``, ``**`` and ``>>``. Nothing takes the meaning from a wildcard.
    `publish` and `Subscription` are those of `PubSubBasic`.

    1. Every message whose publish began after a subscription was entered, to a topic that its pattern matches, is received by
       it, once, byte for byte, with its headers, the topic it was published to and the id that `publish` returned, while ``gaps``
       stays 0. The topic may be one that was never used before.
    2. A subscription receives nothing else: nothing of a topic that the pattern does not match, nothing whose publish returned
       before the entry began, nothing twice.
    3. ``a.*`` matches ``a.b``, ``a.`` and ``a.*``, neither ``a`` nor ``a.b.c``; ``a.>`` matches ``a.b``, ``a.``, ``a.b.c`` and
       ``a.>``, not ``a``; ``*`` every topic without a dot; ``>`` every topic; ``*.b`` also ``.b``; a pattern without wildcards
       the topic that is equal to it.
    4. Tokens are equal only in every code point. No other character has a meaning in a pattern, and none has one in the topic of
       a `publish`, or of `PubSubBasic.subscribe`.
    5. The messages of one publisher are received in the order in which they were published, over all topics that match.
    6. Every subscription gets every message, whatever others, plain or by pattern, overlap with it or equal it; one that is slow,
       or was left, takes nothing from others and stops nobody.
    7. At its entry, before any effect, `subscribe_pattern` raises `InvalidName` for a pattern that is empty, over
       ``limits.max_name`` bytes or holds a surrogate, and for one with a token ``>`` that is not the last. At the limit it is
       accepted, of however many tokens.
    8. Nothing published in one namespace is received in another.
    9. `Subscription.receive`, iteration, leaving and ``gaps`` are what they are in `PubSubBasic`, and so are cancelled calls.
    10. While the server is away publishes raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver
        works again, and the same subscriptions go on, ``gaps`` counting the interruption.
    """

    @abstractmethod
    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        """Send a message to every subscription that ``topic`` concerns and return its id. A repeat sends another message."""

    @abstractmethod
    def subscribe_pattern(self, pattern: str) -> AbstractAsyncContextManager[Subscription]:
        """Receive what is published to any topic that ``pattern`` matches, from the entry of the context until its exit."""
