"""Is a history linearizable: can every call be given one instant between its start and its return, so that it all makes sense?

The search is Wing and Gong's (Testing and Verifying Concurrent Objects, JPDC 1993) with Lowe's memory of the configurations
already seen (Testing for Linearizability, CCPE 2017). A history is linearizable exactly if its restriction to each object is
(Herlihy and Wing 1990), so each key is judged alone, which is what makes it feasible. Cost grows with the number of calls open
at once, hardly with length. A thousand operations of 8 clients on a key take 20 to 50 ms, right or wrong; with one in twenty of
unknown outcome up to a second. Stay below 16 clients a key, and spread contention over keys.

Three things keep the search small. What only reads is placed as soon as it fits: no order that begins alike is lost. An
operation of unknown outcome, which may take effect at any time after its call or never, is tried last. And a configuration is
given up if one with the same state was seen that had used fewer of those: it had every choice that is left.
"""

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeVar

from prism_testkit.histories import Operation, Outcome
from prism_testkit.reports.text import show

__all__ = ["KeyValueModel", "Model", "Verdict", "check_history", "explain", "worst"]

S = TypeVar("S", bound=Hashable)

Kind = Literal["linearizable", "violation", "undecided"]


class Model(Protocol[S]):
    """The sequential behaviour of one object. States are hashable values."""

    @property
    def initial(self) -> S:
        """The state before the first operation."""

    def only_reads(self, operation: Operation) -> bool:
        """Say whether an operation of this kind and output leaves every state as it is: a read, or a swap that was told no.

        Where in doubt, False. Such an operation is placed as soon as it fits, and dropped if its outcome is unknown.
        """

    def step(self, state: S, operation: Operation) -> Collection[S]:
        """Return the states that ``operation`` may leave, none if its output is impossible in ``state``.

        An operation of unknown outcome may have had any output. One that the model does not know raises ``ValueError``.
        """


class KeyValueModel:
    """A key of a key-value store without expiry; the state is its value, None if it is missing."""

    def __init__(self, initial: bytes | None = None) -> None:
        self.initial = initial

    def only_reads(self, operation: Operation) -> bool:
        told_no = operation.outcome is Outcome.OK and operation.output is False
        return operation.op in ("get", "exists") or told_no

    def step(self, state: bytes | None, operation: Operation) -> tuple[bytes | None, ...]:
        arguments = operation.arguments
        told: object
        match operation.op:
            case "get":
                after, told = state, state
            case "set":
                after, told = arguments[0], None
            case "exists":
                after, told = state, state is not None
            case "delete":
                after, told = None, state is not None
            case "compare_and_swap":
                told = state == arguments[0]
                after = arguments[1] if told else state
            case "compare_and_delete":
                told = state is not None and state == arguments[0]
                after = None if told else state
            case _:
                raise ValueError(f"KeyValueModel does not know {operation.op!r} of {operation.key!a}")
        return (after,) if operation.outcome is Outcome.UNKNOWN or operation.output == told else ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one key. Undecided (the budget ran out) is not a pass.

    ``prefix`` is the longest order found, ``state`` what it leaves. ``stuck`` are the completed operations one of which would
    have to come next, and none can: empty if the history is linearizable.
    """

    kind: Kind
    key: str
    prefix: tuple[Operation, ...]
    state: object
    stuck: tuple[Operation, ...]
    steps: int


def check_history(
    operations: Iterable[Operation], model_factory: Callable[[], Model[Any]], *, step_budget: int = 5_000_000
) -> list[Verdict]:
    """Judge each key by a fresh model; verdicts come in the order in which the keys were first called.

    ``step_budget`` bounds the calls of `Model.step` for each key. FAILED operations, which had no effect, are left out.
    """
    keys: dict[str, list[Operation]] = {}
    for operation in sorted(operations, key=lambda operation: operation.call):
        keys.setdefault(operation.key, []).append(operation)
    return [_Search(key, of_key, model_factory(), step_budget).run() for key, of_key in keys.items()]


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return a violation if there is one, else an undecided verdict, else any; ``ValueError`` if nothing was judged."""
    order: tuple[Kind, ...] = ("violation", "undecided", "linearizable")
    ranked = sorted(verdicts, key=lambda verdict: order.index(verdict.kind))
    if not ranked:
        raise ValueError("no operation was recorded, so there is nothing to judge")
    return ranked[0]


