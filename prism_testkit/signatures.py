"""Does a driver class say the same as the Protocols it claims? Compared by kind, names, order and defaults, never by types."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, get_type_hints

from prism_testkit.interfaces import INTERFACES

__all__ = ["claimed", "methods_of", "mismatches", "promised", "unclaimed"]

Kind = Literal["coroutine", "iterator", "context", "property"]
Shape = list[tuple[str, inspect._ParameterKind, Any]]

_EXPECTED: dict[Kind, str] = {
    "coroutine": "async def",
    "iterator": "an async generator (async def with yield), or a def that returns an async iterator",
    "context": "an @asynccontextmanager, or a def that returns an async context manager",
    "property": "a property",
}


def claimed(driver: type) -> list[str]:
    """Return the ids of the interfaces that ``driver`` inherits, in the order of the catalogue. Nominal: names do not count."""
    return [name for name, protocol in INTERFACES.items() if protocol in driver.__mro__]


@cache
def methods_of(protocol: type) -> Mapping[str, Kind]:
    """Return {name: kind} of the methods a Protocol asks for, inherited ones included."""
    names: frozenset[str] = getattr(protocol, "__abstractmethods__", frozenset())
    return MappingProxyType({name: _expected_kind(getattr(protocol, name)) for name in sorted(names)})


def _expected_kind(method: Callable[..., Any]) -> Kind:
    if isinstance(method, property):
        return "property"
    if inspect.iscoroutinefunction(method):
        return "coroutine"
    returned = str(get_type_hints(method).get("return", ""))
    return "context" if "ContextManager" in returned else "iterator"


def promised(driver: type, method: str) -> Callable[..., Any]:
    """Return a method as the Protocol has it that a driver class inherits; its own, if none has it."""
    protocols = (protocol for protocol in INTERFACES.values() if protocol in driver.__mro__ and hasattr(protocol, method))
    found: Callable[..., Any] = getattr(next(protocols, driver), method)
    return found


def mismatches(driver: type, protocol: type) -> Iterator[str]:
    """Yield a sentence (where, expected, found) for each method of ``protocol`` that ``driver`` lacks or spells otherwise."""
    for name, kind in methods_of(protocol).items():
        where = f"{driver.__module__}.{driver.__qualname__}.{name}"
        wanted = getattr(protocol, name)
        found = inspect.getattr_static(driver, name, None)
        if found is None or getattr(found, "__isabstractmethod__", False):
            yield f"{where}: {protocol.__name__} is claimed, expected `{_spell(name, wanted, kind)}`, found nothing"
            continue
        function = found.__func__ if isinstance(found, staticmethod | classmethod) else found
        if not callable(function) or isinstance(found, staticmethod | classmethod):
            yield f"{where}: expected a method `{_spell(name, wanted, kind)}`, found {type(found).__name__}"
            continue
        found_kind = _found_kind(function)
        if not _fits(kind, found_kind):
            yield f"{where}: expected {_EXPECTED[kind]}, found {found_kind}"
        if not _takes(_shape(wanted), _shape(function)):
            yield f"{where}: expected `{_spell(name, wanted, kind)}`, found `{name}{_bare(function)}`"


def unclaimed(driver: type) -> Iterator[str]:
    """Yield the ids of interfaces of which ``driver`` has every method without inheriting the Protocol."""
    have = set(claimed(driver))
    for name, protocol in INTERFACES.items():
        if name not in have and all(callable(getattr(driver, method, None)) for method in methods_of(protocol)):
            yield name


def _found_kind(function: Callable[..., Any]) -> str:
    inner = inspect.unwrap(function)
    # asynccontextmanager wraps an async generator function and is itself a plain function.
    if inner is not function and inspect.isasyncgenfunction(inner):
        return "an @asynccontextmanager" if not inspect.isasyncgenfunction(function) else "an async generator"
    if inspect.isasyncgenfunction(inner):
        return "an async generator"
    if inspect.iscoroutinefunction(inner):
        return "async def"
    return "a generator (def with yield)" if inspect.isgeneratorfunction(inner) else "def"


def _fits(kind: Kind, found: str) -> bool:
    allowed = {
        "coroutine": {"async def"},
        "iterator": {"an async generator", "an @asynccontextmanager", "def"},  # a wrapped generator looks like the latter
        "context": {"an @asynccontextmanager", "def"},
    }
    return found in allowed[kind]


def _shape(function: Callable[..., Any]) -> Shape:
    parameters = list(inspect.signature(function).parameters.values())[1:]
    return [(parameter.name, parameter.kind, parameter.default) for parameter in parameters]


def _takes(wanted: Shape, found: Shape) -> bool:
    """Say whether one is as wanted, or passes on what it does not name itself (``*args, **kwargs``), as a wrapper does."""
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    named = [parameter for parameter in found if parameter[1] not in variadic]
    passes_on = len(found) - len(named) == len(variadic)
    return wanted == found or (passes_on and wanted[: len(named)] == named)


def _bare(function: Callable[..., Any]) -> str:
    signature = inspect.signature(function)
    plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=plain, return_annotation=inspect.Signature.empty))


def _spell(name: str, wanted: Callable[..., Any], kind: Kind) -> str:
    return f"{'async def' if kind == 'coroutine' else 'def'} {name}{_bare(wanted)}"
