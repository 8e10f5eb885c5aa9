"""What a process does to queues until it is killed, as plain data, and what must be left of it.

Every queue has one story, so that what each step does is known without its answer: a line that is enqueued to and taken from
in order, or a single message that is leased, acked, released or let die.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from prism_testkit.killing import Step
from prism_testkit.returned import Returned
from prism_testkit.strategies import gauntlet_payloads, name_groups, patterned
from prism_testkit.traits import Limits

__all__ = ["AHEAD", "HEADERS", "Line", "Lone", "Story", "leases", "lines"]

AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
HEADERS = {"a": "b", "é\x00": "\r\n"}
_LARGE = 60_000


@dataclass
class Line:
    """A queue that is enqueued to and taken from: what is in it, in order."""

    held: list[bytes] = field(default_factory=list)
    taken: list[bytes] = field(default_factory=list)


@dataclass
class Lone:
    """A queue with one message: how often it was delivered, and what came of it last."""

    payload: bytes
    attempts: int = 0
    state: str = "absent"
    """absent, ready, leased, acked"""


@dataclass
class Story:
    """Steps, and which queue each of them belongs to."""

    steps: list[Step] = field(default_factory=list)
    queues: list[str] = field(default_factory=list)

    def tell(self, queue: str, step: Step) -> int:
        """Add a step; return its number."""
        self.steps.append(step)
        self.queues.append(queue)
        return len(self.steps) - 1


def _payloads(limits: Limits, seed: int) -> Iterator[bytes]:
    """Yield payloads that are all different: short, odd, empty-looking, and now and then a large one."""
    odd = list(gauntlet_payloads(min(300, limits.max_payload)))
    number = 0
    while True:
        token = b"%d.%d;" % (seed, number)
        if number % 40 == 39:
            yield token + patterned(min(_LARGE, limits.max_payload) - len(token), seed=number)
        else:
            yield (token + odd[(number * 7 + seed) % len(odd)])[: limits.max_payload]
        number += 1


def lines(limits: Limits, length: int, seed: int, takes: bool) -> Story:
    """Return enqueues, and takes by `dequeue` where ``takes``, over plain names and names that stores confuse."""
    random = Random(seed)
    names = ["line-1", "line-2", *(group[-1] for group in name_groups(limits.max_name)[::25])]
    inside = dict.fromkeys(names, 0)
    payloads = _payloads(limits, seed)
    story = Story()
    for _ in range(length):
        name = random.choice(names)
        if takes and inside[name] and random.random() < 0.35:
            inside[name] -= 1
            story.tell(name, ("dequeue", (name,)))
        else:
            inside[name] += 1
            story.tell(name, ("enqueue", (name, next(payloads), HEADERS if len(story.steps) % 3 else None)))
    return story


_LIVES = ("ready", "acked", "leased", "released", "acked at second", "extended", "leased at third", "acked", "released twice")


def leases(limits: Limits, killed: int, seed: int, held_s: float) -> Story:
    """Return lives of single messages, each in a queue of its own, of every kind by turns.

    Around step ``killed`` stand calls of one kind on many of them, so that a store that keeps a few back is seen to lose them.
    """
    payloads = _payloads(limits, seed)
    story = Story()
    number, waits, kind = 0, True, _TAILS[seed % len(_TAILS)]
    before = _TAIL * (1 if kind == "receive" else 2) + 12
    while len(story.steps) < killed + AHEAD:
        if waits and len(story.steps) >= killed - before:
            waits = False
            _tail(story, [f"tail-{seed}-{index}" for index in range(_TAIL)], payloads, kind, held_s)
        _live(story, f"lone-{seed}-{number}", next(payloads), _LIVES[number % len(_LIVES)], held_s)
        number += 1
    return story


_TAIL = 16
_TAILS = ("ack", "release", "receive", "extend")


def _tail(story: Story, names: list[str], payloads: Iterator[bytes], kind: str, held_s: float) -> None:
    """Prepare many messages, then make one call on each."""
    for name in names:
        story.tell(name, ("enqueue", (name, next(payloads)[:100], HEADERS)))
    held = [story.tell(name, ("receive", (name, held_s))) for name in names]
    for name, lease in zip(names, held, strict=True):
        if kind != "receive":
            story.tell(name, (kind, (Returned(lease), held_s * 0.9) if kind == "extend" else (Returned(lease),)))


def _live(story: Story, name: str, payload: bytes, life: str, held_s: float) -> None:
    story.tell(name, ("enqueue", (name, payload, HEADERS)))
    if life == "ready":
        return
    first = story.tell(name, ("receive", (name, held_s)))
    if life == "acked":
        story.tell(name, ("ack", (Returned(first),)))
    elif life == "extended":
        story.tell(name, ("extend", (Returned(first), held_s * 0.9)))
    elif life != "leased":
        story.tell(name, ("release", (Returned(first),)))
        again = 0 if life == "released" else 2 if life == "leased at third" else 1
        for turn in range(again):
            lease = story.tell(name, ("receive", (name, held_s)))
            if life == "acked at second":
                story.tell(name, ("ack", (Returned(lease),)))
            elif life == "released twice" or (life == "leased at third" and turn == 0):
                story.tell(name, ("release", (Returned(lease),)))
