"""One run of Kafka from which a start-up cache is written."""

import asyncio
import shutil
import socket
import tempfile
from pathlib import Path

from prism_backends.kafka.java import QUICK, Java, class_path
from prism_backends.kafka.settings import JARS, LOGS, SETTINGS, TEMPLATE, overrides
from prism_backends.kafka.wire import broker
from prism_testkit.recipe import Making

__all__ = ["train"]

_WITHIN_S = 120.0


def train(making: Making, java: Java, cache: Path) -> None:
    """Run Kafka over a copy of the template until a group could be joined, and stop it: at its end it writes ``cache``.

    Raise ``OSError`` with its last lines if it does not.
    """
    with tempfile.TemporaryDirectory(prefix="training-", dir=making.directory) as name:
        home = Path(name)
        shutil.copytree(making.directory / TEMPLATE, home, dirs_exist_ok=True)
        port, controller = _ports()
        main = ["-cp", class_path(making.directory / JARS), "kafka.Kafka", str(home / SETTINGS)]
        argv = [str(java.path), *QUICK, f"-XX:AOTCacheOutput={cache}", *main, *overrides(home / LOGS, str(port), str(controller))]
        said = making.run(argv, within_s=_WITHIN_S, until=lambda: asyncio.run(_usable(port)))
    if not cache.is_file():
        raise OSError(f"Java wrote no cache; its last lines: {said[-2000:]}")


def _ports() -> tuple[int, int]:
    """Return two ports that are free."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


async def _usable(port: int) -> bool:
    try:
        async with broker(f"kafka://127.0.0.1:{port}") as connection:
            await connection.require_group()
    except OSError:
        return False
    return True
