"""What a namespace holds beside its records: a state that follows, step by step, from a log that everybody reads.

The log is the first partition of the namespace's topic. Whoever wants to change something appends a step, reads on up to it, and
has there its outcome, which is the same for all who read: the order of the log decides between those who want the same. This is
the replicated state machine (Schneider, "Implementing fault-tolerant services", 1990), with Kafka as the broadcast. Time in it is
the broker's: a step happens at the instant at which it was appended.
"""

import bisect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prism_backends.kafka.groups import Group, Place
from prism_testkit.interfaces.errors import CorruptPayload

__all__ = ["Book", "Divided", "Stream"]


class Divided(Exception):
    """What cannot be done with a stream of several partitions."""


@dataclass(slots=True, eq=False)
class Stream:
    """``partitions`` are Kafka's, none of which any other stream has. Nothing below ``first`` is kept, nor what is ``hidden``."""

    partitions: list[int]
    first: dict[int, int] = field(default_factory=dict)
    hidden: dict[int, list[int]] = field(default_factory=dict)
    """Offsets of what was superseded, ascending."""
    age_ms: int | None = None
    most: int | None = None
    version: int = 0
    """Counts what changes which records are outside of the bounds, but appends."""
    groups: dict[str, Group] = field(default_factory=dict)

    def oldest(self, partition: int) -> int:
        return self.first.get(partition, 0)

    def is_kept(self, place: Place) -> bool:
        partition, offset = place
        if offset < self.oldest(partition):
            return False
        hidden = self.hidden.get(partition, ())
        at = bisect.bisect_left(hidden, offset)
        return at == len(hidden) or hidden[at] != offset


class Book:
    """All streams of a namespace, by name."""

    def __init__(self) -> None:
        self.streams: dict[str, Stream] = {}
        self.partitions = 1
        """How many of Kafka's are given away; the first one is that of the log."""

    def apply(self, step: Mapping[str, Any], at_ms: int) -> Any:
        """Do a step, and return its outcome."""
        do = _STEPS.get(step.get("do", ""))
        if do is None:
            raise CorruptPayload(f"kafka: a step of this namespace is none that this driver knows: {step.get('do')!a}")
        return do(self, step, at_ms)

    def group(self, stream: str, group: str) -> Group | None:
        found = self.streams.get(stream)
        return None if found is None else found.groups.get(group)

    def make(self, name: str, partitions: int = 1) -> Stream:
        """Return a stream, which has so many partitions if there was none."""
        found = self.streams.get(name)
        if found is None:
            found = self.streams[name] = Stream(list(range(self.partitions, self.partitions + partitions)))
            self.partitions += partitions
        return found


def _tick(book: Book, step: Mapping[str, Any], at_ms: int) -> int:
    """Return the broker's time."""
    return at_ms


def _open(book: Book, step: Mapping[str, Any], at_ms: int) -> None:
    """Let a stream be used."""
    book.make(step["stream"])


def _divide(book: Book, step: Mapping[str, Any], at_ms: int) -> bool:
    """Give partitions to a stream that was not used; tell whether it has as many."""
    n: int = step["n"]
    return len(book.make(step["stream"], n).partitions) == n


def _bound(book: Book, step: Mapping[str, Any], at_ms: int) -> None:
    """Set the bounds of a stream."""
    stream = book.make(step["stream"])
    stream.age_ms, stream.most = step["age_ms"], step["most"]
    stream.version += 1


def _cut(book: Book, step: Mapping[str, Any], at_ms: int) -> bool:
    """Let go what is below an offset; if that was reckoned by bounds, only if it is still right."""
    stream = book.make(step["stream"])
    if step["version"] not in (None, stream.version):
        return False
    for partition, first in step["first"]:
        stream.first[partition] = max(stream.oldest(partition), first)
        hidden = stream.hidden.get(partition, [])
        del hidden[: bisect.bisect_left(hidden, stream.first[partition])]
    for group in stream.groups.values():
        group.drop(stream.is_kept)
    return True


def _hide(book: Book, step: Mapping[str, Any], at_ms: int) -> None:
    """Let go what was superseded."""
    stream = book.make(step["stream"])
    partition, oldest = step["partition"], stream.oldest(step["partition"])
    hidden = {*stream.hidden.get(partition, ()), *(offset for offset in step["offsets"] if offset >= oldest)}
    stream.hidden[partition] = sorted(hidden)
    stream.version += 1
    for group in stream.groups.values():
        group.drop(stream.is_kept)


