"""The decorator that declares a wrong driver or store of the objects' family."""

from collections.abc import Callable
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .reference import FileObjects, Objects, backend
from .stores import FileStore, Store, connector

__all__ = ["HOME", "declaring"]

T = TypeVar("T", bound=type)

HOME = f"{__package__}.catalogue"


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """A wrong store is put under a right driver, and ``store`` under a wrong one."""
    store = settings.pop("store", None)
    if issubclass(wrong, Store):
        driver: type[Objects] = FileObjects if issubclass(wrong, FileStore) else Objects
        return backend(name, driver, connector(wrong), **settings)
    if store is not None:
        settings["connect"] = connector(store)
    return backend(name, wrong, **settings)


def _rest(promise: str) -> str:
    return f"_{promise}" if promise.startswith("conditional.") else f".{promise}"


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; ``3`` is object_storage.3, ``conditional.3`` the other's."""
    declare = declaring_family(into, prefix="object_storage", make=_make, home=HOME)

    def mutant(promise: str, kind: str, trap: str = "", also: str = "", **settings: Any) -> Callable[[T], T]:
        return declare(_rest(promise), kind, trap, " ".join(map(_rest, also.split())), **settings)

    return mutant
