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
import re
import sys
import typing
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.interfaces import INTERFACES
from prism_testkit.pattern import Kind, kind_of
from prism_testkit.promises import promise_text
from prism_testkit.slots import Slot, SlotError, resolved, slot_of
from prism_testkit.traits import Limits

__all__ = ["Check", "CheckError", "Level", "Slot", "check", "explored", "gauntlet"]

_THE_SAME = re.compile(r"The same(?:[,.]| (?:with|of|if|after|while|where|for)\b)")
_REFERENCES = re.compile(r" \([A-Z]+-?\d+(?:(?:,| and) [A-Z]+-?\d+)*\)(?=\.?$)")
"""Where a check names the cases of its data by numbers, which a reader of its sentence does not know."""

Level = Literal["smoke", "standard", "thorough", "soak"]
Arguments = Mapping[str, Any]
Gauntlet = Callable[[Limits], Iterable[Arguments]]


class CheckError(SlotError):
    """A check is written wrongly; the message names it and what was expected."""


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
    pattern: Kind | None = None
    """The kind whose implementations it judges; then its slots are theirs, and it has none of its own."""
    pattern_parameter: str = ""
    explored: bool = False
    """It takes a plan of faults, which the engine lists by watching a run without any."""
    __test__ = False  # pytest looks at whatever a module holds

    @property
    def doc(self) -> str:
        """The first line of the docstring: what must hold."""
        return inspect.cleandoc(self.function.__doc__ or "").partition("\n\n")[0].replace("\n", " ")

    @property
    def says(self) -> str:
        """`doc` without references, behind that of the check before it in the module if it says that it holds the same."""
        said = _REFERENCES.sub("", self.doc)
        if not _THE_SAME.match(said):
            return said
        module = sys.modules.get(self.function.__module__)
        above: Check | None = None
        for thing in vars(module).values() if module is not None else ():
            if thing is self:
                break
            if isinstance(thing, Check) and thing.function.__module__ == self.function.__module__:
                above = thing
        return f"{above.says} {said}" if above is not None else said


def gauntlet(cases: Gauntlet) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Run the check on every case of a fixed list as well, before anything is generated. ``cases(limits)`` gives arguments."""

    def mark(function: Callable[..., Any]) -> Callable[..., Any]:
        function.__prism_gauntlet__ = cases  # type: ignore[attr-defined]
        return function

    return mark


FAULTS = "faults"
"""The parameter by which an explored check is given its plan of faults."""
PLAN = "plan"
"""The parameter by which an explored check may ask for a plan of a schedule beside it: `Case.schedule` carries it out."""


def explored(function: Callable[..., Any]) -> Callable[..., Any]:
    """Run the check once without faults, then with an error, and with a crash, before and after each call that this run made.

    The check takes ``faults``, a plan as plain data (``tuple[prism.Fault, ...]``), which is in force already: it befalls whatever
    the check opens, until `Bound.heal`. Crashes inside recovery and pairs of faults follow; `exploring` says how many of each at
    which level. A check whose calls overlap takes ``plan`` too and hands it to `Case.schedule`: no deviation while faults are
    listed, one at random beside each pair.
    """
    function.__prism_explored__ = True  # type: ignore[attr-defined]
    return function


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
        found = _parameters(where, function)
        for promise in promises:
            if found.kind is not None and promise.rstrip("0123456789") == found.kind.promises and not promise_text(promise):
                raise CheckError(f"{where}: {found.kind.protocol.__name__} has no promise {promise} in its docstring")
        is_explored = bool(getattr(function, "__prism_explored__", False))
        left = [name for name in found.data if not (is_explored and name in (FAULTS, PLAN))]
        if is_explored and (FAULTS not in found.data or listed is not None):
            raise CheckError(f"{where}: expected an explored check to take {FAULTS!r} and to have no gauntlet")
        if given is not None and set(given) != set(left):
            raise CheckError(f"{where}: @given draws {sorted(given)}, the parameters left for data are {sorted(left)}")
        if left and given is None and listed is None:
            raise CheckError(f"{where}: nothing gives a value to {sorted(left)}: add @given or @gauntlet, or annotate a slot")
        return Check(
            name=function.__name__,
            function=function,
            promises=promises,
            level=level,
            since=since,
            slots=found.slots,
            case_parameter=found.case,
            data=found.data,
            given=given,
            gauntlet=listed,
            needs_server=needs_server,
            pattern=found.kind,
            pattern_parameter=found.pattern,
            explored=is_explored,
        )

    return make


def _validate(where: str, function: Callable[..., Any], promises: tuple[str, ...]) -> None:
    if not inspect.iscoroutinefunction(function):
        raise CheckError(f"{where}: expected async def, found {'def' if callable(function) else type(function).__name__}")
    if not promises:
        raise CheckError(f'{where}: expected the promises it judges, as in @check("keyvalue_ttl.3"), found none')
    for promise in promises:
        owner, _, number = promise.rpartition(".")
        if not (owner and number.isdigit()) and not re.fullmatch(r"[A-Z]+[0-9]+", promise):
            raise CheckError(f"{where}: expected a promise id such as keyvalue_ttl.3 or CC3, found {promise!r}")
        if owner in INTERFACES and not promise_text(promise):
            raise CheckError(f"{where}: {owner} has no promise {number}")


@dataclass
class _Parameters:
    slots: tuple[Slot, ...] = ()
    case: str = ""
    data: tuple[str, ...] = ()
    pattern: str = ""
    kind: Kind | None = None


def _parameters(where: str, function: Callable[..., Any]) -> _Parameters:
    try:
        hints = resolved(where, function)
    except SlotError as error:
        raise CheckError(str(error)) from error.__cause__
    found = _Parameters()
    for name in inspect.signature(function).parameters:
        hint = hints.get(name)
        try:
            slot = slot_of(name, hint)
        except SlotError as error:
            raise CheckError(f"{where}: {error}") from error
        if hint is Case:
            found.case = name
        elif typing.get_origin(hint) is Bound:
            (protocol,) = typing.get_args(hint)
            found.pattern, found.kind = name, kind_of(protocol)
            if found.kind is None:
                raise CheckError(f"{where}: {protocol.__name__} is no kind of pattern: declare it with @prism.kind")
        elif slot is not None:
            found.slots += (slot,)
        else:
            found.data += (name,)
    if not found.slots and found.kind is None:
        raise CheckError(f"{where}: expected a parameter annotated with an interface, found {sorted(hints) or 'none'}")
    if found.slots and found.kind is not None:
        raise CheckError(f"{where}: a check of a pattern has the pattern's slots, and none of its own")
    return found
