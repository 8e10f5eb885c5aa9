"""What a mutant is, and the decorator that makes one of a wrong driver, transaction or store."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from types import new_class
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.pattern import Pattern

from .reference import FileKeyValue, KeyValue, Transaction, backend
from .stores import FileStore, Store, connector

__all__ = ["HOME", "Mutant", "declaring", "words"]

T = TypeVar("T", bound=type)

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a word of CamelCase begins: ``CutsNamesAt255`` is ``cuts_names_at_255``."""


def words(name: str) -> str:
    """Return a class's name in snake case."""
    return _WORDS.sub("_", name).lower()


HOME = f"{__package__}.catalogue"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One deliberately wrong backend or pattern.

    ``promise`` is the one that it breaks most directly, ``also`` are those that follow or are broken as well. ``kind`` is the
    class of mistake. ``trap`` says what data or situation exposes it, "" if any use does; ``kill`` in it: only after SIGKILL.
    """

    name: str
    promise: str
    also: tuple[str, ...] = ()
    kind: str
    trap: str = ""
    backends: tuple[Backend[Any], ...]
    """The wrong backend; or right ones, under a wrong pattern."""
    pattern: Pattern | None = None
    home: str = HOME
    """The module whose hook registers the backends."""


def declaring(into: list[Mutant]) -> Callable[..., Callable[[T], T]]:
    """Return a decorator that appends what it is put on to ``into``.

    Promises are given without ``keyvalue_`` and, in ``also``, separated by blanks. A wrong `KeyValue` is the driver itself; a
    wrong `Transaction` or `Store` is put into a right one, and ``store`` puts a store of its own under a driver.
    """

    def mutant(
        promise: str, kind: str, trap: str = "", also: str = "", store: type[Store] | None = None, **settings: Any
    ) -> Callable[[T], T]:
        def declare(wrong: T) -> T:
            name = words(wrong.__name__)
            driver = _driver(wrong)
            store_type = store or (wrong if issubclass(wrong, Store) else None)
            if store_type is not None:
                settings.setdefault("connect", connector(store_type))
            into.append(
                Mutant(
                    name=name,
                    promise=f"keyvalue_{promise}",
                    also=tuple(f"keyvalue_{other}" for other in also.split()),
                    kind=kind,
                    trap=trap,
                    backends=(backend(name.replace("_", "-"), driver, **settings),),
                )
            )
            return wrong

        return declare

    return mutant


def _driver(wrong: type) -> type[KeyValue]:
    if issubclass(wrong, KeyValue):
        return wrong
    if issubclass(wrong, FileStore):
        return FileKeyValue
    if not issubclass(wrong, Transaction):
        return KeyValue

    def fill(body: dict[str, Any]) -> None:
        body["transaction_type"] = wrong
        body["__module__"] = wrong.__module__
        body["__doc__"] = wrong.__doc__

    return new_class(wrong.__name__, (KeyValue,), {}, fill)
