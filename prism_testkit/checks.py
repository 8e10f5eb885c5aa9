"""What a suite author types: ``@check(promises)`` over an async function whose annotated parameters are slots.

    @check("keyvalue_ttl.3")
    @gauntlet(lambda limits: [{"key": "a", "value": b""}])
    @given(key=prism.names(), value=prism.payloads())
    async def plain_set_clears_ttl(kv: KeyValueTtl, key: str, value: bytes) -> None: ...

A slot's annotation is an interface, a Protocol that inherits several, ``a | b`` for alternatives, or
``Annotated[..., Traits(...)]`` for what the backend must claim besides. One more parameter may be a `Case`. The rest is data:
drawn by Hypothesis, listed by `gauntlet`, or both.
"""

import inspect
import types
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prism_testkit.case import Case
from prism_testkit.interfaces import INTERFACES
from prism_testkit.promises import promise_text
from prism_testkit.signatures import claimed
from prism_testkit.traits import Limits, Traits

__all__ = ["Check", "CheckError", "Level", "Slot", "check", "gauntlet"]

Level = Literal["smoke", "standard", "thorough", "soak"]
Arguments = Mapping[str, Any]
Gauntlet = Callable[[Limits], Iterable[Arguments]]


class CheckError(TypeError):
    """A check is written wrongly; the message names it and what was expected."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter to be filled by a driver."""

    name: str
    protocol: Any
    alternatives: tuple[frozenset[str], ...]
    """For each alternative, the ids of the interfaces that one driver must offer together."""
    needs: Traits

    @property
    def interfaces(self) -> tuple[str, ...]:
        """Every interface that some alternative names, in the order of the catalogue."""
        return tuple(name for name in INTERFACES if any(name in alternative for alternative in self.alternatives))


@dataclass(frozen=True)
class Check:
    """One check: what it judges, what it needs, where its data comes from."""

    name: str
    function: Callable[..., Awaitable[None]]
    promises: tuple[str, ...]
    level: Level
    since: str
    slots: tuple[Slot, ...]
    case_parameter: str
    data: tuple[str, ...]
    given: Mapping[str, Any] | None
    gauntlet: Gauntlet | None
    needs_server: bool = False
    __test__ = False  # pytest looks at whatever a module holds

    @property
    def doc(self) -> str:
        """The first line of the docstring: what must hold."""
        return inspect.cleandoc(self.function.__doc__ or "").partition("\n\n")[0].replace("\n", " ")


def gauntlet(cases: Gauntlet) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run the check on every case of a fixed list as well, before anything is generated. ``cases(limits)`` gives arguments."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__prism_gauntlet__ = cases  # type: ignore[attr-defined]
        return function

    return mark


def check(
    *promises: str, level: Level = "smoke", since: str = "0.1", needs_server: bool = False
) -> Callable[[Callable[..., Any]], Check]:
    """Make a check of an async function; ``promises`` are those that it can break, the first one being named by default.

    ``level`` is the lowest at which it runs. ``needs_server``: it is bound only to backends that have a server, which it may
    kill. Raises `CheckError` for what cannot be a check.
    """

    def make(decorated: Callable[..., Any]) -> Check:
        handle = getattr(decorated, "hypothesis", None)
        function = handle.inner_test if handle is not None else decorated
        # Private, in this one place: the strategies that @given was called with. `inner_test` is public.
        given = dict(handle._given_kwargs) if handle is not None else None
        listed = getattr(decorated, "__prism_gauntlet__", None) or getattr(function, "__prism_gauntlet__", None)
        where = f"check {function.__module__}.{function.__qualname__}"
        _validate(where, function, promises)
        slots, case_parameter, data = _parameters(where, function)
        if given is not None and set(given) != set(data):
            raise CheckError(f"{where}: @given draws {sorted(given)}, the parameters left for data are {sorted(data)}")
        if data and given is None and listed is None:
            raise CheckError(f"{where}: nothing gives a value to {sorted(data)}: add @given or @gauntlet, or annotate a slot")
        return Check(function.__name__, function, promises, level, since, slots, case_parameter, data, given, listed, needs_server)

    return make


def _validate(where: str, function: Callable[..., Any], promises: tuple[str, ...]) -> None:
    if not inspect.iscoroutinefunction(function):
        raise CheckError(f"{where}: expected async def, found {'def' if callable(function) else type(function).__name__}")
    if not promises:
        raise CheckError(f'{where}: expected the promises it judges, as in @check("keyvalue_ttl.3"), found none')
    for promise in promises:
        owner, _, number = promise.rpartition(".")
        if not owner or not number.isdigit():
            raise CheckError(f"{where}: expected a promise id such as keyvalue_ttl.3, found {promise!r}")
        if owner in INTERFACES and not promise_text(promise):
            raise CheckError(f"{where}: {owner} has no promise {number}")


def _parameters(where: str, function: Callable[..., Any]) -> tuple[tuple[Slot, ...], str, tuple[str, ...]]:
    try:
        hints = typing.get_type_hints(function, include_extras=True)
    except NameError as error:
        raise CheckError(
            f"{where}: an annotation cannot be resolved ({error}); import it at run time, not only under TYPE_CHECKING"
        ) from error
    slots: list[Slot] = []
    data: list[str] = []
    case_parameter = ""
    for name in inspect.signature(function).parameters:
        hint = hints.get(name)
        slot = slot_of(name, hint)
        if hint is Case:
            case_parameter = name
        elif slot is not None:
            slots.append(slot)
        else:
            data.append(name)
    if not slots:
        raise CheckError(f"{where}: expected a parameter annotated with an interface, found {sorted(hints) or 'none'}")
    return tuple(slots), case_parameter, tuple(data)


def slot_of(name: str, hint: Any) -> Slot | None:
    """Read a slot off an annotation; None if it names no interface."""
    needs = Traits()
    if typing.get_origin(hint) is typing.Annotated:
        hint, *extras = typing.get_args(hint)
        needs = next((extra for extra in extras if isinstance(extra, Traits)), needs)
    options = typing.get_args(hint) if typing.get_origin(hint) in (typing.Union, types.UnionType) else (hint,)
    alternatives = tuple(frozenset(claimed(option)) for option in options if isinstance(option, type))
    if not alternatives or not all(alternatives):
        return None
    return Slot(name, hint, alternatives, needs)
