"""What the calls of a check were like: operation x argument class x fault x state, counted from the histories of its cases.

A check that passes has shown only what it tried. A `Cell` is one kind of call, such as ``set(value: empty), alone``; which cells
a suite is known to reach, and how many are the least, `floors` says.
"""

import asyncio
import typing
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from inspect import Parameter, signature
from typing import Any, NamedTuple

from prism_testkit.histories import History
from prism_testkit.interfaces import INTERFACES, interface_model
from prism_testkit.traits import NO_LIMIT, Limits

__all__ = ["Cell", "Reached", "class_of"]

_OUTCOME = "->"
"""The argument under which what a call came to is counted."""
_ORDINARY = ""
_RECOVERIES = frozenset({"kill", "crash", "restart"})
_SHORT = 64
_FEW = 10
_IN_FULL = 600
"""Calls of a check that are all counted; of the cases after them one in eight, which finds nearly all there is."""
_ONE_IN = 8


class Cell(NamedTuple):
    """One kind of call. ``fault`` is empty where nothing went wrong; ``state`` is what stood around the call:

    ``first``: nothing had been called before in its case. ``overlapping``: another call was under way. ``recovered``: after a
    kill, a crash or a restart. ``alone``: none of these.
    """

    interface: str
    operation: str
    argument: str
    value: str
    fault: str
    state: str

    def __str__(self) -> str:
        what = f"{self.operation} -> {self.value}" if self.argument == _OUTCOME else f"{self.operation}({self._given})"
        return ", ".join(part for part in (what, self.fault, self.state) if part)

    @property
    def _given(self) -> str:
        return f"{self.argument}: {self.value}" if self.argument else ""


_Names = tuple[tuple[str, ...], str]
"""The parameters that may be given by position, and the one that takes the rest."""


class Reached:
    """The cells that the cases of one check reach on one binding.

    ``interfaces``: by slot. ``kind``: the full name of the pattern that it judges, or empty.
    """

    def __init__(self, interfaces: Mapping[str, Sequence[str]], limits: Limits, kind: str = "") -> None:
        self.overlapped = False
        """Two calls of one case were under way at once, or one was cancelled under way."""
        self.must_overlap = False
        """Nothing is left out until two calls overlapped."""
        self._cases = 0
        self._calls = 0
        self._interfaces = interfaces
        self._limits = limits
        self._kind = kind
        self._seen: Counter[tuple[str, tuple[str, ...], tuple[tuple[str, str], ...], str, str]] = Counter()
        self._told: Counter[tuple[str, str, str]] = Counter()
        self._faults: Counter[tuple[str, str, str]] = Counter()

    def case(self, history: History) -> None:
        """Count the calls of a case that is over."""
        self._cases += 1
        if self._calls > _IN_FULL and self._cases % _ONE_IN and (self.overlapped or not self.must_overlap):
            return
        limits, told, count = self._limits, self._told, self._count
        begun: dict[int, list[Any]] = {}
        state = "first"
        for number, event in enumerate(history.events):
            if len(event) == 5:
                now = state
                if begun:
                    self.overlapped = True
                    if state != "recovered":
                        now = "overlapping"
                        for other in begun.values():
                            other[3] = now if other[3] != "recovered" else other[3]
                elif state == "first":
                    state = "alone"
                begun[number] = [event[1], event[2], event[3], now]
                continue
            operation, args, kwargs, now = begun.pop(event[0])
            error = event[2]
            fault = _ORDINARY
            if error is None:
                answer = class_of(event[1], limits)
            else:
                answer = f"raises {type(error).__name__}"
                if isinstance(error, asyncio.CancelledError):
                    fault, self.overlapped = "cancelled", True
            if operation in _RECOVERIES:
                state = "recovered"
            count(operation, args, kwargs, fault, now)
            told[operation, answer, now] += 1
        self._calls += len(history.events) // 2
        for operation, args, kwargs, now in begun.values():
            count(operation, args, kwargs, "never returned", now)

    def _count(self, operation: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], fault: str, state: str) -> None:
        limits = self._limits
        positional = tuple([class_of(value, limits) for value in args[: _FEW + 1]])  # a thousand deliveries are many
        named = tuple([(name, class_of(value, limits)) for name, value in kwargs.items()]) if kwargs else ()
        self._seen[operation, positional, named, fault, state] += 1

    def struck(self, faults: Iterable[tuple[int, str, str]]) -> None:
        """Count what befell the calls of a pattern: (incarnation, operation, fault)."""
        for actor, operation, what in faults:
            words = what.split()
            kept = " ".join(words[:1] if words[0] in ("delay", "cut") else words)
            self._faults[operation, kept, "recovered" if actor > 0 else "alone"] += 1

    def table(self) -> Counter[Cell]:
        """Return how often each cell was reached so far."""
        table: Counter[Cell] = Counter()
        for (operation, positional, named, fault, state), count in self._seen.items():
            interface, (names, rest) = self._known(operation)
            given = [*zip(names, positional, strict=False), *named]
            if rest:
                given.append((rest, _several(positional[len(names) :], self._limits)))
            elif len(positional) > len(names):
                given += [(f"argument {place + 1}", positional[place]) for place in range(len(names), len(positional))]
            for name, value in given or [("", "")]:
                table[Cell(interface, operation, name, value, fault, state)] += count
        for (operation, value, state), count in self._told.items():
            table[Cell(self._known(operation)[0], operation, _OUTCOME, value, _ORDINARY, state)] += count
        for (operation, fault, state), count in self._faults.items():
            table[Cell(self._known(operation)[0], operation, "", "", fault, state)] += count
        return table

    def told(self) -> dict[str, dict[str, int]]:
        """Return the table as plain data: by interface or pattern, cells in words."""
        told: dict[str, dict[str, int]] = {}
        for cell, count in self.table().items():
            told.setdefault(cell.interface, {})[str(cell)] = count
        return told

    def _known(self, operation: str) -> "tuple[str, _Names]":
        """Return whose operation it is, and the names of its parameters."""
        slot, dot, rest = operation.partition(".")
        if self._kind:
            inner = rest if dot and slot in self._interfaces else operation
            return self._kind, _operation(_models(tuple(self._interfaces.get(slot, ()))), inner)[1]
        interfaces = tuple(name for given in self._interfaces.values() for name in given)
        found, names = _operation(_models(interfaces), operation)
        # What the harness does (`advance`, `kill`) belongs to what it was done for.
        return found or (interfaces[-1] if interfaces else ""), names


