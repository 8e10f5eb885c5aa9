"""Leases: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Protocol

from prism_suites._meeting import Meeting, Results, meet
from prism_suites._queue_dying import VisibilityAndDeadLetter
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Lease, QueueDelayed, QueueVisibility
from prism_testkit.killing import Step
from prism_testkit.returned import Returned

_LESS_S = 40_000.0
_SHORT_S = 0.002
_BESIDE = "-beside"
_PATIENT_S = 0.3
"""Who may be later than so many seconds with the end of a lease would let every meeting wait for that."""
_Kinds = Sequence[str | list[str]]


class VisibilityAndDelayed(QueueVisibility, QueueDelayed, Protocol):
    """Leases, and delays."""


def _held(name: str, results: Results) -> Lease | None:
    """Return the last lease of this queue that either process was given before."""
    told = [call.result for call in [*results, *results.others] if call.op == "receive"]
    return next((lease for lease in reversed(told) if isinstance(lease, Lease) and lease.queue == name), None)


def _on(name: str, payload: bytes, results: Results) -> dict[str, Step]:
    """Return every call on a queue, its target and the lease that was given before, by a short name."""
    lease = _held(name, results)
    return {
        "enqueue": ("enqueue", (name, payload)),
        "receive": ("receive", (name, HELD_S)),
        "from target": ("receive", (_target(name), HELD_S)),
        "ack": ("ack", (lease,)),
        "extend": ("extend", (lease, _LESS_S)),
        "release": ("release", (lease,)),
        "dead": ("dead_letters", (name,)),
        "redrive": ("redrive", (name,)),
        "configure": ("configure_dead_letter", (name, _target(name), 1)),
    }


def _target(name: str) -> str:
    return f"{name}-dead"


def _beside(name: str) -> str:
    return name + _BESIDE


def _failed(name: str) -> list[Step]:
    """Return the steps after which a message was delivered once, in vain."""
    return [("enqueue", (name, b"old")), ("receive", (name, HELD_S)), ("release", (Returned(-1),))]


def _made(kind: str, name: str) -> tuple[list[Step], list[Step]]:
    """Return what both processes did before. What failed too often is looked for: else the instant of its move would be open."""
    enqueue: Step = ("enqueue", (name, b"old"))
    receive: Step = ("receive", (name, HELD_S))
    configure: Step = ("configure_dead_letter", (name, _target(name), 1))
    return {
        "empty": ([], []),
        "one": ([enqueue], []),
        "two": ([enqueue], [("enqueue", (name, b"older"))]),
        "held": ([enqueue, receive], []),
        "held there": ([enqueue], [receive]),
        "held, and one": ([enqueue], [receive, ("enqueue", (name, b"next"))]),
        "last": ([configure, enqueue, receive], []),
        "failed": (_failed(name), []),
        "dead": ([configure, *_failed(name), ("dead_letters", (name,))], []),
    }[kind]


def _meetings(there: str, first: Sequence[str], second: _Kinds, looks: Sequence[str] = ("receive",) * 2) -> Iterator[Meeting]:
    """Yield all pairs, on what ``there`` stands for in `_made`."""

    def mine(kind: str, name: str, results: Results) -> Step:
        return _on(name, b"mine", results)[kind]

    def theirs(kinds: str | list[str], name: str, results: Results) -> Step | list[Step]:
        calls = _on(name, b"theirs", results)
        return calls[kinds] if isinstance(kinds, str) else [calls[kind] for kind in kinds]

    def after(name: str, results: Results) -> Sequence[Step]:
        return [_on(name, b"", results)[look] for look in looks]

    for one, other in product(first, second):
        yield Meeting(partial(mine, one), partial(theirs, other), partial(_made, there), after)


@check("queue_visibility.8", "queue_visibility.2", "queue_visibility.5", "queue_visibility.9", "queue_visibility.11")
async def receives_of_processes_meet(queue: QueueVisibility, case: Case) -> None:
    """Of two processes one gets a message, beside whatever the other one does to the queue or to its lease."""
    await meet(case, "queue_visibility.8", [
        *_meetings("empty", ("enqueue", "receive"), ("enqueue", "receive")),
        *_meetings("two", ("receive",), ("receive",)),
        *_meetings("held there", ("receive",), ("ack", "release")),
        *_meetings("held, and one", ("receive",), ("ack", "extend")),
        *_meetings("held", ("ack", "release", "extend"), ("receive",)),
    ])  # fmt: skip


@check("queue_visibility.5", "queue_visibility.8", "queue_visibility.2", "queue_visibility.4", "queue_visibility.7")
async def ends_of_one_lease_meet(queue: QueueVisibility, case: Case) -> None:
    """A lease is ended once, by one process or the other; what comes too late touches nothing, nor the next lease."""
    await meet(case, "queue_visibility.5", [
        *_meetings("held", ("ack", "release"), ("ack", "extend", ["release", "receive"])),
        *_meetings("held", ("extend",), ("ack", "release")),
    ])  # fmt: skip


def _over(
    case: Case, made: Callable[[str, float], list[Step]], pairs: Sequence[tuple[str, str]], *, counted: bool = False
) -> list[Meeting]:
    """Return meetings at a message whose lease, or delay, is over; ``made`` begins it in a queue, for so many seconds.

    ``counted``: that the last one is over is known from a count, which leaves it to those who meet to find what is due.
    """
    late_s = case.limits.clock_resolution_s + case.traits.ttl_late_s
    if late_s > _PATIENT_S and (case.traits.sharing == "processes" or not case.clock.virtual):
        case.inconclusive(
            f"a lease or a delay may end {late_s:g} s late: each of some hundred meetings would have to wait for that"
        )

    def before(name: str) -> tuple[list[Step], list[Step]]:
        # The one that is looked at comes last: on a slow machine much may pass between the two.
        return [*made(name, _SHORT_S), *made(_beside(name), 2 * _SHORT_S + late_s)], []

    def called(kind: str, name: str, results: Results) -> Step:
        return _on(name, b"", results)[kind]

    def after(name: str, results: Results) -> Sequence[Step]:
        return [_on(name, b"", results)["receive"]] * 2

    def until(name: str) -> Step:
        return ("scheduled_count", (_beside(name),)) if counted else ("receive", (_beside(name), HELD_S))

    return [
        Meeting(partial(called, one), partial(called, other), before, after, until, until_found=not counted) for one, other in pairs
    ]


@check("queue_visibility.8", "queue_visibility.3", "queue_visibility.5", "queue_visibility.2")
async def who_finds_a_lease_past_its_deadline_meets_others(queue: QueueVisibility, case: Case) -> None:
    """What is past its deadline is given again to one of two processes, and its old lease has ended for both."""

    def leased(queue: str, seconds: float) -> list[Step]:
        return [("enqueue", (queue, b"old")), ("receive", (queue, seconds))]

    pairs = (("receive", "receive"), ("receive", "extend"), ("ack", "receive"), ("extend", "receive"), ("release", "receive"))
    await meet(case, "queue_visibility.8", _over(case, leased, pairs))


@check("queue_delayed.4", "queue_delayed.1", "queue_visibility.8", "queue_visibility.2")
async def who_finds_a_delay_over_meets_others(queue: VisibilityAndDelayed, case: Case) -> None:
    """A message whose delay, or lease, is over is given to one of two processes that both find it so."""

    def delayed(queue: str, seconds: float) -> list[Step]:
        return [("enqueue_delayed", (queue, b"old", None, {"delay_s": seconds}))]

    def leased(queue: str, seconds: float) -> list[Step]:
        if queue.endswith(_BESIDE):
            return delayed(queue, seconds)
        return [("enqueue", (queue, b"old")), ("receive", (queue, seconds))]

    await meet(case, "queue_delayed.4", [
        *_over(case, delayed, [("receive", "receive")], counted=True),
        *_over(case, leased, [("receive", "receive"), ("extend", "receive")], counted=True),
    ])  # fmt: skip


@check("queue_dead_letter.3", "queue_dead_letter.1", "queue_dead_letter.6", "queue_dead_letter.7", "queue_visibility.8")
async def deaths_meet_looks_of_another_process(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """A message whose attempts are used up is in one of both queues whenever another process looks, and once."""
    looks = ("receive", "dead", "from target")
    await meet(case, "queue_dead_letter.3", [
        *_meetings("last", ("release", "ack"), ("dead", ["receive", "dead"], ["ack", "dead"]), looks),
        *_meetings("failed", ("configure",), (["receive", "dead"],), looks),
        *_meetings("failed", ("receive",), (["configure", "dead"],), looks),
    ])  # fmt: skip


@check("queue_dead_letter.5", "queue_dead_letter.3", "queue_dead_letter.2", "queue_dead_letter.4")
async def redrives_of_processes_meet(queue: VisibilityAndDeadLetter, case: Case) -> None:
    """What died is brought back once, and told once, beside a process that does so too, or takes it, or enqueues."""
    looks = ("receive", "receive", "dead", "from target")
    unlisted = ("receive", "receive", "from target")  # one that is leased in the target may be listed or not
    await meet(case, "queue_dead_letter.5", [
        *_meetings("dead", ("redrive",), ("redrive", "enqueue"), looks),
        *_meetings("dead", ("redrive",), ("from target",), unlisted),
        *_meetings("dead", ("configure",), ("dead", "redrive"), looks),
        *_meetings("dead", ("from target",), ("redrive",), unlisted),
        *_meetings("dead", ("enqueue",), ("redrive",), looks),
    ])  # fmt: skip
