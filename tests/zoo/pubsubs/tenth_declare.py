"""The decorator that declares a mutant of the topics as tables: of the driver, its ears, its holders or its office."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .tenth_driver import Ear, Holder, OfficePubSub
from .tenth_office import FileOffice, Office, office_backend

__all__ = ["declaring_tenth"]


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in a right driver; ``kept`` puts it over a file."""
    name = f"zoo-pubsub-tenth-{name}"
    kind = FileOffice if settings.pop("kept", False) else Office
    if issubclass(wrong, Office):
        return office_backend(name, OfficePubSub, wrong, **settings)
    if issubclass(wrong, Ear | Holder):
        body = {"ear_type" if issubclass(wrong, Ear) else "holder_type": wrong, "__module__": wrong.__module__}
        wrong = new_class(wrong.__name__, (OfficePubSub,), {}, lambda names: names.update(body))
    return office_backend(name, wrong, kind, **settings)


def declaring_tenth(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``pubsub_``."""
    return declaring_family(into, prefix="pubsub_", make=_make, home=HOME)
