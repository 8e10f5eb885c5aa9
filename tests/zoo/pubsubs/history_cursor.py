"""What the broker of the zoo keeps: topics as lists of rows, and durable subscriptions as cursors over them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

__all__ = ["Cursor", "Grant", "Row", "Topic"]


@dataclass(frozen=True, slots=True)
class Row:
    """A stored message; ``place`` counts from 1 in its topic."""

    place: int
    id: str
    key: str | None
    payload: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grant:
    """That a member holds a message: under which token, and since which pull."""

    place: int
    member: int
    pull: int
    token: str


class Topic:
    """The stored messages of a topic."""

    def __init__(self) -> None:
        self.rows: list[Row] = []
        self.last: str | None = None

    def row(self, place: int) -> Row:
        return self.rows[place - 1]

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.last = row.id


class Cursor:
    """A durable subscription.

    All up to ``mark`` is acked, and what is in ``acked``. All up to ``read`` was looked at: what of it waits to be delivered, or to
    be delivered again, is in ``replay``, what is held in ``grants``.
    """

    def __init__(self, topic: Topic, name: str, start: int) -> None:
        self.topic = topic
        self.name = name
        self.mark = start
        self.read = start
        self.acked: set[int] = set()
        self.replay: set[int] = set()
        self.due: dict[int, float] = {}
        self.counts: dict[int, int] = {}
        self.grants: dict[str, Grant] = {}
        self.waiting: set[int] = set()

    def is_acked(self, place: int) -> bool:
        return place <= self.mark or place in self.acked

    def lane(self, place: int) -> str | None:
        """Return what a message waits in line for, None if for nothing."""
        return self.topic.row(place).key

    def busy(self) -> set[str | None]:
        """Return the keys of which a message is held."""
        return {self.lane(grant.place) for grant in self.grants.values()} - {None}

    def take(self, amount: int, member: int, now: float) -> list[int]:
        """Return the places that a member gets now."""
        found: list[int] = []
        busy = self.busy()
        for place in sorted(self.replay):
            if len(found) == amount:
                return found
            lane = self.lane(place)
            if lane in busy:
                continue
            if self.due.get(place, 0) <= now:
                found.append(self.taken(place))
            if lane is not None:
                busy.add(lane)
        while len(found) < amount and self.read < len(self.topic.rows):
            self.read += 1
            if self.is_acked(self.read):
                continue
            lane = self.lane(self.read)
            if lane in busy:
                self.replay.add(self.read)
                continue
            found.append(self.taken(self.read))
            if lane is not None:
                busy.add(lane)
        return found

    def taken(self, place: int) -> int:
        self.replay.discard(place)
        self.due.pop(place, None)
        return place

    def grant(self, place: int, member: int, pull: int, token: str) -> None:
        self.grants[token] = Grant(place, member, pull, token)

    def next_due(self, now: float) -> float | None:
        """Return when time alone may make a message available."""
        return min((due for due in self.due.values() if due > now), default=None)

    def count(self, places: Iterable[int]) -> None:
        for place in places:
            self.counts[place] = self.counts.get(place, 0) + 1

    def ack(self, places: Iterable[int]) -> None:
        for place in places:
            self.replay.discard(place)
            self.acked.add(place)
        self.advance()

    def advance(self) -> None:
        while self.mark + 1 in self.acked:
            self.mark += 1
            self.acked.discard(self.mark)

    def give_back(self, grants: Iterable[Grant], due: float) -> None:
        """Let messages come again, not before an instant."""
        for grant in grants:
            self.grants.pop(grant.token, None)
            self.replay.add(grant.place)
            if due > 0:
                self.due[grant.place] = due

    def held(self, member: int, token: str) -> Grant | None:
        """Return the grant if that member holds it under that token."""
        grant = self.grants.get(token)
        return grant if grant is not None and grant.member == member else None

    def held_by(self, member: int, pull: int | None = None) -> list[Grant]:
        return [grant for grant in self.grants.values() if grant.member == member and pull in (None, grant.pull)]
