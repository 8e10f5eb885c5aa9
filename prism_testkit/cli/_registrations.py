"""What the doctor asks of each backend: its registration, its client library, its server."""

import asyncio
import os
from collections.abc import Iterator, Sequence

from prism_testkit.backend import Server
from prism_testkit.cli._findings import Finding
from prism_testkit.cli._inventory import command_of, servers
from prism_testkit.cli._project import Project
from prism_testkit.discovery import HookError
from prism_testkit.servers import ServerUnavailable, locate, start

__all__ = ["conftest", "each_backend", "others", "server", "servers_alone"]


def conftest(project: Project) -> Iterator[Finding]:
    """Examine the conftest of the current folder: does it import, are its hooks spelt and marked rightly?"""
    if project.conftest_error is not None:
        error = project.conftest_error
        hint = ""
        if isinstance(error.error, ModuleNotFoundError):
            hint = f": install what provides {error.error.name!r}, or take the import out"
        yield Finding(f"conftest.py cannot be imported: {error}", f"edit {error.where}{hint}")
    if project.hook_error is not None:
        cure = project.hook_error.cure if isinstance(project.hook_error, HookError) else "edit conftest.py"
        yield Finding(str(project.hook_error), cure)


def each_backend(project: Project, names: Sequence[str]) -> Iterator[Finding]:
    """Examine the backends of ``names``."""
    found = project.found
    for name in names:
        backend = found.registry.backends.get(name)
        if name in found.refused:
            source = found.registry.origins.get(name, ("", ""))[1] or "its registration"
            cure = found.cures.get(name) or f"edit {source}: `prism check {name}` says what to write"
            yield Finding(f"{name}: {_one_line(found.refused[name])}", cure)
        elif name in found.missing:
            cure = found.cures[name]
            yield Finding(f"{name}: {_one_line(found.missing[name].removesuffix(f': {cure}'))}", cure)
        elif backend is not None and backend.server is not None:
            yield from server(name, backend.server, project)


def others(project: Project) -> Iterator[Finding]:
    """Examine what registers, but is no backend that could be named: suites, patterns, hooks that raise."""
    found = project.found
    for who, reason in {**found.missing, **found.refused}.items():
        if who not in project.backends:
            cure = found.cures.get(who) or f"edit {found.registry.origins.get(who, ('', ''))[1] or who}: as that says"
            yield Finding(_one_line(reason.removesuffix(f": {cure}")), cure)


def servers_alone(project: Project, names: Sequence[str]) -> dict[str, Server]:
    """Return those of ``names`` that are servers which no backend here is on."""
    found = servers(project) if set(names) - set(project.backends) else {}
    return {name: one for name, one in found.items() if name in names and name not in project.backends and isinstance(one, Server)}


def server(name: str, server: Server, project: Project) -> Iterator[Finding]:
    """Examine whether a server can be had; one that is given by URL is asked."""
    try:
        located = locate(name, server, None, os.environ)
    except ServerUnavailable as error:
        install = f"; install {server.binary}, or name one" if error.remedy.startswith("install ") else ""
        yield Finding(f"{name}: {error.reason}{install}", command_of(error.remedy))
        return
    if located.origin != "url":
        return
    try:
        asyncio.run(start(name, server, prefer="url", state=project.state, run_id="doctor"))
    except ServerUnavailable as error:
        example = server.url.format(**{"port": "PORT"} | {f"port{n}": f"PORT{n}" for n in range(2, server.ports + 1)})
        yield Finding(f"{name}: {error.reason}", f"export {located.detail}={example}")


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip()).replace(":;", ":")