def _create(book: Book, step: Mapping[str, Any], at_ms: int) -> bool:
    """Make a group; tell whether there was none."""
    found = book.streams.get(step["stream"])
    start = step["start"]
    if found is not None and step["group"] in found.groups:
        return False
    if start is not None and found is not None and len(found.partitions) > 1:
        raise Divided
    stream = book.make(step["stream"])
    positions = dict(step["positions"]) if start is None else {stream.partitions[0]: start}
    stream.groups[step["group"]] = Group(positions)
    return True


def _join(book: Book, step: Mapping[str, Any], at_ms: int) -> bool:
    """Let a member in; tell whether there is such a group. With positions it is made if there is none."""
    if step["positions"] is not None and book.group(step["stream"], step["group"]) is None:
        book.make(step["stream"]).groups[step["group"]] = Group(dict(step["positions"]))
    group = book.group(step["stream"], step["group"])
    if group is None:
        return False
    group.members[step["member"]] = at_ms
    return True


def _take(book: Book, step: Mapping[str, Any], at_ms: int) -> tuple[str, list[tuple[int, int, int]]] | None:
    """Let a member hold what is there for it; return its name and the place and count of each. None: there is no such group.

    One that was taken for dead joins again, under another name.
    """
    stream = book.streams.get(step["stream"])
    group = stream.groups.get(step["group"]) if stream is not None else None
    if stream is None or group is None:
        return None
    group.bury(at_ms, {step["member"], *step["alive"]})
    member = step["member"] if step["member"] in group.members else step["new"]
    group.members[member] = at_ms
    if step["void"]:
        group.give_back(member, set(step["void"]).__contains__)
    group.drop(stream.is_kept)
    for partition in stream.partitions:
        group.positions[partition] = max(group.position(partition), stream.oldest(partition))
    keys = {(partition, offset): key for partition, offset, key in step["keys"]}
    taken: list[tuple[int, int, int]] = []
    places = group.turns(stream.partitions, dict(step["ends"]), keys, at_ms)
    while len(taken) < step["most"] and (place := next(places, None)) is not None:
        if stream.is_kept(place):
            taken.append((*place, group.hold(place, member, step["batch"])))
        else:
            group.done(place)
    return member, taken


def _answer(book: Book, step: Mapping[str, Any], at_ms: int) -> bool:
    """Ack, or with a delay nack, what a member holds; tell whether it is one."""
    stream = book.streams.get(step["stream"])
    group = book.group(step["stream"], step["group"])
    if stream is None or group is None or step["member"] not in group.members:
        return False
    group.members[step["member"]] = at_ms
    for partition, offset, batch in step["places"]:
        place = (partition, offset)
        if group.held.get(place) != (step["member"], batch):
            continue
        if step["delay_ms"] is None or not stream.is_kept(place):
            group.done(place)
        else:
            group.nack(place, at_ms + step["delay_ms"], step["to_the_end"])
    return True


def _void(book: Book, step: Mapping[str, Any], at_ms: int) -> None:
    """Give back batches that reached nobody."""
    group = book.group(step["stream"], step["group"])
    if group is not None:
        group.give_back(step["member"], set(step["void"]).__contains__)


def _leave(book: Book, step: Mapping[str, Any], at_ms: int) -> None:
    """Let a member leave."""
    group = book.group(step["stream"], step["group"])
    if group is not None:
        group.leave(step["member"])


def _beat(book: Book, step: Mapping[str, Any], at_ms: int) -> None:
    """Note a sign of life of members."""
    for stream, name, member in step["members"]:
        group = book.group(stream, name)
        if group is not None and member in group.members:
            group.members[member] = at_ms


def _seek(book: Book, step: Mapping[str, Any], at_ms: int) -> str:
    """Move a group without members; tell what became of it."""
    stream, group = book.streams.get(step["stream"]), book.group(step["stream"], step["group"])
    if stream is None or group is None:
        return "missing"
    if group.alive(at_ms, set(step["alive"])):
        return "joined"
    group.members.clear()
    group.move({partition: max(offset, stream.oldest(partition)) for partition, offset in step["positions"]})
    return "moved"


_STEPS: dict[str, Callable[[Book, Mapping[str, Any], int], Any]] = {
    "answer": _answer,
    "beat": _beat,
    "bound": _bound,
    "create": _create,
    "cut": _cut,
    "divide": _divide,
    "hide": _hide,
    "join": _join,
    "leave": _leave,
    "open": _open,
    "seek": _seek,
    "take": _take,
    "tick": _tick,
    "void": _void,
}
