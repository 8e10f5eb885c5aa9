"""Queues: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import product
from typing import Protocol

from prism_suites._meeting import Meeting, Results, meet
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueuePriority
from prism_testkit.killing import Step

_FIRST, _SECOND, _MINE, _THEIRS = b"first", b"second", b"mine", b"theirs"
_BY = {_FIRST: "1", _SECOND: "2", _MINE: "mine", _THEIRS: "theirs"}
_LATE_S = 1e6
"""A delay that nothing here outlasts."""
_HIGH = 7

_Kinds = Sequence[str | list[str]]


class BasicAndDelayed(QueueBasic, QueueDelayed, Protocol):
    """Takes for good, and delays."""


class BasicAndPriority(QueueBasic, QueuePriority, Protocol):
    """Takes for good, and priorities."""


def _on(name: str, payload: bytes) -> dict[str, Step]:
    """Return every call on one queue, by a short name."""
    message = (name, payload, {"by": _BY[payload]})
    return {
        "enqueue": ("enqueue", message),
        "dequeue": ("dequeue", (name,)),
        "peek": ("peek", (name,)),
        "later": ("enqueue_delayed", (*message, {"delay_s": _LATE_S})),
        "at once": ("enqueue_delayed", (*message, {"delay_s": 0.0})),
        "high": ("enqueue_with_priority", (*message, {"priority": _HIGH})),
        "low": ("enqueue_with_priority", (*message, {"priority": 0})),
        "count": ("scheduled_count", (name,)),
    }


def _meetings(first: _Kinds, second: _Kinds, there: Sequence[str], looks: Sequence[str] = ("dequeue",) * 3) -> Iterator[Meeting]:
    """Yield all pairs, over a queue into which process 1 put the first of ``there``, process 2 the others; then it is drained."""

    def mine(kind: str, name: str, results: Results) -> Step:
        return _on(name, _MINE)[kind]

    def theirs(kinds: str | list[str], name: str, results: Results) -> Step | list[Step]:
        calls = _on(name, _THEIRS)
        return calls[kinds] if isinstance(kinds, str) else [calls[kind] for kind in kinds]

    def before(name: str) -> tuple[Sequence[Step], Sequence[Step]]:
        put = [_on(name, payload)[kind] for kind, payload in zip(there, (_FIRST, _SECOND), strict=False)]
        return put[:1], put[1:]

    def after(name: str, results: Results) -> Sequence[Step]:
        return [_on(name, _THEIRS)[look] for look in looks]

    for one, other in product(first, second):
        assert isinstance(one, str)
        yield Meeting(partial(mine, one), partial(theirs, other), before, after)


@check("queue_basic.10", "queue_basic.2", "queue_basic.3", "queue_basic.5")
async def takes_of_processes_meet(queue: QueueBasic, case: Case) -> None:
    """What two processes enqueue, take and look at fits one order of their calls, wherever they meet (Q-17)."""
    await meet(case, "queue_basic.10", [
        *_meetings(("enqueue",), ("dequeue", ["enqueue", "peek"]), ()),
        *_meetings(("dequeue", "peek"), ("enqueue",), ()),
        *_meetings(("dequeue", "peek"), ("dequeue", ["dequeue", "enqueue"]), ("enqueue",)),
        *_meetings(("dequeue", "peek"), (["dequeue", "peek"],), ("enqueue", "enqueue")),
    ])  # fmt: skip


@check("queue_delayed.1", "queue_delayed.2", "queue_delayed.4")
async def delays_meet_takes_of_another_process(queue: BasicAndDelayed, case: Case) -> None:
    """At no instant does another process see a message whose delay has but begun, nor is it counted or given twice."""
    looks = ("count", "count", "dequeue", "dequeue")
    await meet(case, "queue_delayed.1", [
        *_meetings(("later",), ("dequeue", "peek", "count", "later"), (), looks),
        *_meetings(("count", "dequeue", "at once"), ("later",), ("enqueue",), looks),
    ])  # fmt: skip


@check("queue_priority.1", "queue_priority.4")
async def priorities_of_processes_meet(queue: BasicAndPriority, case: Case) -> None:
    """A take gives the highest priority there is, beside puts and takes of another process, and each message once."""
    await meet(case, "queue_priority.1", [
        *_meetings(("high",), ("dequeue", ["peek", "dequeue"]), ()),
        *_meetings(("high", "low"), (["dequeue", "peek"], "high"), ("low", "high")),
        *_meetings(("dequeue",), ("dequeue", "high"), ("enqueue", "high")),
    ])  # fmt: skip