@cache
def _models(interfaces: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(interface_model(name) for name in interfaces))


@cache
def _operation(models: tuple[str, ...], operation: str) -> "tuple[str, _Names]":
    """Return the interface whose method ``operation`` is (``transaction.get``: the method of what was entered), and its names."""
    first, *rest = operation.split(".")
    for name, protocol in INTERFACES.items():
        method = getattr(protocol, first, None) if interface_model(name) in models else None
        if callable(method) and first in getattr(protocol, "__abstractmethods__", ()):
            for inner in rest:
                method = _entered(method, inner)
            return name, _names(method) if callable(method) else ((), "")
    return "", ((), "")


def _entered(method: Callable[..., Any] | None, inner: str) -> Callable[..., Any] | None:
    if method is None:
        return None
    returned = typing.get_args(typing.get_type_hints(method).get("return"))
    return getattr(returned[0], inner, None) if returned else None


def _names(method: Callable[..., Any]) -> "_Names":
    parameters = [p for p in signature(method).parameters.values() if p.name != "self"]
    positional = tuple(p.name for p in parameters if p.kind is Parameter.POSITIONAL_OR_KEYWORD)
    return positional, next((p.name for p in parameters if p.kind is Parameter.VAR_POSITIONAL), "")


def class_of(value: object, limits: Limits) -> str:
    """Return the class of an argument or a result: sizes by where they stand to the limits, numbers by sign and order."""
    classify = _CLASSES.get(type(value))
    if classify is not None:
        return classify(value, limits)
    for known, classify in _CLASSES.items():  # subclasses
        if isinstance(value, known):
            return classify(value, limits)
    return type(value).__name__


def _bytes(value: Any, limits: Limits) -> str:
    return _sized(len(value), limits.max_payload)


def _text(value: Any, limits: Limits) -> str:
    length = len(value)
    if 4 * length >= limits.max_name:
        length = len(value.encode("utf-8", "surrogatepass"))
    size = _sized(length, limits.max_name)
    return size if value.isascii() else f"{size}, beyond ASCII"


def _sized(length: int, limit: int) -> str:
    if length == 0:
        return "empty"
    if limit != NO_LIMIT and length >= limit:
        return "at the limit" if length == limit else "over the limit"
    return "short" if length <= _SHORT else "long"


def _number(value: Any, limits: Limits) -> str:
    if value != value:
        return "nan"
    if value < 0:
        return "negative"
    if value in (0, 1):
        return str(int(value))
    if value <= _FEW:
        return "fraction" if value != int(value) else "few"
    return "many" if value < 2**31 else "beyond 32 bits"


def _several(value: Any, limits: Limits) -> str:
    count = len(value)
    return "none" if count == 0 else "one" if count == 1 else "few" if count <= _FEW else "many"


_CLASSES: dict[type, Callable[[Any, Limits], str]] = {
    bytes: _bytes,
    bytearray: _bytes,
    memoryview: lambda value, limits: _sized(value.nbytes, limits.max_payload),
    str: _text,
    bool: lambda value, limits: str(value),
    type(None): lambda value, limits: "None",
    int: _number,
    float: _number,
    dict: _several,
    list: _several,
    tuple: _several,
    set: _several,
    frozenset: _several,
}
