"""A server that a recipe makes: a script that listens. How often each step ran is counted in a file outside of the cache."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from prism_testkit.backend import Server
from prism_testkit.recipe import Making, Recipe, Step

__all__ = ["Counted", "made_server"]

SCRIPT = """
import socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    listener.accept()[0].close()
"""


class Counted:
    """Notes what was done, a line each, so that other processes' doings count too."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def note(self, what: str) -> None:
        with self._path.open("a") as handle:
            handle.write(f"{what}\n")

    @property
    def done(self) -> list[str]:
        return self._path.read_text().splitlines() if self._path.exists() else []


async def ready(url: str) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(url).port)
    writer.close()


def command(binary: str, directory: Path, port: int) -> Sequence[str]:
    return [sys.executable, binary, str(port)]


def made_server(
    counted: Counted, script: str = SCRIPT, during: Callable[[Making], None] | None = None, lacks: Callable[[], str] = str
) -> Server:
    """Return a server of two steps: a folder, and a script in it; ``during`` happens in the middle of the second."""

    def folder(making: Making) -> None:
        counted.note("folder")
        (making.directory / "bin").mkdir(exist_ok=True)

    def program(making: Making) -> None:
        counted.note("program")
        making.report("half")
        (making.directory / "bin/acme.py").write_text(script[: len(script) // 2])
        if during is not None:
            during(making)
        (making.directory / "bin/acme.py").write_text(script)

    steps = [Step(what="folder", make=folder), Step(what="program", make=program)]
    recipe = Recipe(version="1.0", steps=steps, binary="bin/acme.py", lacks=lacks)
    return Server(url="acme://127.0.0.1:{port}", ready=ready, command=command, recipe=recipe)
