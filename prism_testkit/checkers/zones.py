"""Is the history of a register linearizable? Decided in O(n log n) for written values that differ: a million calls in seconds.

Gibbons and Korach (Testing Shared Memories, SIAM Journal on Computing 1997): a write and the reads of its value are a cluster. If
one of them was over before another was called, the value was current from the first return to the last call at least: its forward
zone. Else one instant, anywhere from the last call to the first return, is enough for all of them: its backward zone. The history
is linearizable exactly if every value read was written, and not only later, no two forward zones overlap, and no backward zone
lies inside a forward zone.

Exact also with unknown outcomes: a write of unknown outcome happened if its value was read, and else may be left out. Instants
that are equal count as overlapping. A register with compare-and-swap, or with values that recur, needs
`prism_testkit.checkers.linearizability`.
"""

import math
from bisect import bisect_left
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Operation, Outcome
from prism_testkit.reports.text import show

__all__ = ["Read", "Write", "check_register", "register_operations"]


@dataclass(frozen=True, slots=True)
class Write:
    """A value was written. ``ret`` None: it never returned, so its outcome is unknown."""

    value: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Read:
    """A value was read, which means something only if the outcome is OK."""

    value: Hashable
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(slots=True)
class _Cluster:
    """A write and the reads of its value: which of them was over first, and which was called last."""

    write: Write
    returned: Write | Read
    called: Write | Read
    first_return: float
    last_call: float

    def told(self) -> tuple[Write | Read, ...]:
        return tuple(dict.fromkeys((self.write, self.returned, self.called)))


def register_operations(operations: Iterable[Operation]) -> dict[str, list[Write | Read]]:
    """Sort what `History.operations` tells of a `KeyValueBasic` by key: `set` writes and `get` reads; other calls are left out.

    A check whose keys are also changed by other methods, `delete` for instance, cannot be judged so.
    """
    found: dict[str, list[Write | Read]] = {}
    for o in operations:
        if o.op == "set":
            found.setdefault(o.key, []).append(Write(bytes(o.arguments[0]), o.call, o.ret, o.outcome))
        elif o.op == "get":
            value = o.output if isinstance(o.output, bytes) else None
            found.setdefault(o.key, []).append(Read(value, o.call, o.ret, o.outcome))
    return found


def check_register(operations: Iterable[Write | Read], initial: Hashable = None) -> Violation | None:
    """Return what shows that one register, which held ``initial`` at first, was none; None if nothing does.

    Rules: ``fresh`` (a value read that nobody wrote, whose write was refused, or was called only later), ``forward`` (two values
    that were both current at one time), ``backward`` (a value that came and went while another was current). A value written
    twice, or equal to ``initial``, raises ``ValueError``: then nothing can be told.
    """
    reads: list[Read] = []
    start = Write(initial, -math.inf, -math.inf)
    clusters = {initial: _Cluster(start, start, start, -math.inf, -math.inf)}
    for operation in operations:
        if isinstance(operation, Read):
            if operation.outcome is Outcome.OK:
                reads.append(operation)
            continue
        cluster = _Cluster(operation, operation, operation, _returned(operation), operation.call)
        if clusters.setdefault(operation.value, cluster) is not cluster:
            raise ValueError(f"{show(operation.value)} was written twice, or there at first: every value must differ")
    for read in reads:
        written = clusters.get(read.value)
        if written is None:
            return Violation("fresh", f"{show(read.value)} was read, and nobody wrote it", (read,))
        if written.write.outcome is Outcome.FAILED:
            return Violation("fresh", f"{show(read.value)} was read, although its write was refused", (written.write, read))
        ret = _returned(read)
        if ret < written.write.call:
            return Violation("fresh", f"{show(read.value)} was read before its write was called", (read, written.write))
        if ret < written.first_return:
            written.first_return, written.returned = ret, read
        if read.call > written.last_call:
            written.last_call, written.called = read.call, read
    return _find_overlap([cluster for cluster in clusters.values() if cluster.write.outcome is not Outcome.FAILED])


def _returned(operation: Write | Read) -> float:
    """Return when it was over: what has no known end may take effect at any time."""
    return math.inf if operation.ret is None or operation.outcome is Outcome.UNKNOWN else operation.ret


def _find_overlap(clusters: Sequence[_Cluster]) -> Violation | None:
    forward = sorted((c for c in clusters if c.first_return < c.last_call), key=lambda cluster: cluster.first_return)
    for one, other in pairwise(forward):
        if other.first_return < one.last_call:
            first, second = show(one.write.value), show(other.write.value)
            sentence = f"{first} was there before {second} was, and {first} was there after {second} was"
            return Violation("forward", sentence, one.told() + other.told())
    begins = [cluster.first_return for cluster in forward]
    for cluster in clusters:
        if cluster.first_return < cluster.last_call:
            continue
        place = bisect_left(begins, cluster.last_call)
        if place and cluster.first_return < forward[place - 1].last_call:
            around = forward[place - 1]
            first, second = show(around.write.value), show(cluster.write.value)
            sentence = f"{first} was there before {second} was written, and again after {second} had been written or read"
            return Violation("backward", sentence, around.told() + cluster.told())
    return None
