"""Builds images of the servers that are here, each once: an image is labelled with what it was made of."""

import contextlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from prism_testkit.backend import Server
from prism_testkit.discovery import Discovery
from prism_testkit.selection import BackendSelection
from prism_testkit.servers import Located, ServerUnavailable, locate
from prism_testkit.servers.cache import cache_home
from prism_testkit.servers.engines import ask
from prism_testkit.servers.records import locked

from .kinds import KINDS

__all__ = ["Image", "build", "images"]

_LABEL = "prism-testkit.made-of"
_WITHIN_S = 300.0


@dataclass(frozen=True, slots=True)
class Image:
    """One that stands in for an official one: of the backends whose container is made of that by default."""

    official: str
    servers: Mapping[str, Server]

    @property
    def name(self) -> str:
        """The shortest of the names: the others are variants of it."""
        return min(self.servers, key=lambda name: (len(name), name))

    @property
    def tag(self) -> str:
        return f"localhost/prism-testkit-{self.name.replace('@', '-')}:latest"


def images() -> list[Image]:
    """Return one for each official image that a registered backend names, in the order of their names."""
    backends = Discovery().find(BackendSelection(("all",))).registry.backends
    found: dict[str, dict[str, Server]] = {}
    for name, backend in sorted(backends.items()):
        if backend.server is not None and backend.server.image and backend.server.container_port:
            found.setdefault(backend.server.image, {})[name] = backend.server
    return sorted((Image(official, servers) for official, servers in found.items()), key=lambda image: image.name)


def build(image: Image, host: str) -> tuple[Located, bool]:
    """See that the engine at ``host`` has it; return what it is made of, and whether it had to be made.

    Raise `ServerUnavailable` or ``OSError`` with the reason if it cannot be.
    """
    located = _located(image)
    kind = KINDS.get(image.name.partition("@")[0])
    if kind is None:
        raise OSError(f"nobody has said what an image of {image.name} holds")
    root, changes = kind(located.binary)
    made_of = root.digest(*changes)
    # Two that build one at once would leave that of the first without a name.
    with locked(cache_home() / "images"), ask(host, _WITHIN_S) as client:
        before = _there(client, image.tag)
        if before is not None and before.labels.get(_LABEL) == made_of:
            return located, False
        with tempfile.NamedTemporaryFile(prefix="prism-image-", suffix=".tar") as packed:
            root.pack(packed.file)
            packed.flush()
            _load(client, packed.name, image.tag, [*changes, f"LABEL {_LABEL}={made_of}"])
        if before is not None:
            _forget(client, before.id)
    return located, True


def _located(image: Image) -> Located:
    """Return the server that is here: of the release of the official image, else of any that will do."""
    name = max(image.servers, key=lambda name: image.servers[name].oldest)
    server = image.servers[name]
    release = image.official.rpartition(":")[2]
    if server.binary and release.replace(".", "").isdecimal():
        with contextlib.suppress(ServerUnavailable):
            return locate(name, replace(server, release=release), "native")
    return locate(name, server, "native")


def _there(client: Any, tag: str) -> Any:
    from docker.errors import ImageNotFound

    try:
        return client.images.get(tag)
    except ImageNotFound:
        return None


def _load(client: Any, path: str, tag: str, changes: Sequence[str]) -> None:
    repository, _, name = tag.rpartition(":")
    said = client.api.import_image_from_file(path, repository=repository, tag=name, changes=list(changes))
    if _there(client, tag) is None:
        raise OSError(f"the engine made no image of it: {str(said).strip()[-200:]}")


def _forget(client: Any, old: str) -> None:
    """Remove what the new one replaced, unless a container still is of it."""
    from docker.errors import APIError

    with contextlib.suppress(APIError):
        client.images.remove(old)
