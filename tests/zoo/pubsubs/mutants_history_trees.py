"""Wrong trees of subscriptions: bugs that brokers and emitters shipped in what finds the subscribers of a topic."""

import re
from collections.abc import Iterator

from tests.zoo.declare import Mutant

from .history_declare import declaring_history
from .history_tree import Leaf, Node, Tree

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


class Cached(Tree):
    """What was found for a topic is kept, and changed with the subscriptions."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[tuple[str, str], list[Leaf]] = {}

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        return self.found.setdefault((namespace, topic), super().matches(namespace, topic))

    def add(self, leaf: Leaf) -> None:
        super().add(leaf)
        for (namespace, topic), leaves in self.found.items():
            if namespace == leaf.namespace and self.concerns(leaf, topic):
                leaves.append(leaf)

    def concerns(self, leaf: Leaf, topic: str) -> bool:
        raise NotImplementedError

    def remove(self, leaf: Leaf) -> None:
        super().remove(leaf)
        self.found.clear()


@mutant(
    "basic.2",
    "cache",
    trap="a topic that was published to, and then a subscription to its first tokens",
    also="basic.1 basic.5",
)
class AnswersKeptAreChangedByTheirFirstTokens(Cached):
    """Topics longer than a new subscription's were added to it, if they had been asked for before. nats-io/nats-server#18."""

    def concerns(self, leaf: Leaf, topic: str) -> bool:
        wanted, tokens = self.tokens(leaf.topic), self.tokens(topic)
        return all(a == b or (leaf.is_pattern and a in "*>") for a, b in zip(wanted, tokens, strict=False))


@mutant(
    "basic.2",
    "off by one",
    trap="a topic that was published to, and then a subscription to all but its last letter",
    also="basic.1 basic.5",
)
class AnswersKeptAreComparedButForALetter(Cached):
    """A literal matched what is a letter longer, so foo.bars was heard as foo.bar. nats-io/nats-server#109."""

    def concerns(self, leaf: Leaf, topic: str) -> bool:
        if leaf.is_pattern:
            tree = Tree()
            tree.add(leaf)
            return bool(tree.matches(leaf.namespace, topic))
        return topic.startswith(leaf.topic) and len(topic) - len(leaf.topic) <= 1


@mutant("wildcards.6", "missing case", trap="a subscription below the token before the >")
class TheRestIsLookedForAtTheEndsOnly(Tree):
    """A last wildcard on a node that others go on from was not included. Workiva/matchbox#6."""

    def walk(self, node: Node, tokens: list[str]) -> Iterator[Leaf]:
        if tokens and (node.literal or node.star):
            node, below = Node(), node
            node.literal, node.star = below.literal, below.star
        yield from super().walk(node, tokens)


@mutant("wildcards.3", "prefix", trap="a topic that begins with the letters before .>", also="wildcards.2")
class TheRestIsAPrefixOfLetters(Tree):
    """foo/# also matched foobar/x. emqx/MQTTX#1741."""

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        found = super().matches(namespace, topic)
        rests = [leaf for leaf in self.all_rests(self.root(namespace, topic)) if leaf not in found]
        return found + [leaf for leaf in rests if len(leaf.topic) > 2 and topic.startswith(leaf.topic[:-2]) and "." in topic]

    def all_rests(self, node: Node) -> Iterator[Leaf]:
        yield from node.rest
        for below in [*node.literal.values(), *([node.star] if node.star else [])]:
            yield from self.all_rests(below)


@mutant("wildcards.3", "emptiness", trap="an empty token where the pattern has a *", also="wildcards.1")
class AnEmptyTokenIsNoToken(Tree):
    """A wildcard for one level did not match an empty one. moscajs/aedes#373."""

    def walk(self, node: Node, tokens: list[str]) -> Iterator[Leaf]:
        star = node.star
        if tokens and tokens[0] == "":
            node.star = None
        try:
            yield from super().walk(node, tokens)
        finally:
            node.star = star


