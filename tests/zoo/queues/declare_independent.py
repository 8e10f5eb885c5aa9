"""The decorator that declares a wrong one of the independent queues: a driver, or a piece under a right one."""

from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from . import independent_actor as actor
from . import independent_ledger as ledger
from . import independent_sql as sql
from .independent_rules import Rules
from .independent_sum import Ledger, Sum
from .shared_ledger import SharedQueue

__all__ = ["RIGHT", "declaring", "independent"]

HOME = f"{__package__}.catalogue"


def independent(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Return the backend ``zoo-queue-independent-<name>`` of a driver, or of a piece under the right driver of its kind."""
    store = settings.pop("store", None)
    driver, connect, clean = _parts(wrong)
    if store is not None:
        _, connect, clean = _parts(store)
    settings = {"clean": clean, "traits": driver.traits, "limits": driver.rules_type.limits, **settings}
    return Backend(name=f"zoo-queue-independent-{name}", connect=connect, drivers=[driver], **settings)


def _parts(wrong: type) -> tuple[Any, Any, Any]:
    if issubclass(wrong, ledger.LedgerQueue):
        return wrong, ledger.connector(ledger.Shelf), ledger.clean
    if issubclass(wrong, sql.SqlQueue):
        return wrong, sql.connector(sql.Database), sql.clean
    if issubclass(wrong, actor.ActorQueue):
        return wrong, actor.connector(actor.Actor), actor.clean
    if issubclass(wrong, Sum):
        wrong = type(wrong.__name__, (Ledger,), {"sum_type": wrong})
    if issubclass(wrong, Ledger):
        wrong = type(wrong.__name__, (ledger.Shelf,), {"ledger_type": wrong})
    if issubclass(wrong, ledger.Shelf):
        return ledger.LedgerQueue, ledger.connector(wrong), ledger.clean
    if issubclass(wrong, sql.Database):
        return sql.SqlQueue, sql.connector(wrong), sql.clean
    if issubclass(wrong, actor.Actor):
        return actor.ActorQueue, actor.connector(wrong), actor.clean
    assert issubclass(wrong, Rules), wrong
    return type(wrong.__name__, (sql.SqlQueue,), {"rules_type": wrong}), sql.connector(sql.Database), sql.clean


class DelayedOnesJoinAtTheTail(actor.Actor):
    """A message whose delay is over is put behind what was enqueued meanwhile: nobody promises where it comes."""

    def make_ready(self, box: actor.Box, item: actor.Item) -> None:
        if item.due:
            item.place = self.serial()
        super().make_ready(box, item)


RIGHT: tuple[Backend[Any], ...] = (
    independent("ledger", ledger.LedgerQueue),
    independent("shared-ledger", SharedQueue),
    independent("sql", sql.SqlQueue),
    independent("actor", actor.ActorQueue),
    independent("delayed-at-the-tail", DelayedOnesJoinAtTheTail),
)
"""The independent queues without a mistake."""


def declaring(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``queue_``."""
    return declaring_family(into, prefix="queue_", make=independent, home=HOME)
