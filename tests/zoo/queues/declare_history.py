"""The decorator that declares a queue with a mistake that a real project had shipped: a driver, or the broker below a right one."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .history_broker import Broker, Journal, clean, connector
from .history_queue import BrokerQueue, JournalQueue

__all__ = ["RIGHT", "declaring", "history"]

HOME = f"{__package__}.catalogue"


def history(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Return the backend ``zoo-queue-history-<name>`` of a driver or a broker; ``broker`` puts one of its own under a driver."""
    if issubclass(wrong, Broker):
        broker: type[Broker] = wrong
        driver: Any = new_class(wrong.__name__, (JournalQueue if issubclass(wrong, Journal) else BrokerQueue,))
    else:
        driver = wrong
        broker = settings.pop("broker", Journal if issubclass(wrong, JournalQueue) else Broker)
    settings = {"clean": clean, "traits": driver.traits, **settings}
    return Backend(name=f"zoo-queue-history-{name}", connect=connector(broker), drivers=[driver], **settings)


RIGHT: tuple[Backend[Any], ...] = (history("broker", BrokerQueue), history("journal", JournalQueue))
"""The queues without a mistake."""


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``queue_``."""
    return declaring_family(into, prefix="queue_", make=history, home=HOME)