@mutant("wildcards.3", "wrong end", trap="the topic before the last .*", also="wildcards.2")
class AStarAtTheEndMatchesTheParent(Tree):
    """sport/+ matched sport. moquette-io/moquette#87."""

    def walk(self, node: Node, tokens: list[str]) -> Iterator[Leaf]:
        yield from super().walk(node, tokens)
        if not tokens and node.star is not None:
            yield from node.star.here


@mutant("wildcards.3", "missing case", trap="a pattern that ends in *.>", also="wildcards.1")
class AStarBeforeTheRestTakesTwo(Tree):
    """foo/+/# did not match what is only just long enough for it. eclipse-mosquitto/mosquitto#670."""

    def walk(self, node: Node, tokens: list[str], behind_star: bool = False) -> Iterator[Leaf]:
        if not tokens:
            yield from node.here
            return
        if not behind_star or len(tokens) > 1:
            yield from node.rest
        if node.star is not None:
            yield from self.walk(node.star, tokens[1:], True)
        if tokens[0] in node.literal:
            yield from self.walk(node.literal[tokens[0]], tokens[1:])


@mutant("basic.8", "shared root", trap="a topic of empty tokens only")
class NamesOfNothingShareOneRoot(Tree):
    """What has no words ended at the root that all exchanges share. rabbitmq/rabbitmq-server#16271."""

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        found = super().matches(namespace, topic)
        if not topic.strip("."):
            for other in self.roots.keys() - {namespace}:
                found += [leaf for leaf in super().matches(other, topic) if leaf.topic == topic]
        return found


@mutant("wildcards.6", "collision", trap="two patterns with the same words, one of them with a * more", also="wildcards.1")
class PatternsAreKeptByTheirWords(Tree):
    """Of two patterns with the same words, the one with a wildcard more was looked for where the other is. dotnet/MQTTnet#1612."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: dict[tuple[str, ...], str] = {}

    def walk(self, node: Node, tokens: list[str]) -> Iterator[Leaf]:
        for leaf in super().walk(node, tokens):
            words = (leaf.namespace, *(token for token in self.tokens(leaf.topic) if token not in "*>"))
            if not leaf.is_pattern or self.shapes.setdefault(words, leaf.topic) == leaf.topic:
                yield leaf

    def add(self, leaf: Leaf) -> None:
        super().add(leaf)
        if leaf.is_pattern:
            words = (leaf.namespace, *(token for token in self.tokens(leaf.topic) if token not in "*>"))
            self.shapes.setdefault(words, leaf.topic)

    def remove(self, leaf: Leaf) -> None:
        super().remove(leaf)
        self.shapes = {words: shape for words, shape in self.shapes.items() if shape != leaf.topic}


class ByExpression(Tree):
    """Patterns are regular expressions."""

    star = r"[^.]*"

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        leaves = self.leaves(self.root(namespace, topic))
        return [leaf for leaf in leaves if (self.fits(leaf, topic) if leaf.is_pattern else leaf.topic == topic)]

    def leaves(self, node: Node) -> Iterator[Leaf]:
        yield from [*node.here, *node.rest]
        for below in [*node.literal.values(), *([node.star] if node.star else [])]:
            yield from self.leaves(below)

    def fits(self, leaf: Leaf, topic: str) -> bool:
        tokens = self.tokens(leaf.topic)
        end = [r"(.|\n)*"] if tokens[-1] == ">" else []
        parts = [self.star if token == "*" else self.word(token) for token in (tokens[:-1] if end else tokens)]
        try:
            return re.fullmatch(r"\.".join(parts + end), topic) is not None
        except re.error:
            return leaf.topic == topic

    def word(self, token: str) -> str:
        return re.escape(token)


@mutant(
    "wildcards.4",
    "missing escape",
    trap="a character that means something in a regular expression",
    also="wildcards.1 wildcards.2",
)
class WordsAreExpressions(ByExpression):
    """Filters were made into expressions and what is special there was not escaped. home-assistant/core#7269."""

    def word(self, token: str) -> str:
        return token


@mutant("wildcards.3", "too narrow", trap="a token with anything but letters, digits and blanks", also="wildcards.1")
class AStarMatchesWordsOnly(ByExpression):
    """A wildcard for one level took letters, digits, blanks and dollars. njouanin/hbmqtt#44."""

    star = r"[$\s\w]*"


