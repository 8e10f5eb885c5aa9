"""The decorator that declares a wrong driver or store of the queues' family."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .reference import FileQueue, Queue, backend
from .stores import FileStore, Store, connector

__all__ = ["HOME", "declaring"]

HOME = f"{__package__}.catalogue"


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """A wrong store is put under a right driver, and ``store`` under a wrong one."""
    store = settings.pop("store", None)
    if issubclass(wrong, Store):
        driver: type[Queue] = FileQueue if issubclass(wrong, FileStore) else Queue
        return backend(name, driver, connector(wrong), **settings)
    if store is not None:
        settings["connect"] = connector(store)
    return backend(name, wrong, **settings)


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``queue_``."""
    return declaring_family(into, prefix="queue_", make=_make, home=HOME)
