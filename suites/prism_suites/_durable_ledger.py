"""What a store must hold after steps that were acknowledged: computed from the steps alone."""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from prism_testkit.killing import Step

__all__ = ["Held", "Instants", "Ledger", "keys_of"]

Instants = tuple[int, int]
"""Between which two instants something happened: nanoseconds of the place's clock."""


@dataclass(frozen=True, slots=True)
class Held:
    """A value, between which instants it ends, and which call wrote it."""

    value: bytes
    deadline: Instants | None
    by: str


@dataclass
class Ledger:
    """Of each key what it holds, or which call removed it. ``unsure``: it may have expired when the next call came."""

    held: dict[str, Held] = field(default_factory=dict)
    gone: dict[str, str] = field(default_factory=dict)
    unsure: set[str] = field(default_factory=set)

    def after(self, step: Step, when: Instants) -> "Ledger":
        """Return what it would be after one more step."""
        then = Ledger(dict(self.held), dict(self.gone), copy.copy(self.unsure))
        then.apply(step, when)
        return then

    def apply(self, step: Step, when: Instants) -> None:
        """Carry a step out."""
        method, arguments = step
        if method == "transaction":
            for inner, values in arguments:
                self._write(method, inner, values, when)
        elif method == "batch_set":
            for key, value in arguments[0].items():
                self._write(method, "set", (key, value), when)
        elif method == "batch_delete":
            for key in arguments[0]:
                self._write(method, "delete", (key,), when)
        else:
            self._write(method, method, arguments, when)

    def _write(self, by: str, method: str, arguments: tuple[Any, ...], when: Instants) -> None:
        key = arguments[0]
        before = self.held.get(key)
        if before is not None and before.deadline is not None and when[1] >= before.deadline[0] and method[:3] != "set":
            self.unsure.add(key)
        match method:
            case "set":
                self._put(key, arguments[1], None, by)
            case "set_with_ttl":
                self._put(key, arguments[1], _later(when, arguments[2]), by)
            case "delete":
                self._drop(key, by)
            case "expire" if before is not None and arguments[1] <= 0:
                self._drop(key, by)
            case "expire" if before is not None:
                self.held[key] = Held(before.value, _later(when, arguments[1]), by)
            case "persist" if before is not None:
                self.held[key] = Held(before.value, None, by)
            case "compare_and_swap" if (before.value if before is not None else None) == arguments[1]:
                self._put(key, arguments[2], None, by)
            case "compare_and_delete" if before is not None and before.value == arguments[1]:
                self._drop(key, by)

    def _put(self, key: str, value: bytes, deadline: Instants | None, by: str) -> None:
        self.held[key] = Held(value, deadline, by)
        self.gone.pop(key, None)
        self.unsure.discard(key)

    def _drop(self, key: str, by: str) -> None:
        if self.held.pop(key, None) is not None:
            self.gone[key] = by


def keys_of(steps: Iterable[Step]) -> dict[str, None]:
    """Return every key that some step names, in order."""
    found: dict[str, None] = {}
    for method, arguments in steps:
        if method == "transaction":
            found.update(dict.fromkeys(values[0] for _, values in arguments))
        elif method[:6] == "batch_":
            items: Mapping[str, bytes] | Iterable[str] = arguments[0]
            found.update(dict.fromkeys(items))
        else:
            found[arguments[0]] = None
    return found


def _later(when: Instants, ttl_s: float) -> Instants:
    length = round(ttl_s * 1e9)
    return when[0] + length, when[1] + length
