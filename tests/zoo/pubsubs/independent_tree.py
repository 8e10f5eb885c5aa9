"""Plain pub/sub that pushes: subscriptions hang in a tree of tokens or in an index of headers, each with a bounded buffer."""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import ClassVar

from prism_testkit.backend import Backend, Place
from prism_testkit.interfaces import Bytes, Closed, Message, PubSubBasic, PubSubFiltering, PubSubWildcards, Subscription
from prism_testkit.naming import check_attributes, check_headers, check_name, check_pattern, check_payload, check_timeout

__all__ = ["Branch", "Garden", "Nest", "Tree", "TreePubSub", "tree_backend"]

ME = "tree"


class Nest(Subscription):
    """A plain subscription with room for ``room`` messages; what is pushed out of it counts as a gap."""

    room: ClassVar[int] = 1000

    def __init__(self) -> None:
        self.buffer: deque[Message] = deque()
        self.something = asyncio.Event()
        self.left = False
        self.dropped = 0

    def offer(self, message: Message) -> None:
        if len(self.buffer) >= self.room:
            self.buffer.popleft()
            self.dropped += 1
        self.buffer.append(message)
        self.something.set()

    def take(self) -> Message:
        message = self.buffer.popleft()
        return Message(message.id, message.topic, message.payload, dict(message.headers))

    async def wait(self) -> None:
        """Wait until there is a message, or nobody to take it."""
        while not self.buffer and not self.left:
            self.something.clear()
            await self.something.wait()

    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = check_timeout(timeout_s, "receive", ME)
        try:
            async with asyncio.timeout(timeout):
                await self.wait()
        except TimeoutError:
            return None
        if self.left:
            raise Closed(f"{ME}: receive: the subscription was left")
        return self.take()

    async def __anext__(self) -> Message:
        await self.wait()
        if self.left:
            raise StopAsyncIteration
        return self.take()

    @property
    def gaps(self) -> int:
        return self.dropped

    def leave(self) -> None:
        self.left = True
        self.buffer.clear()
        self.something.set()


@dataclass(eq=False)
class Branch:
    """What patterns say after the tokens that lead here: one more token, any one, any more, or nothing."""

    named: dict[str, "Branch"] = field(default_factory=dict)
    any: "Branch | None" = None
    rest: list[Nest] = field(default_factory=list)
    here: list[Nest] = field(default_factory=list)

    @property
    def bare(self) -> bool:
        return not (self.named or self.any or self.rest or self.here)


class Tree:
    """All subscriptions of one namespace."""

    def __init__(self) -> None:
        self.root = Branch()
        self.plain: dict[str, list[Nest]] = {}
        self.by_header: dict[str, dict[tuple[str, str] | None, list[tuple[Nest, Mapping[str, str]]]]] = {}
        self.serial = itertools.count(1)

    def hang(self, tokens: tuple[str, ...], nest: Nest) -> None:
        branch = self.root
        for token in tokens[:-1]:
            branch = self.step(branch, token)
        if tokens[-1] == ">":
            branch.rest.append(nest)
        else:
            self.step(branch, tokens[-1]).here.append(nest)

    def step(self, branch: Branch, token: str) -> Branch:
        if token == "*":
            branch.any = branch.any or Branch()
            return branch.any
        return branch.named.setdefault(token, Branch())

    def take_down(self, tokens: tuple[str, ...], nest: Nest) -> None:
        """Take a subscription off, and cut what is bare then."""
        way = [self.root]
        for token in tokens if tokens[-1] != ">" else tokens[:-1]:
            way.append(self.step(way[-1], token))
        (way[-1].rest if tokens[-1] == ">" else way[-1].here).remove(nest)
        while len(way) > 1 and way[-1].bare:
            bare = way.pop()
            token = tokens[len(way) - 1]
            if token == "*":
                way[-1].any = None
            else:
                assert way[-1].named.pop(token) is bare

    def found(self, tokens: list[str]) -> list[Nest]:
        """Return whoever hangs where a topic leads."""
        found: list[Nest] = []
        level = [self.root]
        for token in tokens:
            following: list[Branch] = []
            for branch in level:
                found += branch.rest
                if token in branch.named:
                    following.append(branch.named[token])
                if branch.any is not None:
                    following.append(branch.any)
            level = following
        for branch in level:
            found += branch.here
        return found

    def asking(self, topic: str, headers: Mapping[str, str]) -> list[Nest]:
        """Return who asked for these headers: each hangs under one of those it asks for, or under None."""
        index = self.by_header.get(topic)
        if index is None:
            return []
        found = [nest for nest, _ in index.get(None, ())]
        for item in headers.items():
            found += [nest for nest, asked in index.get(item, ()) if asked.items() <= headers.items()]
        return found

    def publish(self, topic: str, payload: bytes, headers: Mapping[str, str]) -> str:
        message = Message(f"{next(self.serial)}", topic, payload, headers)
        for nest in [*self.plain.get(topic, ()), *self.found(topic.split(".")), *self.asking(topic, headers)]:
            nest.offer(message)
        return message.id


class Garden:
    """What the clients of one place share."""

    def __init__(self) -> None:
        self.trees: dict[str, Tree] = {}


class TreePubSub(PubSubBasic, PubSubWildcards, PubSubFiltering):
    """The three plain interfaces."""

    nest_type: type[Nest] = Nest
    tree_type: type[Tree] = Tree

    def __init__(self, garden: Garden, namespace: str) -> None:
        if namespace not in garden.trees:
            garden.trees[namespace] = self.tree_type()
        self.tree = garden.trees[namespace]

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        check_name(topic, "publish", ME)
        data = check_payload(payload, "publish", ME, topic)
        return self.tree.publish(topic, data, check_headers(headers, "publish", ME))

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        check_name(topic, "subscribe", ME)
        nest = self.nest_type()
        self.tree.plain.setdefault(topic, []).append(nest)
        try:
            yield nest
        finally:
            nest.leave()
            self.tree.plain[topic].remove(nest)
            if not self.tree.plain[topic]:
                del self.tree.plain[topic]

    @asynccontextmanager
    async def subscribe_pattern(self, pattern: str) -> AsyncIterator[Subscription]:
        tokens = check_pattern(pattern, "subscribe_pattern", ME)
        nest = self.nest_type()
        self.tree.hang(tokens, nest)
        try:
            yield nest
        finally:
            nest.leave()
            self.tree.take_down(tokens, nest)

    @asynccontextmanager
    async def subscribe_filtered(self, topic: str, attributes: Mapping[str, str]) -> AsyncIterator[Subscription]:
        check_name(topic, "subscribe_filtered", ME)
        asked = check_attributes(attributes, "subscribe_filtered", ME)
        entry = (self.nest_type(), asked)
        index = self.tree.by_header.setdefault(topic, {})
        under = next(iter(asked.items()), None)
        index.setdefault(under, []).append(entry)
        try:
            yield entry[0]
        finally:
            entry[0].leave()
            index[under].remove(entry)


@asynccontextmanager
async def connect_trees(place: Place) -> AsyncIterator[Garden]:
    yield place.shared.setdefault("garden", Garden())


async def clean_trees(garden: Garden, prefix: str) -> None:
    for namespace in [name for name in garden.trees if name.startswith(prefix)]:
        del garden.trees[namespace]


def tree_backend(name: str, driver: type[TreePubSub] = TreePubSub) -> Backend[Garden]:
    return Backend(name=name, connect=connect_trees, drivers=(driver,), clean=clean_trees)