@mutant("wildcards.4", "two sides", trap="a topic with a token *")
class AStarInATopicIsOne(Tree):
    """What was sent to A.* was heard by all below A. EventEmitter2/EventEmitter2#169."""

    def walk(self, node: Node, tokens: list[str]) -> Iterator[Leaf]:
        yield from super().walk(node, tokens)
        if tokens and tokens[0] == "*":
            for token, below in node.literal.items():
                if token != "*":
                    yield from self.walk(below, tokens[1:])


@mutant("wildcards.6", "only the best", trap="a plain subscription beside a pattern that ends in >", also="wildcards.1")
class TheExactHidesTheRest(Tree):
    """If somebody listened to the very name, those of all that begins so were not told. EventEmitter2/EventEmitter2#278."""

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        found = super().matches(namespace, topic)
        exact = [leaf for leaf in found if not leaf.is_pattern]
        return [leaf for leaf in found if not leaf.topic.endswith(".>") or not leaf.is_pattern] if exact else found


@mutant("basic.5", "delimiters", trap="a topic that begins with a dot", also="wildcards.1")
class WhatBeginsWithADotIsNotAdded(Tree):
    """Listeners to names that begin with the delimiter were never added. EventEmitter2/EventEmitter2#128."""

    def add(self, leaf: Leaf) -> None:
        if not leaf.topic.startswith(".") or leaf.topic == ".":
            super().add(leaf)


@mutant("basic.10", "cut too much", trap="one who listens further down is left", also="wildcards.6")
class TheLastBelowTakesTheOneAboveAway(Tree):
    """A node without children was removed, though it had values of its own. Effect-TS/effect#7774."""

    def prune(self, path: list[tuple[Node, str]], leaf: Leaf) -> None:
        if path[-1][0].is_empty():
            for node, _ in reversed(path[1:-1]):
                if len(node.literal) + bool(node.star) > 1:
                    break
                node.here, node.rest = [], []
        super().prune(path, leaf)


@mutant("basic.10", "cut too much", trap="one who listens higher up is left", also="wildcards.6")
class ALeavingOneTakesThoseBelow(Tree):
    """An unsubscription from a parent took all that is below it. moquette-io/moquette#365."""

    def prune(self, path: list[tuple[Node, str]], leaf: Leaf) -> None:
        node = path[-1][0]
        if not node.here and not node.rest:
            node.literal, node.star = {}, None
        super().prune(path, leaf)


@mutant("basic.10", "renumbered", trap="the first of three siblings, by name, is left by all", also="basic.1 basic.2 basic.5")
class TheRestMoveUpByOne(Tree):
    """A table of children that shrank at its beginning was copied to the wrong place. zeromq/netmq#203."""

    def prune(self, path: list[tuple[Node, str]], leaf: Leaf) -> None:
        parent, token = path[-2]
        names = sorted(parent.literal)
        super().prune(path, leaf)
        if len(names) > 2 and token == names[0] and token not in parent.literal:
            nodes = [parent.literal[name] for name in names[1:]]
            parent.literal = dict(zip(names[1:], [*nodes[1:], nodes[0]], strict=True))


@mutant("basic.5", "concatenation", trap="a topic that goes on behind a #")
class ChannelsBeginWithChannels(Tree):
    """A channel was one's own if it began with it: prefix#name#more# with prefix#name#. socketio/socket.io-redis-adapter#107."""

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        found = super().matches(namespace, topic)
        for at in [at for at, character in enumerate(topic) if character == "#" and at]:
            found += [leaf for leaf in super().matches(namespace, topic[:at]) if not leaf.is_pattern]
        return found


@mutant("wildcards.4", "reserved", trap="a topic that begins with $", also="wildcards.1")
class DollarsAreForTheSystem(Tree):
    """Wildcards at the beginning do not match what begins with a dollar: the rule of another protocol. nanomq/NanoNNG#1473."""

    def matches(self, namespace: str, topic: str) -> list[Leaf]:
        found = super().matches(namespace, topic)
        return [leaf for leaf in found if not (topic.startswith("$") and leaf.is_pattern and leaf.topic[0] in "*>")]
