"""What servers there are: of the backends that are registered, and those that can be had without their client library."""

import asyncio
import os
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from prism_testkit.backend import Server
from prism_testkit.cli._project import Project
from prism_testkit.servers import Located, ServerUnavailable, locate, start
from prism_testkit.servers.releases import version_of

__all__ = ["Servers", "command_of", "line", "remedy", "servers"]

Servers = dict[str, Server | str]
"""A server by its name, or why it is not known."""


def servers(project: Project) -> Servers:
    """Return them by name. The entry points ``prism_testkit.servers`` name those that need no client library."""
    found: Servers = {point.name: _loaded(point) for point in entry_points(group="prism_testkit.servers")}
    missing = {name: why for name, why in project.found.missing.items() if name in project.backends and name not in found}
    backends = {name: backend.server for name, backend in project.found.registry.backends.items()}
    return {**found, **missing, **{name: server for name, server in backends.items() if server is not None}}


def _loaded(point: EntryPoint) -> Server | str:
    try:
        found = point.load()
    except Exception as error:
        return f"importing {point.value} raised {type(error).__name__}: {error}"
    return found if isinstance(found, Server) else f"{point.value}: expected a Server, found {type(found).__name__}"


def line(name: str, server: Server | str, state: Path) -> str:
    """Return what there is of a server: from where, which version; or why there is none and the one command that adds it."""
    if isinstance(server, str):
        return f"{name:12} unknown    {server}"
    try:
        located = locate(name, server, None, os.environ)
    except ServerUnavailable as error:
        return f"{name:12} nothing    {error.reason}\n{'':23} {command_of(error.remedy)}"
    version = _of_url(name, server, state) if located.origin == "url" else _version(server, located)
    return f"{name:12} {located.origin:10} {version:14} {located.detail}".rstrip()


def remedy(name: str, server: Server | str) -> str:
    """Return what adds a server that no recipe makes."""
    if isinstance(server, str):
        return server
    try:
        return f"it is here already: {locate(name, server, None, os.environ).detail}"
    except ServerUnavailable as error:
        return command_of(error.remedy)


def command_of(remedy: str) -> str:
    """Return the command in the remedy of a `ServerUnavailable`, which may begin with words and a colon."""
    return remedy.rpartition(": ")[2]


def _of_url(name: str, server: Server, state: Path) -> str:
    try:
        return asyncio.run(start(name, server, prefer="url", state=state, run_id="servers")).version
    except ServerUnavailable as error:
        return f"unusable: {error.reason};"


def _version(server: Server, located: Located) -> str:
    """Return what the recipe made, what the image is tagged with, or what the binary says when it is asked."""
    if located.origin == "fetched" and server.recipe is not None:
        return server.recipe.version
    if located.origin == "container":
        return located.binary.rpartition("/")[2].partition(":")[2] or "latest"
    return version_of(located.binary)
