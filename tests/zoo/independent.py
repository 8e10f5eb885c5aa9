"""Drivers of architectures of their own, right ones and wrong ones: over SQL, a log, an actor, a tree, shards, a folder."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend

from .independent_actor import Actor, ActorKeyValue, ActorTransaction, actor_backend
from .independent_cabinet import Cabinet, CabinetKeyValue, CabinetTransaction, cabinet_backend
from .independent_cells import Shards
from .independent_journal import JournalKeyValue
from .independent_levels import LevelKeyValue, LevelTransaction, levels_backend
from .independent_log import EventFile, EventKeyValue, EventLog, EventTransaction, log_backend
from .independent_shards import ShardKeyValue, ShardTransaction, shards_backend
from .independent_sql import Database, SqlKeyValue, SqlTransaction, sql_backend
from .independent_tree import LevelFiles, Levels
from .tenth_editions import Editions
from .tenth_keyvalue import EditionKeyValue, EditionTransaction, editions_backend

__all__ = ["UNUSUAL", "make"]

UNUSUAL: tuple[Backend[Any], ...] = (
    sql_backend("zoo-independent-sql"),
    log_backend("zoo-independent-log"),
    log_backend("zoo-independent-file", log=EventFile),
    actor_backend("zoo-independent-actor"),
    levels_backend("zoo-independent-levels"),
    levels_backend("zoo-independent-level-files", tree=LevelFiles),
    shards_backend("zoo-independent-shards"),
    cabinet_backend("zoo-independent-cabinet"),
    cabinet_backend("zoo-independent-journal", JournalKeyValue),
)


def make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Return the backend ``zoo-<name>``: a wrong driver, transaction or store among right ones."""
    name, kind = f"zoo-{name}", _driver(wrong)
    if issubclass(kind, ActorKeyValue):
        return actor_backend(name, kind, **settings)
    if issubclass(kind, EventKeyValue):
        return log_backend(name, kind, **settings)
    if issubclass(kind, SqlKeyValue):
        return sql_backend(name, kind, **settings)
    if issubclass(kind, LevelKeyValue):
        return levels_backend(name, kind, **settings)
    if issubclass(kind, ShardKeyValue):
        return shards_backend(name, kind, **settings)
    if issubclass(kind, CabinetKeyValue):
        return cabinet_backend(name, kind, **settings)
    if issubclass(kind, EditionKeyValue):
        return editions_backend(name, kind, **settings)
    if issubclass(kind, Editions):
        return editions_backend(name, store=kind, **settings)
    if issubclass(kind, Levels):
        return levels_backend(name, tree=kind, **settings)
    if issubclass(kind, Actor):
        return actor_backend(name, actor=kind, **settings)
    if issubclass(kind, EventLog):
        return log_backend(name, log=kind, **settings)
    assert issubclass(kind, Database)
    return sql_backend(name, database=kind, **settings)


_PARTS: dict[type, tuple[type, str]] = {
    ActorTransaction: (ActorKeyValue, "transaction_type"),
    CabinetTransaction: (CabinetKeyValue, "transaction_type"),
    EditionTransaction: (EditionKeyValue, "transaction_type"),
    EventTransaction: (EventKeyValue, "transaction_type"),
    LevelTransaction: (LevelKeyValue, "transaction_type"),
    ShardTransaction: (ShardKeyValue, "transaction_type"),
    SqlTransaction: (SqlKeyValue, "transaction_type"),
    Cabinet: (CabinetKeyValue, "cabinet_type"),
    Shards: (ShardKeyValue, "shards_type"),
}
"""Of what is a part of a driver: the driver, and the name of the attribute that says its type."""


def _driver(wrong: type) -> type:
    """Return a driver with a wrong part, or what it is given."""
    for part, (driver, attribute) in _PARTS.items():
        if issubclass(wrong, part):
            return _around(wrong, driver, attribute)
    return wrong


def _around(part: type, driver: type, attribute: str) -> type:
    def fill(body: dict[str, Any]) -> None:
        body.update({attribute: part, "__module__": part.__module__, "__doc__": part.__doc__})

    return new_class(part.__name__, (driver,), {}, fill)
