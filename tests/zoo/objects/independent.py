"""Declares wrong drivers over the ledger, over the tables and over the pool."""

from collections.abc import Callable
from typing import Any, TypeVar

import prism_testkit as prism
from prism_testkit.backend import Backend
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family

from . import independent_ledger as ledger
from . import independent_tables as tables
from . import pool, tenth_disk, tenth_pages
from .declare import HOME

__all__ = ["RIGHT", "declaring_independent"]

T = TypeVar("T", bound=type)


def _make(name: str, wrong: type, /, schema: str = tables.SCHEMA, **settings: Any) -> Backend[Any]:
    if issubclass(wrong, tenth_pages.PageObjects):
        return tenth_pages.pages_backend(name, wrong, settings.get("disk", tenth_disk.Disk))
    if issubclass(wrong, ledger.LedgerObjects):
        shared: dict[str, Any] = {"connect": ledger.ledgers, "clean": ledger.clean, "limits": ledger.LIMITS}
    elif issubclass(wrong, pool.PoolObjects):
        shared = {"connect": pool.connect, "clean": pool.clean, "limits": pool.LIMITS}
    else:
        shared = {"connect": tables.connector(schema), "clean": tables.clean, "limits": tables.LIMITS}
    return prism.Backend(name=name, drivers=[wrong], **(shared | settings))


def declaring_independent(into: list[Mutant]) -> Callable[..., Callable[[T], T]]:
    """Return a decorator like that of ``declare.declaring``, for wrong `LedgerObjects`, `TableObjects` and `PoolObjects`."""
    declare = declaring_family(into, prefix="object_storage", make=_make, home=HOME)

    def mutant(promise: str, kind: str, trap: str = "", also: str = "", **settings: Any) -> Callable[[T], T]:
        return declare(_rest(promise), kind, trap, " ".join(map(_rest, also.split())), **settings)

    return mutant


def _rest(promise: str) -> str:
    return f"_{promise}" if promise.startswith("conditional.") else f".{promise}"


RIGHT = (
    _make("independent-ledger", ledger.LedgerObjects),
    _make("independent-pool", pool.PoolObjects),
    _make("independent-tables", tables.TableObjects, traits=Traits(durability="process", sharing="processes")),
)
"""Right drivers, of architectures of their own."""
