"""What two processes do to one topic when they meet, told by short names; for what is judged of it, see `_meeting`."""

import math
from collections.abc import Iterable, Iterator, Sequence

from prism_suites._meeting import Meeting, Results
from prism_suites._pubsub_members import HELD_S
from prism_testkit.case import Case
from prism_testkit.killing import Step
from prism_testkit.returned import Returned

__all__ = ["meeting"]

_LATER_S = 3600.0
_PATIENCE_S = 10.0
"""Processes have no virtual time: so long what must come is waited for."""


class _Process:
    """The calls of one process, the next of which is step ``number``; a later one may be about what an earlier one returned."""

    def __init__(self, topic: str, mark: str, number: int, entered: int = -1, held: int = -1) -> None:
        self._topic, self._mark = topic, mark
        self._next, self._entered, self._held = number, entered, held
        self._published = 0

    def call(self, kind: str) -> Step:
        """Return a call by a short name."""
        step = self._made(kind)
        if kind.startswith(("enter", "subscribe")):
            self._entered = self._next
        elif kind == "receive":
            self._held = self._next
        self._next += 1
        return step

    def calls(self, kinds: str) -> list[Step]:
        return [self.call(kind) for kind in kinds.split(", ")]

    def _made(self, kind: str) -> Step:
        member, held = Returned(self._entered), Returned(self._held)
        match kind:
            case "publish":
                return "publish_persistent", (self._topic, *self._message())
            case "publish k":
                return "publish_ordered", (self._topic, "k", *self._message())
            case "say":
                return "publish", (self._topic, *self._message())
        calls: dict[str, Step] = {
            "enter": ("subscribe_durable", (self._topic, "s", "earliest")),
            "enter new": ("subscribe_durable", (self._topic, "s", "new")),
            "enter other": ("subscribe_durable", (self._topic, "other", "earliest")),
            "receive": ("subscribe_durable.receive", (member, 1, _PATIENCE_S)),
            "nothing": ("subscribe_durable.receive", (member, 1, 0.0)),
            "ack": ("subscribe_durable.ack", (member, held)),
            "nack": ("subscribe_durable.nack", (member, held)),
            "nack for later": ("subscribe_durable.nack", (member, held, {"delay_s": _LATER_S})),
            "leave": ("subscribe_durable.exit", (member,)),
            "last": ("last_message_id", (self._topic,)),
            "subscribe": ("subscribe", (self._topic,)),
            "hear": ("subscribe.receive", (member, _PATIENCE_S)),
            "hear nothing": ("subscribe.receive", (member, 0.0)),
            "go": ("subscribe.exit", (member,)),
        }
        return calls[kind]

    def _message(self) -> tuple[bytes, dict[str, str]]:
        self._published += 1
        payload = f"{self._mark} {self._published}"
        return payload.encode(), {"by": payload}


def meeting(case: Case, before: tuple[str, str], first: str, second: str, looks: str, *, shuffled: bool = True) -> Meeting:
    """Return a meeting of calls by their short names, several with commas; ``looks`` are by turns, process 2 first.

    Which member gets which message is open, so answers are ``shuffled`` but where there is one order for all.
    """

    def made(name: str) -> tuple[Sequence[Step], Sequence[Step]]:
        one, other = (_Process(name, mark, 0).calls(kinds) for mark, kinds in zip(("old", "older"), before, strict=True))
        return one, other

    def process(name: str, mark: str, told: Results) -> _Process:
        entered = _last(call.step for call in told if call.op in ("subscribe_durable", "subscribe"))
        held = _last(call.step for call in told if call.op == "subscribe_durable.receive")
        return _Process(name, mark, told[-1].step + 1, entered, held)

    def mine(name: str, results: Results) -> Step:
        return process(name, "mine", results).call(first)

    def theirs(name: str, results: Results) -> list[Step]:
        return process(name, "theirs", results).calls(second)

    def looked(name: str, results: Results) -> Iterator[Step]:
        one, other = process(name, "last", Results(results.others)), process(name, "later", results)
        one.call(first)
        other.calls(second)
        for number, kind in enumerate(looks.split(", ")):
            yield (one if number % 2 else other).call(kind)

    unasked = frozenset[str]() if case.traits.delivery_count == "exact" else frozenset(("delivery_count",))
    within_s = HELD_S if "enter" in f"{before} {first} {second}" else math.inf  # what is only heard is held by nobody
    return Meeting(mine, theirs, made, lambda *told: list(looked(*told)), shuffled=shuffled, unasked=unasked, within_s=within_s)


def _last(steps: Iterable[int]) -> int:
    return max(steps, default=-1)
