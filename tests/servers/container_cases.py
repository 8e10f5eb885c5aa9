"""Containers in tests: is there an engine, images that need no registry, and an engine that is none."""

import contextlib
import functools
import shutil
import socketserver
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from prism_testkit.backend import Server
from prism_testkit.servers import ServerUnavailable
from prism_testkit.servers.engines import EngineAway, find_engine
from tests.images.build import build, images

__all__ = ["IMAGE", "contained", "engine", "engine_at", "why_no_engine"]

IMAGE = "localhost/prism-testkit-valkey:latest"


@functools.cache
def why_no_engine() -> str:
    """Return why there are no containers here; empty if there are."""
    try:
        find_engine()
    except EngineAway as error:
        return f"no containers here: {error.reason}; {error.remedy}"
    return "" if shutil.which("ldd") else "ldd is not here, with which the test's images are made"


def engine() -> str:
    return find_engine().host


@functools.cache
def contained(name: str = "valkey") -> Server:
    """Return a server in a container of the image that is made here of what is on this machine; the reason skips the test."""
    image = next(image for image in images() if name in image.servers)
    try:
        build(image, engine())
    except (OSError, ServerUnavailable) as error:
        pytest.skip(f"there is no image of {name}: {error}")
    return replace(image.servers[name], image=image.tag)


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True


@contextlib.contextmanager
def engine_at(path: Path, answer: dict[str, str] | None) -> Iterator[str]:
    """Listen on ``path`` as an engine does that answers a ping with these headers; with None accept and never answer."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if answer is None:
                over.wait()
                return
            self.send_response(200)
            for name, value in {"Content-Length": "2", "Api-Version": "1.41", **answer}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"OK")

        def version_string(self) -> str:
            return (answer or {}).get("Server", "")

        def address_string(self) -> str:
            return "unix"

        def log_request(self, *args: object) -> None:
            return

    with _Unix(str(path), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"unix://{path}"
        finally:
            over.set()
            server.shutdown()
            thread.join()
