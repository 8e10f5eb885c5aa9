"""The decorator that declares a wrong driver, member or store of the streams' family."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from . import newer
from .reference import FileStreams, Member, Streams, backend
from .stores import FileStore, Store, connector

__all__ = ["HOME", "declaring", "declaring_newer"]

HOME = f"{__package__}.catalogue"


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """A wrong member or store is put into a right driver, and ``store`` under a wrong one."""
    store = settings.pop("store", None)
    if issubclass(wrong, Member):
        wrong = _driver(wrong)
    if issubclass(wrong, Store):
        driver: type[Streams] = FileStreams if issubclass(wrong, FileStore) else Streams
        return backend(name, driver, connector(wrong), **settings)
    if store is not None:
        settings["connect"] = connector(store)
    return backend(name, wrong, **settings)


def _driver(wrong: type[Member]) -> type[Streams]:
    def fill(body: dict[str, Any]) -> None:
        body["member_type"] = wrong
        body["__module__"] = wrong.__module__
        body["__doc__"] = wrong.__doc__

    return new_class(wrong.__name__, (Streams,), {}, fill)


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``stream_``."""
    return declaring_family(into, prefix="stream_", make=_make, home=HOME)


def _make_newer(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """The same for drivers of the newer interfaces; a `LaneMember` is the whole member, another one that of each partition."""
    store = settings.pop("store", None)
    if issubclass(wrong, Member):
        wrong = _with_member(wrong)
    if issubclass(wrong, Store):
        store, wrong = wrong, newer.FileNewerStreams if issubclass(wrong, FileStore) else newer.NewerStreams
    if store is not None:
        settings["connect"] = connector(store)
    return newer.backend(name, wrong, **settings)


def _with_member(wrong: type[Member]) -> type[Streams]:
    def fill(body: dict[str, Any]) -> None:
        body["member_type" if issubclass(wrong, newer.LaneMember) else "part_type"] = wrong
        body["__module__"] = wrong.__module__
        body["__doc__"] = wrong.__doc__

    return new_class(wrong.__name__, (newer.NewerStreams,), {}, fill)


def declaring_newer(into: list[Mutant]) -> Declare:
    """Return a decorator as `declaring` does, for drivers of the newer interfaces."""
    return declaring_family(into, prefix="stream_", make=_make_newer, home=HOME)
