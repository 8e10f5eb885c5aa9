"""Connections of asyncpg: how they are made and ended, and what their errors become."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, Protocol, TypeAlias

import asyncpg  # type: ignore[import-untyped]

from prism_backends.postgres.schema import NAME
from prism_testkit.interfaces import errors

__all__ = ["FAILURES", "SETTINGS", "TIMEOUT_S", "Connection", "Row", "connected", "end", "translated"]

Row: TypeAlias = Any
"""A row of a result: its columns by number, by name, or unpacked."""


class Connection(Protocol):
    """What is used of asyncpg's, which tells no types."""

    async def fetch(self, query: str, *arguments: Any) -> list[Row]: ...
    async def fetchval(self, query: str, *arguments: Any) -> Any: ...
    async def execute(self, query: str, *arguments: Any) -> str: ...
    def transaction(self) -> AbstractAsyncContextManager[Any]: ...
    async def add_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    async def remove_listener(self, channel: str, callback: Callable[..., None]) -> None: ...
    def add_termination_listener(self, callback: Callable[..., None]) -> None: ...
    def is_closed(self) -> bool: ...
    async def close(self, *, timeout: float) -> None: ...
    def terminate(self) -> None: ...


TIMEOUT_S = 10.0
"""How long one call may take before it raises `OperationTimeout`; so long again it may wait for a connection."""
_CLOSE_S = 2.0

FAILURES = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What asyncpg raises; a TimeoutError is an OSError."""

# Every statement finds its rows by an index, also in a table that was filled a moment ago and of which nothing is known yet, and is
# planned once. The time zone: a day of an interval is 24 hours.
SETTINGS = {
    "search_path": NAME,
    "timezone": "UTC",
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_bitmapscan": "off",
    "default_transaction_isolation": "read committed",
    "synchronous_commit": "on",
    "application_name": "prism",
}

_KINDS: dict[str, type[errors.PrismError]] = {
    "28": errors.AccessDenied,  # of who one is
    "42501": errors.AccessDenied,
    "42": errors.ConfigError,  # what this needs is not there
    "53100": errors.QuotaExceeded,  # the disk is full
    "53200": errors.QuotaExceeded,  # so is the memory
    "40001": errors.Conflict,
    "40P01": errors.Conflict,  # a deadlock, of which this was chosen to end
    "57014": errors.OperationTimeout,  # somebody's statement_timeout
    "55P03": errors.OperationTimeout,
}


async def connected(url: str, settings: dict[str, str], *, timeout_s: float | None = TIMEOUT_S) -> Connection:
    """Return a connection of one's own, whose statements may take ``timeout_s``; None: somebody else looks after that.

    Raises native errors.
    """
    connection: Connection = await asyncpg.connect(
        url,
        timeout=TIMEOUT_S,
        command_timeout=timeout_s,
        server_settings=settings,
        statement_cache_size=200,
        max_cached_statement_lifetime=0,
    )
    return connection


async def end(connection: Connection) -> None:
    """Close a connection, and do not mind one that is lost."""
    with suppress(*FAILURES):
        await connection.close(timeout=_CLOSE_S)


def translated(error: Exception, what: str) -> errors.PrismError:
    """Return the shared error for a native one; ``what`` names backend, operation and object."""
    if isinstance(error, TimeoutError):
        return errors.OperationTimeout(f"{what}: no answer in time, so whether it took effect is unknown")
    state = str(getattr(error, "sqlstate", None) or "")
    kind = _KINDS.get(state) or _KINDS.get(state[:2]) or errors.BackendUnavailable
    return kind(f"{what}: {_first_line(str(error).splitlines()) or type(error).__name__}")


def _first_line(lines: Iterable[str]) -> str:
    return next(iter(lines), "")
