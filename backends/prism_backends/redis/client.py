"""The client that `connect` yields, and what its errors become."""

import asyncio
import hashlib
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from redis import exceptions as native
from redis.asyncio import Redis
from redis.asyncio.connection import ConnectionPool, parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

import prism_testkit as prism
from prism_testkit.interfaces import errors

__all__ = ["TIMEOUT_S", "RedisClient", "clean", "connect", "model_prefix", "opened", "script", "translated"]

TIMEOUT_S = 10.0
"""How long one call may take, waiting for a connection included, before it raises `OperationTimeout`."""
_CONNECTIONS = 50
"""Plain calls in flight at once: more make redis-py slower. Open transactions come on top, so neither waits for the other."""

_NAMESPACE_WIDTH = 24
_KEYS_AT_ONCE = 1000

_DENIED = (native.AuthenticationError, native.AuthorizationError, native.NoPermissionError)
_SCRIPTS: dict[str, str] = {}


def script(text: str) -> str:
    """Return the name by which EVALSHA runs ``text``. `RedisClient` sends the text itself where the server does not know it."""
    name = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    _SCRIPTS[name] = text
    return name


class RedisClient(Redis):
    """A redis-py client that gives up in time, bounds its connections, and never sends a command twice.

    redis-py's own default is to repeat, up to ten times, a command whose reply was lost. Whether that command took effect is
    unknown, so here the call raises, and a repeat is the caller's decision. The deadline stands in for redis-py's socket timeout,
    which goes through ``asyncio.wait_for`` and with it, before Python 3.12, can swallow a cancellation. Protocol 2, because under
    protocol 3 redis-py takes connections from its pool without asking whether the server closed them (``ensure_connection``).
    """

    def __init__(self, url: str) -> None:
        options: dict[str, Any] = {"socket_connect_timeout": TIMEOUT_S, "socket_timeout": None}
        options |= parse_url(url)
        options |= {"protocol": 2, "decode_responses": False, "health_check_interval": 0, "retry": Retry(NoBackoff(), 0)}
        # Otherwise each connection looks up, on the disk, which redis-py this is, and tells the server: a millisecond of both.
        options |= {"driver_info": None}
        super().__init__(connection_pool=ConnectionPool(**options | {"max_connections": sys.maxsize}))
        self._slots = asyncio.Semaphore(_CONNECTIONS)
        self.shared: dict[str, Any] = {}
        """One for all clients of a place in this process."""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        async with asyncio.timeout(TIMEOUT_S), self._slots:
            try:
                return await super().execute_command(*args, **options)  # type: ignore[no-untyped-call]
            except native.NoScriptError:  # nothing was done; from the text the server learns the script
                if args[1] not in _SCRIPTS:
                    raise
                return await super().execute_command("EVAL", _SCRIPTS[args[1]], *args[2:], **options)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[RedisClient]:
    """Yield a client. Connections are made when they are needed, so a server that is away is noticed by the first call."""
    async with opened(place.url) as client:
        client.shared = place.shared
        yield client


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[RedisClient]:
    """Yield a client of the server at ``url``, and close its connections."""
    client = RedisClient(url)
    try:
        yield client
    finally:
        await client.aclose(close_connection_pool=True)


def model_prefix(namespace: str, model: str) -> bytes:
    """Return how the server's keys of one model begin; those of key-value begin with the namespace and a colon."""
    return f"{namespace}.{model}:".encode()


async def clean(client: RedisClient, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``, in every model; a stranger's key that only looks alike stays.

    One call to the server for every thousand keys in the database, so one call when there is next to nothing.
    """
    if not re.fullmatch(rf"[0-9a-z]{{1,{_NAMESPACE_WIDTH}}}", prefix):
        raise ValueError(f"clean: expected 1 to {_NAMESPACE_WIDTH} digits of base 36, found {prefix!r}")
    pattern = prefix + "[0-9a-z]" * (_NAMESPACE_WIDTH - len(prefix)) + "[:.]*"
    cursor = None
    while cursor != 0:
        cursor, keys = await client.execute_command("SCAN", cursor or 0, "MATCH", pattern, "COUNT", _KEYS_AT_ONCE)
        if keys:
            await client.execute_command("UNLINK", *keys)


def translated(error: Exception, what: str) -> errors.PrismError:
    """Return the shared error for a native one; ``what`` names backend, operation and key."""
    if isinstance(error, TimeoutError | native.TimeoutError):
        return errors.OperationTimeout(f"{what}: no answer in time, so whether it took effect is unknown")
    refused = str(error).partition("Transaction discarded because of: ")[2]  # what EXEC itself was refused for
    if isinstance(error, _DENIED) or refused.startswith("NOPERM"):
        return errors.AccessDenied(f"{what}: {error}")
    if isinstance(error, native.OutOfMemoryError) or refused.startswith("OOM") or "No space left" in str(error):
        return errors.QuotaExceeded(f"{what}: {error}")
    return errors.BackendUnavailable(f"{what}: {error}")
