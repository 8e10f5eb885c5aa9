"""Slots: parameters to be filled by drivers, read off annotations of a check or of a pattern's ``__init__``."""

import inspect
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from prism_testkit.clock import Clock
from prism_testkit.interfaces import BESIDE, INTERFACES
from prism_testkit.signatures import claimed
from prism_testkit.traits import Traits

__all__ = ["Needs", "Slot", "SlotError", "needs_of", "resolved", "slot_of"]


class SlotError(TypeError):
    """An annotation cannot be read; the message names where, and what was expected."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter to be filled by a driver."""

    name: str
    protocol: Any
    alternatives: tuple[frozenset[str], ...]
    """For each alternative, the ids of the interfaces that one driver must offer together."""
    needs: Traits
    optional: bool = False

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Every interface that some alternative names, in the order of the catalogue."""
        return tuple(name for name in INTERFACES if any(name in alternative for alternative in self.alternatives))


@dataclass(frozen=True, slots=True)
class Needs:
    """What an implementation of a pattern is made from: its slots, its configuration, and whether it takes a clock."""

    slots: tuple[Slot, ...]
    config: type | None
    takes_clock: bool


def slot_of(name: str, hint: Any) -> Slot | None:
    """Read a slot off an annotation; None if it names no interface. Raises `SlotError` for one that no data model goes with."""
    needs = Traits()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
        needs = next((extra for extra in extras if isinstance(extra, Traits)), needs)
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    given = [option for option in options if option is not type(None)]
    alternatives = tuple(frozenset(claimed(option)) for option in given if isinstance(option, type))
    if not alternatives or not all(alternatives):
        return None
    for beside in (alternative for alternative in alternatives if alternative <= BESIDE.keys()):
        only = ", ".join(INTERFACES[identifier].__name__ for identifier in sorted(beside))
        raise SlotError(
            f"{name}: {only} is claimed beside a data model, and so it is asked for: expected a Protocol that inherits both, as in "
            f"`class LivingQueue(QueueBasic, {only}, Protocol)`, found {only} alone"
        )
    return Slot(name, hint, alternatives, needs, optional=len(given) < len(options))


def resolved(where: str, function: Callable[..., Any]) -> dict[str, Any]:
    """Return the type hints of a function; raise `SlotError` if one cannot be resolved."""
    try:
        return typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise SlotError(
            f"{where}: an annotation cannot be resolved ({error}); import it at run time, not only under TYPE_CHECKING, "
            "and use no local class"
        ) from error


@cache
def needs_of(implementation: type) -> Needs:
    """Read what ``implementation.__init__`` takes; raise `SlotError` for a parameter that nobody could fill."""
    where = f"{implementation.__module__}.{implementation.__qualname__}.__init__"
    hints = resolved(where, implementation.__init__)  # type: ignore[misc]
    slots: list[Slot] = []
    config: type | None = None
    takes_clock = False
    for name, parameter in list(inspect.signature(implementation.__init__).parameters.items())[1:]:  # type: ignore[misc]
        hint = hints.get(name)
        try:
            slot = slot_of(name, hint)
        except SlotError as error:
            raise SlotError(f"{where}: {error}") from error
        if slot is not None:
            slots.append(slot)
        elif hint is Clock:
            takes_clock = True
        elif name == "config" and isinstance(hint, type):
            config = hint
        elif parameter.default is inspect.Parameter.empty and parameter.kind not in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            raise SlotError(
                f"{where}: {name}: expected a slot annotated with interfaces, `config` annotated with a class, or a Clock, "
                f"found {getattr(hint, '__name__', hint)!r}"
            )
    if not slots:
        raise SlotError(f"{where}: expected at least one parameter annotated with an interface, found {sorted(hints) or 'none'}")
    return Needs(tuple(slots), config, takes_clock)