_Point = tuple[int, int, int, Any]
"""How far the search is: (base, window, used, state). Every completed operation before ``base`` is placed, and of those from
there on the ones whose bit is set in ``window``; of the unknown ones, those whose bit is set in ``used``."""
_Choice = tuple[Operation, _Point, tuple[Any, ...]]
"""An operation that may come next, where it leads, and, if its outcome is unknown, the state before it."""


class _Search:
    """Depth-first search for an order of one key's operations."""

    def __init__(self, key: str, operations: list[Operation], model: Model[Any], budget: int) -> None:
        self.key = key
        self.model = model
        self.budget = budget
        self.steps = 0
        self.completed = [o for o in operations if o.outcome is Outcome.OK]
        self.unknown = [o for o in operations if o.outcome is Outcome.UNKNOWN and not model.only_reads(o)]
        self.reading = [model.only_reads(operation) for operation in self.completed]
        self.returns = [_returned(operation) for operation in self.completed]
        self.seen: dict[tuple[int, int, Any], tuple[int, ...]] = {}

    def run(self) -> Verdict:
        """Go on from the newest point while there is a choice, else go back to the one before it."""
        start: _Point = (0, 0, 0, self.model.initial)
        path: list[tuple[Operation | None, _Point, Iterator[_Choice]]] = [(None, start, self._choices(start, ()))]
        longest, best = 0, path[:]
        forward = True
        while path:
            _, point, choices = path[-1]
            if point[0] == len(self.completed):
                return self._verdict("linearizable", path)
            if self.steps > self.budget:
                return self._verdict("undecided", best)
            choice = next(choices, None)
            if choice is not None:
                operation, onward, before = choice
                path.append((operation, onward, self._choices(onward, before)))
            elif forward and point[0] + point[1].bit_count() >= longest:
                longest, best = point[0] + point[1].bit_count(), path[:]
            forward = choice is not None
            if not forward:
                path.pop()
        return self._verdict("violation", best)

    def _choices(self, point: _Point, before: tuple[Any, ...]) -> Iterator[_Choice]:
        """Yield what may come next. One that fits and only reads needs no alternative: at the front it is in nobody's way."""
        state = point[3]
        following = self._following(*point[:2])
        for index in following:
            if self.reading[index] and (after := self._step(state, self.completed[index])):
                yield from self._place(index, point, after)
                return
        for index in following:
            if not self.reading[index]:
                yield from self._place(index, point, self._step(state, self.completed[index]))
        yield from self._place_unknown(point, before, min(self.returns[index] for index in following))

    def _place(self, index: int, point: _Point, states: Collection[Any]) -> Iterator[_Choice]:
        base, window, used, _ = point
        window |= 1 << (index - base)
        ones = (~window & window + 1).bit_length() - 1  # at the low end; the base moves past them
        for after in states:
            onward = (base + ones, window >> ones, used, after)
            if self._is_new(*onward):
                yield self.completed[index], onward, ()

    def _place_unknown(self, point: _Point, before: tuple[Any, ...], limit: int) -> Iterator[_Choice]:
        """Place operations of unknown outcome, but for those that lead where they would without the unknown one before them."""
        base, window, used, state = point
        for number, operation in enumerate(self.unknown):
            if operation.call > limit:
                break
            if used >> number & 1:
                continue
            sooner = [after for earlier in before for after in self._step(earlier, operation)]
            for after in self._step(state, operation):
                onward = (base, window, used | 1 << number, after)
                if after not in sooner and self._is_new(*onward):
                    yield operation, onward, (state,)

    def _following(self, base: int, window: int) -> list[int]:
        """Return the completed operations, not placed yet, that began before any other such one had returned."""
        found: list[int] = []
        limit = None
        for index in self._unplaced(base, window):
            if limit is not None and self.completed[index].call > limit:
                break
            found.append(index)
            limit = self.returns[index] if limit is None else min(limit, self.returns[index])
        return found

    def _unplaced(self, base: int, window: int) -> Iterator[int]:
        """Yield the indices of completed operations that are not placed, by call."""
        free = ~window
        index = base
        while index < len(self.completed):
            skipped = (free & -free).bit_length()
            index += skipped
            free >>= skipped
            if index <= len(self.completed):
                yield index - 1

    def _step(self, state: Any, operation: Operation) -> Collection[Any]:
        self.steps += 1
        return self.model.step(state, operation)

    def _is_new(self, base: int, window: int, used: int, state: Any) -> bool:
        """Remember a point, unless one was seen that had used no other unknown operations to get as far, to the same state."""
        key = (base, window, state)
        seen = self.seen.get(key, ())
        for fewer in seen:
            if not fewer & ~used:
                return False
        self.seen[key] = (*seen, used)
        return True

    def _verdict(self, kind: Kind, path: list[tuple[Operation | None, _Point, Any]]) -> Verdict:
        base, window, _, state = path[-1][1]
        stuck = [self.completed[index] for index in self._following(base, window)]
        prefix = [operation for operation, *_ in path if operation is not None]
        return Verdict(kind, self.key, tuple(prefix), state, tuple(stuck), self.steps)


