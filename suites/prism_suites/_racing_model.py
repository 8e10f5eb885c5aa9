"""One key of a store for the linearizability checker: its value, and whether it has a time to live (that nothing outlasts)."""

from collections.abc import Iterable, Iterator

from prism_testkit.histories import Entry, Operation, Outcome
from prism_testkit.interfaces import NotFound

__all__ = ["LastingModel", "single_key_operations"]

State = tuple[bytes, bool] | None
"""(value, it has a time to live); None if the key is missing."""

_READS = ("get", "exists", "ttl")
_BATCHES = {"batch_set": "set", "batch_get": "get", "batch_delete": "remove"}
_KNOWN = frozenset(
    ("get", "set", "exists", "delete", "compare_and_swap", "compare_and_delete", "set_with_ttl", "expire", "persist", "ttl")
)


class LastingModel:
    """The sequential behaviour of one key, expiry left out. ``remove`` is a delete that was not told of its key alone."""

    initial: State = None

    def only_reads(self, operation: Operation) -> bool:
        return operation.op in _READS or (operation.outcome is Outcome.OK and operation.output is False)

    def step(self, state: State, operation: Operation) -> tuple[State, ...]:
        after, told = _effect(state, operation)
        fits = operation.outcome is Outcome.UNKNOWN or operation.op == "remove" or operation.output == told
        return (after,) if fits else ()


def _effect(state: State, operation: Operation) -> tuple[State, object]:
    """Return the state after an operation, and what it should have said."""
    arguments = operation.arguments
    value = state[0] if state is not None else None
    match operation.op:
        case "get":
            return state, value
        case "exists":
            return state, state is not None
        case "set":
            return (arguments[0], False), None
        case "set_with_ttl":
            return (arguments[0], True), None
        case "delete" | "remove":
            return None, state is not None
        case "compare_and_swap":
            return ((arguments[1], False), True) if value == arguments[0] else (state, False)
        case "compare_and_delete":
            return (None, True) if state is not None and value == arguments[0] else (state, False)
        case "expire":
            return ((value, True), True) if value is not None else (None, False)
        case "persist":
            return ((value, False), True) if value is not None and state is not None and state[1] else (state, False)
        case "ttl":
            return state, "a number" if state is not None and state[1] else None if state is not None else "missing"
    raise ValueError(f"LastingModel does not know {operation.op!r}")


def single_key_operations(entries: Iterable[Entry]) -> Iterator[Operation]:
    """Yield the calls as operations on one key each: a batch is one for each of its items, all with the interval of the call."""
    for entry in entries:
        outcome, result = entry.outcome, entry.result
        ret = None if outcome is Outcome.UNKNOWN else entry.ret
        if entry.op in _BATCHES:
            for key in dict.fromkeys(entry.args[0]):
                arguments = (bytes(entry.args[0][key]),) if entry.op == "batch_set" else ()
                told = result.get(key) if isinstance(result, dict) else None
                yield Operation(entry.client, _BATCHES[entry.op], key, arguments, entry.call, ret, outcome, told)
        elif entry.op in _KNOWN:
            if entry.op == "ttl":
                missing = isinstance(entry.error, NotFound)
                result = "missing" if missing else None if result is None else "a number"
                outcome, ret = (Outcome.OK, entry.ret) if missing else (outcome, ret)
            yield Operation(entry.client, entry.op, entry.args[0], entry.args[1:], entry.call, ret, outcome, result)
