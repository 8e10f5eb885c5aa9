"""The decorator that declares a mutant of the topics as rows: of the driver, its subscriptions, its members or its rows."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .ninth_driver import Ear, Grip, RowPubSub
from .ninth_rows import Rows, rows_backend

__all__ = ["UNUSUAL", "declaring_ninth"]


def _with(slot: str, wrong: type) -> type:
    return new_class(wrong.__name__, (RowPubSub,), {}, lambda body: body.update({slot: wrong, "__module__": wrong.__module__}))


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in a right driver."""
    name = f"zoo-pubsub-ninth-{name}"
    if issubclass(wrong, Rows):
        return rows_backend(name, RowPubSub, wrong, **settings)
    if issubclass(wrong, Ear | Grip):
        wrong = _with("ear_type" if issubclass(wrong, Ear) else "grip_type", wrong)
    return rows_backend(name, wrong, **settings)


def declaring_ninth(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``pubsub_``."""
    return declaring_family(into, prefix="pubsub_", make=_make, home=HOME)


UNUSUAL: tuple[Backend[Any], ...] = (rows_backend("zoo-pubsub-ninth-rows", RowPubSub),)
"""Topics as rows of an ordered map, over a file of its changes."""
