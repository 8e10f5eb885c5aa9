"""Subscriptions to a part of what is published, entered, left and published to in any order, each judged message by message.

What a part is (`Kind.holds`) is said here a second time, in another way than a driver would: patterns as regular expressions.
"""

import contextlib
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from prism_suites._judging import broken, refused, same
from prism_suites._pubsub_selecting import FILTERING, WILDCARDS
from prism_suites._pubsub_taking import Laws, Sent, is_message, patience, quiet
from prism_testkit.case import Case
from prism_testkit.interfaces import Closed, Message

__all__ = ["BY_ATTRIBUTES", "BY_PATTERN", "Game", "Kind", "Publication", "Step", "all_get_theirs", "matched", "playing", "steps"]

Publication = tuple[str, Mapping[str, str] | None]
"""The topic and the headers of a message."""
Step = tuple[str, int, int]
"""What is done, by which of three clients, and with which of several things."""

_MOST_OPEN = 4
_SIBLING = 2
_TOGETHER = 12
"""Messages that lie unread at once, at most, whomever they are for: a buffer may have a bound, which is for other checks."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One interface. What a subscription asks for is whatever ``enter`` takes."""

    laws: Laws
    left: str
    gaps: str
    enter: Callable[[Any, Any], AbstractAsyncContextManager[Any]]
    holds: Callable[[Any, str, Mapping[str, str]], bool]


def matched(pattern: str, topic: str) -> bool:
    """Tell whether a pattern matches a topic."""
    *others, last = ["[^.]*" if token == "*" else re.escape(token) for token in pattern.split(".")]
    if pattern == ">" or pattern.endswith(".>"):
        last = ".*"
    return re.fullmatch(r"\.".join([*others, last]), topic, re.DOTALL) is not None


BY_PATTERN = Kind(
    WILDCARDS,
    "pubsub_wildcards.9",
    "pubsub_wildcards.9",
    lambda slot, pattern: slot.subscribe_pattern(pattern),
    lambda pattern, topic, headers: matched(pattern, topic),
)
BY_ATTRIBUTES = Kind(
    FILTERING,
    "pubsub_filtering.10",
    "pubsub_filtering.9",
    lambda slot, asked: slot.subscribe_filtered(asked[0], asked[1]),
    lambda asked, topic, headers: asked[0] == topic and set(asked[1].items()) <= set(headers.items()),
)


def steps(most: int = 40) -> "st.SearchStrategy[tuple[Step, ...]]":
    """Return a strategy for what is done, one after the other."""
    names = st.sampled_from(("publish", "enter", "hear", "publish", "leave"))
    one = st.tuples(names, st.sampled_from((0, 0, 1, _SIBLING)), st.integers(0, 11))
    return st.lists(one, min_size=4, max_size=most).map(tuple)


@dataclass(slots=True, eq=False)
class _Part:
    """A subscription: what it asked for, what it is still to get, by publisher, and what it got."""

    manager: Any
    inner: Any
    asked: Any
    space: int
    due: list[tuple[int, Sent]] = field(default_factory=list)
    got: list[Sent] = field(default_factory=list)
    lost: bool = False
    """It missed something, and says so: a bounded buffer is legal."""

    def firsts(self) -> list[Sent]:
        """Return, for each publisher, what is to come next."""
        heads: dict[int, Sent] = {}
        for publisher, sent in self.due:
            heads.setdefault(publisher, sent)
        return list(heads.values())


