"""What is likely the cause of a failure, where something beside the verdict tells: a value of a type that no caller expects."""

import inspect
import traceback
import types
import typing
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from prism_testkit import asides
from prism_testkit.histories import Entry
from prism_testkit.interfaces import INTERFACES
from prism_testkit.interfaces.errors import PrismError
from prism_testkit.signatures import methods_of

__all__ = ["hint_of"]


def hint_of(error: BaseException, entries: Sequence[Entry], interfaces: Sequence[str], check: str = "") -> str:
    """Return a sentence, or the empty string. ``check``: the file of the check, whose own mistakes are told as such."""
    if isinstance(error.__cause__, SystemExit | GeneratorExit):
        return f"{type(error.__cause__).__name__} is no answer to a caller: let no call of a driver raise it"
    for entry in entries:
        if entry.returned and entry.error is None:
            told = _of_result(entry, interfaces)
            if told:
                return told
    if any(entry.error is error for entry in entries):
        return _of_error(error)
    # What is done to several copies of one place is told as one story.
    if not check.endswith("_moments.py") and (told := _of_ids(entries)):
        return told
    return _of_check(error, check) if check and not isinstance(error, AssertionError | PrismError) else ""


def _of_check(error: BaseException, check: str) -> str:
    frames = [frame for frame in traceback.walk_tb(error.__traceback__) if frame[0].f_code.co_filename != asides.__file__]
    if not frames or frames[-1][0].f_code.co_filename != check:
        return ""
    return "a line of the check itself raised it, and no call: it met an answer that it cannot read, or is wrong itself"


def _of_result(entry: Entry, interfaces: Sequence[str]) -> str:
    if inspect.isawaitable(entry.result):
        return f"{entry.op} returned {_a(entry.result)} that nobody awaited: an `await` is missing in it"
    kinds, each = next((_returned(name)[entry.op] for name in interfaces if entry.op in _returned(name)), ((object,), False))
    for value in entry.result if each and isinstance(entry.result, list) else (entry.result,):
        if not isinstance(value, kinds) or (isinstance(value, bool) and not {bool, object} & {*kinds}):
            gave = "gave" if each else "returned"
            return f"{entry.op} {gave} {_a(value)}; the contract says {' or '.join(_name(kind) for kind in kinds)}"
    return ""


def _of_ids(entries: Sequence[Entry]) -> str:
    """Tell of an id that two messages were given: whatever looks a message up by it is wrong from there on."""
    given: dict[tuple[int, Any, bool, str], Entry] = {}
    for entry in entries:
        if entry.op not in _SENT or not isinstance(entry.result, str):
            continue
        to = entry.args[0] if entry.args else next(iter(entry.kwargs.values()), None)
        first = given.setdefault((entry.space, to, entry.op == "publish", entry.result), entry)
        if first is not entry:
            ops = first.op if first.op == entry.op else f"{first.op} and {entry.op}"
            return f"{ops} gave two messages of {to!r} the same id, {entry.result!r}; an id is unique there, whoever sends"
    return ""


_SENT = frozenset({"enqueue", "enqueue_with_priority", "enqueue_delayed", "publish", "publish_persistent", "publish_ordered"})
"""What returns the id of the message that it sends, which is unique in its queue or topic."""


def _of_error(error: BaseException) -> str:
    if isinstance(error, PrismError | AssertionError | NotImplementedError) or type(error).__module__ == "builtins":
        if isinstance(error, ConnectionError):
            return "where the store cannot be reached a driver raises BackendUnavailable, `from` this one"
        return ""
    name = f"{type(error).__module__}.{type(error).__qualname__}"
    return f"{name} is nobody's but the driver's: it raises one of prism_testkit.interfaces.errors, `from` this one"


def _a(value: object) -> str:
    name = _name(type(value))
    return name if value is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _name(kind: type) -> str:
    return "None" if kind is type(None) else kind.__name__


@cache
def _returned(interface: str) -> dict[str, tuple[tuple[type, ...], bool]]:
    """Return {operation: (the classes of what it returns, whether it gives many)}, where annotations say it plainly."""
    protocol = INTERFACES.get(interface)
    return dict(_plainly(protocol, "")) if protocol is not None else {}


def _plainly(protocol: type, prefix: str) -> Iterator[tuple[str, tuple[tuple[type, ...], bool]]]:
    for name, kind in methods_of(protocol).items():
        if kind == "property":
            continue
        returned = typing.get_type_hints(getattr(protocol, name)).get("return")
        if kind == "context":
            inner = (*typing.get_args(returned), None)[0]
            if isinstance(inner, type):
                yield from _plainly(inner, f"{prefix}{name}.")
            continue
        many = kind == "iterator"
        kinds = _classes(typing.get_args(returned)[0] if many else returned)
        if kinds:
            yield f"{prefix}{name}", (kinds, many)


def _classes(annotation: Any) -> tuple[type, ...]:
    """Return the classes that an annotation allows; none where it is not as simple as that."""
    if annotation is None:
        return (type(None),)
    if isinstance(annotation, types.UnionType) or typing.get_origin(annotation) is typing.Union:
        parts = [_classes(part) for part in typing.get_args(annotation)]
        return tuple(kind for part in parts for kind in part) if all(parts) else ()
    origin = typing.get_origin(annotation) or annotation
    if origin is float:
        return (float, int)
    return (origin,) if isinstance(origin, type) and not getattr(origin, "_is_protocol", False) else ()
