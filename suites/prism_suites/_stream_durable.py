"""What a process does to streams and groups until it is killed, as plain data, and what must be left of it.

The writer's receives ask for one record, from groups of one member that are never given anything back before: so which record
each of them took is known without its answer.
"""

from dataclasses import dataclass, field
from typing import Any

from prism_testkit.killing import Step
from prism_testkit.returned import Returned
from prism_testkit.strategies import gauntlet_payloads, patterned
from prism_testkit.traits import Limits

__all__ = ["AHEAD", "HEADERS", "GroupLeft", "Left", "Story", "lives", "logs"]

AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
HEADERS = {"a": "b", "é\x00": "\r\n"}
_LARGE = 60_000
_FAR = 2**63 - 1
"""Beyond every offset, also where an offset is an instant and a number in one."""
_WAIT_S = 20.0

Mark = tuple[Any, ...]
"""What a step does: (kind, stream, ...)."""


@dataclass
class GroupLeft:
    """A group: with which record it begins, how often each was delivered, and what came of it."""

    start: int
    delivered: dict[int, int] = field(default_factory=dict)
    acked: set[int] = field(default_factory=set)
    delayed: set[int] = field(default_factory=set)


@dataclass
class Left:
    """What the acknowledged steps leave: the records of each stream, how many are trimmed, and the groups."""

    records: dict[str, list[tuple[bytes, str | None]]] = field(default_factory=dict)
    trimmed: dict[str, int] = field(default_factory=dict)
    groups: dict[tuple[str, str], GroupLeft] = field(default_factory=dict)

    def apply(self, mark: Mark) -> None:
        """Carry out one step."""
        kind, stream, *rest = mark
        if kind == "append":
            self.records.setdefault(stream, []).append((rest[0], rest[1]))
        elif kind == "trim":
            self.trimmed[stream] = rest[0]
        elif kind == "create":
            start = len(self.records.get(stream, ())) if rest[1] == "latest" else rest[1]
            self.groups[stream, rest[0]] = GroupLeft(start)
        elif kind == "receive":
            group = self.groups[stream, rest[0]]
            group.delivered[rest[1]] = group.delivered.get(rest[1], 0) + 1
        elif kind == "ack":
            self.groups[stream, rest[0]].acked.add(rest[1])
        elif kind == "delay":
            self.groups[stream, rest[0]].delayed.add(rest[1])


@dataclass
class Story:
    """Steps, and what each of them does."""

    steps: list[Step] = field(default_factory=list)
    marks: list[Mark] = field(default_factory=list)

    def tell(self, step: Step, *mark: Any) -> int:
        """Add a step; return its number."""
        self.steps.append(step)
        self.marks.append(mark)
        return len(self.steps) - 1

    def left(self, acknowledged: int, before: Left | None = None) -> Left:
        """Return what the first steps left."""
        left = before or Left()
        for mark in self.marks[:acknowledged]:
            left.apply(mark)
        return left

    def append(self, stream: str, payload: bytes, key: str | None = None) -> int:
        return self.tell(("append", (stream, payload, key, HEADERS if key else None)), "append", stream, payload, key)

    def fill(self) -> None:
        """Add what goes on until the kill."""
        for number in range(AHEAD):
            self.append("filler", b"%d" % number)


def logs(limits: Limits, length: int, seed: int) -> Story:
    """Return appends to a few streams, of short, odd and large payloads, and now and then a trim of one of them.

    Of the streams one is trimmed to its last record, one to nothing, and one to nothing for good. Large payloads
    come in threes: one of them is acknowledged last in a kill after two steps less than a multiple of 40.
    """
    story = Story()
    odd = list(gauntlet_payloads(min(300, limits.max_payload)))
    offsets: dict[str, list[int]] = {}
    for number in range(3):
        story.append("gone", b"%d gone %d" % (seed, number))
    story.tell(("trim", ("gone", _FAR)), "trim", "gone", 3)
    for number in range(length + AHEAD):
        stream = ("log", "emptied", "trimmed", "Log", "log:1", "log", "log")[(number * 5 + seed) % 7]
        known = offsets.setdefault(stream, [])
        if stream == "trimmed" and len(known) % 5 == 4:
            story.tell(("trim", (stream, Returned(known[-1]))), "trim", stream, len(known) - 1)
        elif stream == "emptied" and len(known) % 4 == 3:
            story.tell(("trim", (stream, _FAR)), "trim", stream, len(known))
        token = b"%d.%d;" % (seed, number)
        payload = token + odd[(number * 7 + seed) % len(odd)]
        if len(story.steps) % 40 in (39, 0, 1):
            payload = token + patterned(min(_LARGE, limits.max_payload) - len(token), seed=number)
        known.append(story.append(stream, payload[: limits.max_payload], f"k{number % 3}" if number % 2 else None))
    return story


_LIVES = ("fresh", "held", "acked", "nacked", "left", "done", "latest", "from", "delayed", "joined")


def lives(seed: int, repeats: int, delay_s: float) -> Story:
    """Return lives of groups, each of its own, of every kind by turns, over two streams of six records."""
    story = Story()
    first = {
        stream: [story.append(stream, b"%s-%d-%d" % (stream.encode(), seed, number), "k") for number in range(6)]
        for stream in ("s", "t")
    }
    base = 6 * seed
    for turn in range(repeats):
        for kind in _LIVES:
            stream = "st"[turn % 2]
            _live(story, stream, f"{kind}-{seed}-{turn}", kind, base, first[stream], delay_s)
    for stream in ("s", "t"):
        for number in range(2):
            story.append(stream, b"%s-%d-late-%d" % (stream.encode(), seed, number), "k")
    return story


def _live(story: Story, stream: str, group: str, kind: str, base: int, first: list[int], delay_s: float) -> None:
    start: Any = {"latest": "latest", "from": Returned(first[2])}.get(kind, Returned(first[0]) if base else "earliest")
    begin = "latest" if kind == "latest" else base + (2 if kind == "from" else 0)
    story.tell(("create_group", (stream, group, start)), "create", stream, group, begin)
    if kind in ("fresh", "latest"):
        return
    member = story.tell(("join", (stream, group, "c")), "join", stream, group)
    if kind == "joined":
        return
    place = base + (2 if kind == "from" else 0)
    took = [
        story.tell(("join.receive", (Returned(member), 1, _WAIT_S)), "receive", stream, group, place + number)
        for number in range(6 if kind == "done" else 3)
    ]
    for number in {"acked": (0, 2), "nacked": (0,), "left": (1,), "done": (0, 1, 2, 3, 4, 5), "from": (1,), "delayed": (2,)}.get(
        kind, ()
    ):
        story.tell(("join.ack", (Returned(member), Returned(took[number]))), "ack", stream, group, place + number)
    if kind == "nacked":
        story.tell(("join.nack", (Returned(member), Returned(took[1]))), "nack", stream, group, place + 1)
    elif kind == "delayed":
        nack: Step = ("join.nack", (Returned(member), Returned(took[0]), {"delay_s": delay_s}))
        story.tell(nack, "delay", stream, group, place)
    elif kind == "left":
        story.tell(("join.exit", (Returned(member),)), "exit", stream, group)
