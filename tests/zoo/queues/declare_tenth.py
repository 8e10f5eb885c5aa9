"""The decorator that declares a wrong one of the tenth round's queues: a driver, or the rack below a right one."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .tenth_queue import LazyRackQueue, RackQueue, clean
from .tenth_rack import Rack, connector

__all__ = ["RIGHT", "declaring", "tenth"]

HOME = f"{__package__}.catalogue"


def tenth(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Return the backend ``zoo-queue-tenth-<name>`` of a driver or a rack."""
    rack = wrong if issubclass(wrong, Rack) else settings.pop("rack", Rack)
    driver: Any = wrong if issubclass(wrong, RackQueue) else new_class(wrong.__name__, (RackQueue,))
    settings = {"clean": clean, "traits": driver.traits, **settings}
    return Backend(name=f"zoo-queue-tenth-{name}", connect=connector(rack), drivers=[driver], **settings)


RIGHT: tuple[Backend[Any], ...] = (tenth("rack", RackQueue), tenth("lazy-rack", LazyRackQueue))
"""The tenth round's queues without a mistake."""


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``queue_``."""
    return declaring_family(into, prefix="queue_", make=tenth, home=HOME)