def _returned(operation: Operation) -> int:
    if operation.ret is None or operation.ret <= operation.call:
        raise ValueError(f"{_tell(operation)}: an operation with a known result returns after it was called")
    return operation.ret


def explain(verdict: Verdict, step: Callable[[int], str] | None = None) -> str:
    """Say in a few lines what a verdict rests on: of a violation at most 20 operations, the last that fit and those that do not.

    ``step`` names the call of an operation as the story of the failure does (`History.step`); without it operations are told by
    their clients, and by the events at which they began and ended.
    """
    fit = len(verdict.prefix)
    name = f"key {show(verdict.key)}"
    if verdict.kind == "linearizable":
        return f"{name}: linearizable, {fit} operations in {verdict.steps} steps"
    if verdict.kind == "undecided":
        return f"{name}: undecided after {verdict.steps} steps, with {fit} operations placed: too many were open at once"
    stuck = verdict.stuck[:10]
    shown = verdict.prefix[-(20 - len(stuck)) :]
    of = f" {len(verdict.stuck)}" if len(verdict.stuck) > len(stuck) else ""
    left_out = [f"  ... {fit - len(shown)} before"] if fit > len(shown) else []
    head = f"{name} is not linearizable. The longest order of its calls that makes sense:"
    if not fit:
        head = f"{name} is not linearizable. No call of it could be the first."
    return "\n".join(
        [head, *left_out, *(f"  {_tell(operation, step)}" for operation in shown)]
        + [f"The state is then {show(verdict.state)}, and none of these{of}, one of which would have to be next, can follow:"]
        + [f"  {_tell(operation, step)}" for operation in stuck]
    )


def _tell(operation: Operation, step: Callable[[int], str] | None = None) -> str:
    result = "unknown" if operation.outcome is Outcome.UNKNOWN else show(operation.output)
    call = f"{operation.op}({', '.join(map(show, operation.arguments))})"
    if step is not None:
        return f"{step(operation.call)}: {call} -> {result}"
    until = "" if operation.ret is None else f"{operation.ret}"
    return f"client {operation.client}: {call} -> {result}  [{operation.call}..{until}]"
