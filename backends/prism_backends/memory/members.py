"""Durable subscriptions in memory: what each knows of the log of its topic, and the members that take from it."""

import heapq
import itertools
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.memory.listening import copy_of
from prism_backends.pubsub_arguments import check_most, tokens_of
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.pubsub import Deliveries, Delivery, Message

__all__ = ["Durable", "Member", "TopicLog"]

_ME = "memory"
_ROUNDING_S = 1e-5
"""An instant is a float, good to 2e-6 s as far as 1e10 s ahead. It is put this much late, so that rounding makes none early."""


@dataclass(slots=True, eq=False)
class TopicLog:
    """The messages of a topic, each named by its place; ``keys`` holds the ordering keys of those that have one.

    It grows for ever: a subscription made at any later time may begin with the first message.
    """

    messages: list[Message] = field(default_factory=list)
    keys: dict[int, str] = field(default_factory=dict)

    def add(self, message: Message, ordering_key: str | None = None) -> None:
        if ordering_key is not None:
            self.keys[len(self.messages)] = ordering_key
        self.messages.append(message)

    def __len__(self) -> int:
        return len(self.messages)


@dataclass(slots=True, eq=False)
class Durable:
    """What is known of one (topic, name).

    A message below ``next_new`` is in exactly one of ``ready``, ``later``, ``held`` and ``behind``, or else it is acknowledged.
    ``ready`` is ordered by turn: what was given back by leaving has its old one, what was nacked goes behind all that is there,
    and behind what was nacked before, so that what is nacked for ever lets all others pass.
    """

    next_new: int
    ready: list[tuple[int, int, int]] = field(default_factory=list)
    """A heap of (turn, nack, message); the nack is 0 for what came back by leaving, and for what was behind another."""
    later: list[tuple[float, int, int]] = field(default_factory=list)
    """A heap of (instant, nack, message): nacked, and not due yet."""
    nacks: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    counts: dict[int, int] = field(default_factory=dict)
    held: dict[str, tuple["Member", int]] = field(default_factory=dict)
    """By token: who holds which message."""
    behind: dict[str, deque[int]] = field(default_factory=dict)
    """By ordering key, where a message of it was delivered and is not acknowledged: those that wait for it, in order."""
    bell: Bell = field(default_factory=Bell)

    def is_free(self, message: int, key: str | None) -> bool:
        """Say whether a new message may be delivered; if not, it is put behind that of its key."""
        if key is None:
            return True
        if key in self.behind:
            self.behind[key].append(message)
            return False
        self.behind[key] = deque()
        return True

    def done(self, message: int, key: str | None) -> None:
        """Never deliver a message again, and let the next one of its key come, in its old turn."""
        del self.counts[message]
        if key is not None and not self.behind[key]:
            del self.behind[key]
        elif key is not None:
            following = self.behind[key].popleft()
            heapq.heappush(self.ready, (following, 0, following))
            self.bell.ring()


class Member(Deliveries):
    """One member of a durable subscription."""

    def __init__(self, durable: Durable, log: TopicLog, clock: prism.Clock, tokens: "itertools.count[int]") -> None:
        self._durable, self._log, self._clock, self._tokens = durable, log, clock, tokens
        self._left = False

    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        self._check_left("receive")
        most = check_most(max_messages, _ME)
        wait_s = prism.check_timeout(timeout_s, "receive", _ME)
        return await self._durable.bell.first(lambda: self._take(most), wait_s, self._ahead_s) or []

    async def ack(self, *deliveries: Delivery) -> None:
        self._check_left("ack")
        for message in self._let_go(tokens_of(deliveries, "ack", _ME)):
            self._durable.done(message, self._log.keys.get(message))

    async def nack(self, *deliveries: Delivery, delay_s: float = 0) -> None:
        self._check_left("nack")
        delay_s = prism.check_timeout(delay_s, "nack", _ME)
        nack = next(self._durable.nacks)
        for message in self._let_go(tokens_of(deliveries, "nack", _ME)):
            if delay_s > 0:
                heapq.heappush(self._durable.later, (self._clock.now_s() + delay_s + _ROUNDING_S, nack, message))
            else:
                heapq.heappush(self._durable.ready, (len(self._log), nack, message))
        self._durable.bell.ring()

    def leave(self) -> None:
        """Give back what is held, each message to its old turn."""
        if self._left:
            return
        self._left = True
        for message in self._let_go(list(self._durable.held)):
            heapq.heappush(self._durable.ready, (message, 0, message))
        self._durable.bell.ring()

    def _check_left(self, operation: str) -> None:
        if self._left:
            raise Closed(f"{_ME}: {operation}: the subscription was left")

    def _let_go(self, tokens: list[str]) -> list[int]:
        """Release what this member holds of these; what it does not hold is passed over."""
        held = self._durable.held
        mine = [token for token in tokens if token in held and held[token][0] is self]
        return [held.pop(token)[1] for token in mine]

    def _ahead_s(self) -> float | None:
        later = self._durable.later
        return max(0.0, later[0][0] - self._clock.now_s()) if later else None

    def _take(self, most: int) -> list[Delivery] | None:
        self._check_left("receive")
        later, now_s = self._durable.later, self._clock.now_s()
        while later and later[0][0] <= now_s:
            _, nack, message = heapq.heappop(later)
            heapq.heappush(self._durable.ready, (len(self._log), nack, message))
        return [self._hold(message) for message in itertools.islice(self._turns(), most)] or None

    def _turns(self) -> Iterator[int]:
        """Take messages off, whose turn it is: of what came back and what is new, the lower number goes first."""
        durable = self._durable
        while durable.ready or durable.next_new < len(self._log):
            if durable.ready and durable.ready[0][0] <= durable.next_new:
                yield heapq.heappop(durable.ready)[2]
            else:
                durable.next_new += 1
                message = durable.next_new - 1
                if durable.is_free(message, self._log.keys.get(message)):
                    yield message

    def _hold(self, message: int) -> Delivery:
        durable, token = self._durable, str(next(self._tokens))
        durable.counts[message] = durable.counts.get(message, 0) + 1
        durable.held[token] = (self, message)
        return Delivery(copy_of(self._log.messages[message]), durable.counts[message], token)
