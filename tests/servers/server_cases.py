"""Servers to start in tests: the real Valkey from its wheel, and shell scripts that misbehave."""

import asyncio
import os
import secrets
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from prism_backends.redis.client import RedisClient, opened
from prism_backends.valkey import valkey
from prism_testkit.backend import Server

__all__ = ["RUN", "VALKEY", "always", "gone", "never", "run", "shell", "until", "valkey_client", "valkey_with"]

T = TypeVar("T")

# One for each process, so that test runs side by side do not count each other's directories; handed on to child processes.
RUN = os.environ.setdefault("SERVER_CASES_RUN", secrets.token_hex(4))

assert valkey.server is not None
VALKEY: Server = valkey.server

valkey_client = opened


def valkey_with(*options: str) -> Server:
    """Return Valkey with more options on its command line."""
    command = VALKEY.command
    assert command is not None

    def with_options(binary: str, directory: Path, port: int) -> list[str]:
        return [*command(binary, directory, port), *options]

    return replace(VALKEY, command=with_options)


async def always(url: str) -> None:
    """Ready at once."""


async def never(url: str) -> None:
    raise RuntimeError("not yet")


def shell(script: str, ready: Callable[[str], Awaitable[None]] = always, **more: Any) -> Server:
    """Return a server that is a shell script; ``$1`` is its directory, ``$2`` its port."""

    def command(binary: str, directory: Path, port: int) -> Sequence[str]:
        return [binary, "-c", script, "sh", str(directory), str(port)]

    return Server(url="test://127.0.0.1:{port}", ready=ready, command=command, binary="sh", **more)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run it to its end; the limit is against what hangs, and no machine is that slow."""
    return asyncio.run(asyncio.wait_for(main, 300))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition; the test's own deadline is the bound."""
    while not condition():  # noqa: ASYNC110  what is waited for has no event
        await asyncio.sleep(0.002)


def gone(pid: int) -> bool:
    """Say whether no process, or only an unreaped one, has this number."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    except OSError:
        os.kill(pid, 0)
        return False
    return state == "Z"


async def set_and_get(client: RedisClient, key: str, value: bytes) -> bytes:
    await client.execute_command("SET", key, value)
    return bytes(await client.execute_command("GET", key))
