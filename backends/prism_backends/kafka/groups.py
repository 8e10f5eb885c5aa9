"""What a group knows of the partitions of its stream: plain state, changed by the steps of a `Book` only."""

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

__all__ = ["HORIZON_MS", "Group", "Place"]

HORIZON_MS = 4000
"""So long after its last sign of life a member of another process counts as alive."""

Place = tuple[int, int]
"""A record: Kafka's partition, and the offset in it."""


@dataclass(slots=True, eq=False)
class Group:
    """Of each record below the position of its partition that is not done with, ``counts`` holds how often it was delivered.

    It is in ``held``, by a member in a batch, or in ``again``, where it waits for an instant; or, with an ordering key, it was not
    delivered yet and is ``behind`` another one of its key. What comes again has its old turn, unless it was nacked to the end.
    """

    positions: dict[int, int] = field(default_factory=dict)
    counts: dict[Place, int] = field(default_factory=dict)
    held: dict[Place, tuple[str, int]] = field(default_factory=dict)
    again: dict[Place, tuple[int, int, int]] = field(default_factory=dict)
    """Turn, number of the nack, and the instant from which on it may come, in milliseconds."""
    members: dict[str, int] = field(default_factory=dict)
    """When each gave its last sign of life."""
    keys: dict[Place, str] = field(default_factory=dict)
    behind: dict[tuple[int, str], deque[int]] = field(default_factory=dict)
    nacks: int = 0
    ends: dict[int, int] = field(default_factory=dict)
    """As far as a member has ever looked."""

    def position(self, partition: int) -> int:
        return self.positions.get(partition, 0)

    def alive(self, now_ms: int, known: set[str]) -> list[str]:
        """Return the members that live: those ``known`` to, and those that gave a sign of life within the horizon."""
        return [name for name, at_ms in self.members.items() if name in known or at_ms >= now_ms - HORIZON_MS]

    def bury(self, now_ms: int, known: set[str]) -> None:
        """Let the dead leave."""
        for name in set(self.members).difference(self.alive(now_ms, known)):
            self.leave(name)

    def leave(self, member: str) -> None:
        """Forget a member, and give back all that it holds."""
        self.members.pop(member, None)
        self.give_back(member, lambda batch: True)

    def give_back(self, member: str, is_meant: Callable[[int], bool]) -> None:
        """Let come again, in its old turn, what a member holds of certain batches."""
        for place, (holder, batch) in list(self.held.items()):
            if holder == member and is_meant(batch):
                del self.held[place]
                self.again[place] = (place[1], 0, 0)

    def nack(self, place: Place, due_ms: int, to_the_end: bool) -> None:
        """Let come again what is held: in its old turn, or behind all that was there, so that those are let pass."""
        self.nacks += 1
        del self.held[place]
        turn = max(self.ends.get(place[0], 0), self.position(place[0])) if to_the_end else place[1]
        self.again[place] = (turn, self.nacks if to_the_end else 0, due_ms)

    def done(self, place: Place) -> None:
        """Never deliver a record again, and let the next one of its key come, in its old turn."""
        for known in (self.counts, self.held, self.again):
            known.pop(place, None)
        key = self.keys.pop(place, None)
        if key is None:
            return
        following = self.behind[place[0], key]
        if not following:
            del self.behind[place[0], key]
        else:
            offset = following.popleft()
            self.keys[place[0], offset] = key
            self.again[place[0], offset] = (offset, 0, 0)

    def drop(self, is_kept: Callable[[Place], bool]) -> None:
        """Be done with what waits to come again and is not kept."""
        while gone := [place for place in self.again if not is_kept(place)]:  # what was behind one of them may be gone as well
            for place in gone:
                self.done(place)

    def turns(self, partitions: list[int], ends: Mapping[int, int], keys: Mapping[Place, str], now_ms: int) -> Iterator[Place]:
        """Take off, one after another, the places whose turn it is, of those that wait and those that are new.

        ``ends`` says up to where what is new may be taken, ``keys`` which of it have an ordering key.
        """
        for partition in partitions:
            self.ends[partition] = max(self.ends.get(partition, 0), ends.get(partition, 0))
        ready = sorted(
            ((turn, nack, place) for place, (turn, nack, due_ms) in self.again.items() if due_ms <= now_ms), reverse=True
        )
        fresh = [partition for partition in partitions if self.position(partition) < ends.get(partition, 0)]
        while ready or fresh:
            if ready and (not fresh or ready[-1][0] <= self.position(ready[-1][2][0])):
                place = ready.pop()[2]
                del self.again[place]
            else:
                partition = fresh[0]
                place = (partition, self.position(partition))
                self.positions[partition] = place[1] + 1
                if place[1] + 1 >= ends[partition]:
                    fresh.pop(0)
                if not self._is_free(place, keys.get(place)):
                    continue
            yield place

    def hold(self, place: Place, member: str, batch: int) -> int:
        """Let a member hold a record; return the count of this delivery."""
        self.held[place] = (member, batch)
        self.counts[place] = count = self.counts.get(place, 0) + 1
        return count

    def move(self, positions: Mapping[int, int]) -> None:
        """Begin anew, and forget all that was delivered."""
        for known in (self.counts, self.held, self.again, self.keys, self.behind):
            known.clear()
        self.positions = dict(positions)

    def _is_free(self, place: Place, key: str | None) -> bool:
        """Say whether a new record may be delivered; if not, it is put behind that of its key."""
        if key is None:
            return True
        if (place[0], key) in self.behind:
            self.behind[place[0], key].append(place[1])
            return False
        self.behind[place[0], key] = deque()
        self.keys[place] = key
        return True