class Game:
    """Two clients of one namespace and one of a sibling."""

    def __init__(self, case: Case, kind: Kind, slots: Sequence[Any]) -> None:
        self.case, self.kind, self.slots = case, kind, slots
        self.parts: list[list[_Part]] = [[] for _ in slots]
        self.sents: tuple[list[Sent], list[Sent]] = ([], [])

    async def play(self, asked: Sequence[Any], publications: Sequence[Publication], script: Sequence[Step]) -> None:
        """Do one thing after the other."""
        for step, client, number in script:
            if step == "publish":
                await self.publish(client, publications[number % len(publications)])
            elif step == "enter" and len(self.parts[client]) < _MOST_OPEN:
                await self.enter(client, asked[number % len(asked)])
            elif step in ("hear", "leave") and self.parts[client]:
                part = self.parts[client][number % len(self.parts[client])]
                await (self.hear(part) if step == "hear" else self.leave(client, part))

    async def publish(self, client: int, publication: Publication) -> None:
        """Publish a message that is like no other."""
        topic, headers = publication
        space = client == _SIBLING
        payload = b"%d-%d" % (space, len(self.sents[space]))
        identity = await self.slots[client].publish(topic, payload, headers)
        sent = Sent(identity, topic, payload, dict(headers or {}))
        self.sents[space].append(sent)
        for part in self._every():
            if part.space == space and self.kind.holds(part.asked, topic, sent.headers):
                part.due.append((client, sent))

    async def enter(self, client: int, asked: Any) -> None:
        manager = self.kind.enter(self.slots[client], asked)
        self.parts[client].append(_Part(manager, await manager.__aenter__(), asked, client == _SIBLING))

    async def leave(self, client: int, part: _Part) -> None:
        self.parts[client].remove(part)
        await part.manager.__aexit__(None, None, None)
        await refused(self.kind.left, part.inner.receive(), Closed, "receive of a subscription that was left goes on")

    async def hear(self, part: _Part) -> None:
        """Receive once, and judge what came."""
        heads = part.firsts()
        got = await part.inner.receive(patience(self.case) if heads else quiet(self.case))
        if got is None and not heads:
            return
        found = next((sent for sent in heads if isinstance(got, Message) and got.payload == sent.payload), None)
        if found is None and part.inner.gaps:
            found = self._after_a_loss(part, got)
            if found is None and got is None:
                return
        if found is None:
            await self._judge(part, got, heads)
            return
        laws, sentence = self.kind.laws, f"a message is not received as it was published, by {part.asked!a}"
        is_message(laws.content, got, found, sentence, laws.headers)
        part.due = [(publisher, sent) for publisher, sent in part.due if sent is not found]
        part.got.append(found)

    def _after_a_loss(self, part: _Part, got: Any) -> Sent | None:
        """Return which message came, and forget those that it shows to be lost, all if nothing came."""
        part.lost = True
        found = next(((of, sent) for of, sent in part.due if isinstance(got, Message) and got.payload == sent.payload), None)
        if got is None:
            part.due.clear()
        if found is None:
            return None
        place = part.due.index(found)
        part.due = [(of, sent) for number, (of, sent) in enumerate(part.due) if number >= place or of != found[0]]
        return found[1]

    def _no_gaps(self, part: _Part) -> None:
        if not part.lost:
            same(self.kind.gaps, part.inner.gaps, 0, "gaps is not 0, though nothing was lost")

    async def _judge(self, part: _Part, got: Any, heads: Sequence[Sent]) -> None:
        laws, who = self.kind.laws, f"a subscription to {part.asked!a}"
        if got is None:
            broken(laws.lost, f"{who} does not get a message that it asked for", expected=heads[0], got=None)
        payload = getattr(got, "payload", None)
        if any(sent.payload == payload for _, sent in part.due):
            later = [got]
            while (more := await part.inner.receive(quiet(self.case))) is not None:
                later.append(more)
            if any(sent.payload not in [message.payload for message in later] for sent in heads):
                broken(laws.lost, f"{who} does not get a message that it asked for", expected=heads, got=later)
            broken(laws.order, f"{who} gets a message before an earlier one of its publisher", expected=heads, got=later)
        if any(sent.payload == payload for sent in part.got):
            broken(laws.once, f"{who} gets a message again", expected=heads, got=got)
        if any(sent.payload == payload for sent in self.sents[not part.space]):
            broken(laws.namespace, f"{who} gets what was published in another namespace", expected=heads, got=got)
        broken(laws.once, f"{who} gets what it did not ask for", expected=heads, got=got)

    async def hear_all(self) -> None:
        """Receive all that is left."""
        for part in self._every():
            while part.due:
                await self.hear(part)

    async def finish(self) -> None:
        """Receive all that is left, and then nothing."""
        await self.hear_all()
        for part in self._every():
            await self.hear(part)
            self._no_gaps(part)

    async def leave_all(self) -> None:
        """Leave what is still entered, whatever happened."""
        for part in self._every():
            with contextlib.suppress(Exception):  # what went wrong first is the story
                await part.manager.__aexit__(None, None, None)

    def _every(self) -> list[_Part]:
        return [part for parts in self.parts for part in parts]


@asynccontextmanager
async def playing(case: Case, slot: Any, kind: Kind) -> AsyncIterator[Game]:
    """Yield a game; in the end what is left is received, and every subscription is left."""
    game = Game(case, kind, [slot, await case.client(), await case.sibling()])
    try:
        yield game
        await game.finish()
    finally:
        await game.leave_all()


async def all_get_theirs(
    case: Case, slot: Any, kind: Kind, asked: Sequence[Any], publications: Sequence[Publication], publisher: int = 0
) -> None:
    """Enter a subscription for each part, by turns of two clients, publish, and let each get what is its own."""
    every = asked[:: max(1, len(asked) // 12)] if case.server else asked  # there each costs a connection
    async with playing(case, slot, kind) as game:
        for publication in publications[:2]:
            await game.publish(publisher, publication)  # before anybody listens
        for number, one in enumerate(every):
            await game.enter(number % 2, one)
        for number, publication in enumerate(publications):
            if number % _TOGETHER == 0:
                await game.hear_all()
            await game.publish(publisher, publication)
