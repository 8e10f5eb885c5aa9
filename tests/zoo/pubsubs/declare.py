"""The decorator that declares a wrong driver, listener, member or store of the pub/sub family."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .reference import FilePubSub, Listener, Member, PubSub, backend
from .reference_newer import FilteredListener, NewerPubSub, OrderedMember, PatternListener
from .stores import FileStore, Store, connector

__all__ = ["HOME", "declaring", "driver_of"]

HOME = f"{__package__}.catalogue"


_SLOTS = {
    PatternListener: "pattern_type",
    FilteredListener: "filtered_type",
    Listener: "listener_type",
    Member: "member_type",
}
"""Where a driver keeps the class of each part; what is derived comes before what it is derived from."""
_NEWER = PatternListener | FilteredListener | OrderedMember


def driver_of(part: type, base: type[PubSub] = PubSub) -> type[PubSub]:
    """Return a driver with this class of listeners or members; one of all interfaces, for those of the newer ones."""

    def fill(body: dict[str, Any]) -> None:
        body[next(slot for kind, slot in _SLOTS.items() if issubclass(part, kind))] = part
        body["__module__"] = part.__module__
        body["__doc__"] = part.__doc__

    return new_class(part.__name__, (NewerPubSub if issubclass(part, _NEWER) else base,), {}, fill)


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """A wrong store is put under a right driver, ``store`` under a wrong one; wrong parts are put into a right driver."""
    store = settings.pop("store", None)
    if issubclass(wrong, Store):
        driver: type[PubSub] = FilePubSub if issubclass(wrong, FileStore) else PubSub
        return backend(name, driver, connector(wrong), **settings)
    if store is not None:
        settings["connect"] = connector(store)
    if issubclass(wrong, Listener | Member):
        wrong = driver_of(wrong)
    return backend(name, wrong, **settings)


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``pubsub_``."""
    return declaring_family(into, prefix="pubsub_", make=_make, home=HOME)
