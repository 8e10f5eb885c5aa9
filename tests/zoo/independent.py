"""Drivers of architectures of their own, right ones and wrong ones: over SQL, over a log of events, over an actor."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend

from .independent_actor import Actor, ActorKeyValue, ActorTransaction, actor_backend
from .independent_log import EventFile, EventKeyValue, EventLog, EventTransaction, log_backend
from .independent_sql import Database, SqlKeyValue, SqlTransaction, sql_backend

__all__ = ["UNUSUAL", "make"]

UNUSUAL: tuple[Backend[Any], ...] = (
    sql_backend("zoo-independent-sql"),
    log_backend("zoo-independent-log"),
    log_backend("zoo-independent-file", log=EventFile),
    actor_backend("zoo-independent-actor"),
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
    if issubclass(kind, Actor):
        return actor_backend(name, actor=kind, **settings)
    if issubclass(kind, EventLog):
        return log_backend(name, log=kind, **settings)
    assert issubclass(kind, Database)
    return sql_backend(name, database=kind, **settings)


def _driver(wrong: type) -> type:
    """Return a driver with a wrong transaction, or what it is given."""
    drivers = {ActorTransaction: ActorKeyValue, EventTransaction: EventKeyValue, SqlTransaction: SqlKeyValue}
    for transaction, driver in drivers.items():
        if issubclass(wrong, transaction):
            return _around(wrong, driver)
    return wrong


def _around(transaction: type, driver: type) -> type:
    def fill(body: dict[str, Any]) -> None:
        body.update(transaction_type=transaction, __module__=transaction.__module__, __doc__=transaction.__doc__)

    return new_class(transaction.__name__, (driver,), {}, fill)
