"""A second wave of the kinds of bugs that were missed at first: trees, joined numbers, equal messages and kept acks."""

from collections.abc import Mapping
from typing import Any

from tests.zoo.declare import Mutant

from .history_broker import Broker, Client, JournalBroker
from .history_cursor import Cursor
from .history_declare import declaring_history
from .history_tree import Leaf, Node, Tree

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)


@mutant("basic.10", "siblings", trap="one of two siblings is left, the other one has nobody below it", also="basic.4 basic.1")
class ALeafWithoutChildrenGoesWithItsSibling(Tree):
    """When a node is pruned its parent keeps only those children that others go on from."""

    def prune(self, path: list[tuple[Node, str]], leaf: Leaf) -> None:
        super().prune(path, leaf)
        parent, token = path[-2]
        if token not in parent.literal and len(parent.literal) > 1:
            parent.literal = {name: node for name, node in parent.literal.items() if node.literal or len(node.here) > 1}


@mutant("wildcards.6", "cut too much", trap="of two patterns of one beginning that which ends in * is left", also="wildcards.1")
class TheStarTakesTheRestAway(Tree):
    """What ends in a star stands in one place with what ends in a >, and both are taken from there."""

    def prune(self, path: list[tuple[Node, str]], leaf: Leaf) -> None:
        if leaf.is_pattern and leaf.topic.endswith(".*"):
            path[-2][0].rest.clear()
        super().prune(path, leaf)


@mutant("basic.1", "deduplicated", trap="equal payloads with other headers, published at once")
class EqualPayloadsOfOneCommitAreOne(Broker):
    """Of what is sent in one batch with one payload the last is kept, whatever its headers."""

    def work(self) -> None:
        self.sent: dict[Any, str] = {}
        super().work()

    def on_publish(
        self, client: Client, number: int, namespace: str, topic: str, payload: bytes, headers: Mapping[str, str]
    ) -> str:
        if (namespace, topic, payload) in self.sent:
            return f"{self.new_id(topic)}"
        self.sent[namespace, topic, payload] = super().on_publish(client, number, namespace, topic, payload, headers)
        return self.sent[namespace, topic, payload]


@mutant("persistent.7", "reused id", trap="several join before the first of them receives", also="persistent.4 persistent.5")
class MembersAreNumberedByHowManyThereAre(Broker):
    """A new member has the number of members as its own, which another one has if one has left."""

    def granted(self, cursor: Cursor, place: int, member: int, pull: int) -> list[Any]:
        self.seats: dict[int, tuple[int, int]] = getattr(self, "seats", {})
        if member not in self.seats:
            living = [one for client in self.clients.values() for one, found in client.members.items() if found is cursor]
            self.seats[member] = len(living), 0
        seat, serial = self.seats[member]
        self.seats[member] = seat, serial + 1
        token = f"{id(cursor)}/{seat}/{serial}"
        cursor.grant(place, member, pull, token)
        row = cursor.topic.row(place)
        return [row.id, row.payload, row.headers, cursor.counts[place], token]


@mutant("persistent.5", "bounded table", trap="kill; acks with several holes")
class OnlySoManyRangesAreKept(JournalBroker):
    """Of the ranges of acks behind the first hole only two are kept."""

    def catch_up(self) -> None:
        before = self.log.position
        super().catch_up()
        if self.log.position != before:
            for cursor in self.cursors.values():
                begins = sorted(place for place in cursor.acked if place - 1 not in cursor.acked)
                cursor.acked = {place for place in cursor.acked if place < [*begins, 1 << 40, 1 << 40, 1 << 40][2]}
