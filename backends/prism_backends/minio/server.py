"""How the harness starts a MinIO of its own, from PATH or made by a recipe, and tells a server of another kind."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

import prism_testkit as prism
from prism_backends.minio.recipe import BINARY, recipe
from prism_testkit.interfaces import errors

__all__ = ["asked", "server"]

_USER, _PASSWORD = "prism-user", "prism-password"
"""Of servers on the loopback interface that hold generated data for as long as a run takes."""


async def _ready(url: str) -> None:
    # Asked for "ready" it answers before it has its disks; a write is refused then.
    status, _ = await asked(url, "/minio/health/cluster")
    if status != "200":
        raise OSError(f"it answers {status} when asked whether it is ready")


async def _version(url: str) -> str:
    """Return nothing: MinIO tells its version only to its administrator. Raise if it is something else."""
    _, server_header = await asked(url, "/minio/health/ready")
    if not server_header.startswith("MinIO"):
        raise errors.ConfigError(f"it is not MinIO: it says that it is {server_header or 'nothing'}")
    return ""


async def asked(url: str, path: str) -> tuple[str, str]:
    """Return the status and the name that the server gives itself."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname or "127.0.0.1", parts.port or 80)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {parts.hostname}\r\nConnection: close\r\n\r\n".encode())
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
        raise OSError("it does not answer as HTTP does") from error
    finally:
        writer.close()
    lines = head.splitlines()
    fields = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    return [*lines[0].split(), "", ""][1], fields.get("server", "")


def _command(binary: str, directory: Path, port: int) -> Sequence[str]:
    return [binary, "server", str(directory), "--address", f"127.0.0.1:{port}", "--quiet"]


server = prism.Server(
    url=f"http://{_USER}:{_PASSWORD}@127.0.0.1:{{port}}",
    ready=_ready,
    version=_version,
    command=_command,
    binary=BINARY,
    image="minio/minio:latest",
    container_port=9000,
    container_args=("server", "/data", "--quiet"),
    env={"MINIO_ROOT_USER": _USER, "MINIO_ROOT_PASSWORD": _PASSWORD, "MINIO_BROWSER": "off"},
    recipe=recipe,
)
