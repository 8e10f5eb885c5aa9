"""The decorator that declares a mutant of the independent drivers: of a driver, its member, its tables or its actor."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .independent_actor import ActorMember, ActorStreams
from .independent_mailbox import Actor, actor_backend
from .independent_sql import SqlMember, SqlStreams
from .independent_tables import Tables, tables_backend

__all__ = ["UNUSUAL", "declaring_independent"]


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in a right driver."""
    full = f"zoo-stream-independent-{name}"
    if issubclass(wrong, Tables):
        return tables_backend(full, SqlStreams, wrong, **settings)
    if issubclass(wrong, Actor):
        return actor_backend(full, ActorStreams, wrong, **settings)
    if issubclass(wrong, SqlMember):
        wrong = _with_member(SqlStreams, wrong)
    elif issubclass(wrong, ActorMember):
        wrong = _with_member(ActorStreams, wrong)
    return tables_backend(full, wrong, **settings) if issubclass(wrong, SqlStreams) else actor_backend(full, wrong, **settings)


def _with_member(driver: type, wrong: type) -> type:
    return new_class(
        wrong.__name__,
        (driver,),
        {},
        lambda body: body.update(member_type=wrong, __module__=wrong.__module__, __doc__=wrong.__doc__),
    )


def declaring_independent(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``stream_``."""
    return declaring_family(into, prefix="stream_", make=_make, home=HOME)


UNUSUAL: tuple[Backend[Any], ...] = (
    tables_backend("zoo-stream-independent-sql", SqlStreams),
    actor_backend("zoo-stream-independent-actor", ActorStreams),
)
