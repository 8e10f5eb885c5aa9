"""Who listens to what, in the broker of the zoo: a tree of tokens for each namespace."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Leaf", "Node", "Tree"]


@dataclass(eq=False)
class Leaf:
    """One subscription: of which connection, under which number there, and what it asks for."""

    client: Any
    number: int
    namespace: str
    topic: str
    is_pattern: bool = False
    attributes: Mapping[str, str] = field(default_factory=dict)


class Node:
    """Where a token leads to. ``here`` end here, ``rest`` end here with a ``>``."""

    def __init__(self) -> None:
        self.literal: dict[str, Node] = {}
        self.star: Node | None = None
        self.here: list[Leaf] = []
        self.rest: list[Leaf] = []

    def is_empty(self) -> bool:
        return not (self.literal or self.star or self.here or self.rest)


class Tree:
    """A tree for each namespace; a topic is cut at every dot."""

    def __init__(self) -> None:
        self.roots: dict[str, Node] = {}

    def root(self, namespace: str, topic: str) -> Node:
        """Return where the tokens of a topic, or of a pattern, begin."""
        return self.roots.setdefault(namespace, Node())

    def tokens(self, text: str) -> list[str]:
        return text.split(".")

    def steps(self, leaf: Leaf) -> tuple[list[str], bool]:
        """Return the tokens of a subscription without a last ``>``, and whether it had one."""
        tokens = self.tokens(leaf.topic)
        has_rest = leaf.is_pattern and tokens[-1] == ">"
        return tokens[:-1] if has_rest else tokens, has_rest

    def path(self, leaf: Leaf) -> list[tuple[Node, str]]:
        """Return the nodes that lead to a subscription, with the token that was taken at each; they are made if need be."""
        node, path = self.root(leaf.namespace, leaf.topic), []
        for token in self.steps(leaf)[0]:
            path.append((node, token))
            node = self.child(node, token, leaf.is_pattern)
        return [*path, (node, "")]

    def child(self, node: Node, token: str, is_pattern: bool) -> Node:
        if is_pattern and token == "*":
            node.star = node.star or Node()
            return node.star
        return node.literal.setdefault(token, Node())

    def add(self, leaf: Leaf) -> None:
        node = self.path(leaf)[-1][0]
        (node.rest if self.steps(leaf)[1] else node.here).append(leaf)

    def remove(self, leaf: Leaf) -> None:
        """Take a subscription out, and the nodes that nobody needs without it."""
        path = self.path(leaf)
        node = path[-1][0]
        leaves = node.rest if self.steps(leaf)[1] else node.here
        if leaf in leaves:
            leaves.remove(leaf)
        self.prune(path, leaf)

    def prune(self, path: list[tuple[Node, str]], leaf: Leaf) -> None:
        for (parent, token), (node, _) in zip(reversed(path[:-1]), reversed(path[1:]), strict=True):
            if not node.is_empty():
                return
            if node is parent.star:
                parent.star = None
            else:
                del parent.literal[token]

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        """Return whom a message of a topic concerns, whatever it carries."""
        return list(self.walk(self.root(namespace, topic), self.tokens(topic)))

    def walk(self, node: Node, tokens: list[str]) -> Iterator[Leaf]:
        if not tokens:
            yield from node.here
            return
        yield from node.rest
        if node.star is not None:
            yield from self.walk(node.star, tokens[1:])
        below = node.literal.get(tokens[0])
        if below is not None:
            yield from self.walk(below, tokens[1:])
