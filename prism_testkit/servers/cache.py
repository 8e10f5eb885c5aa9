"""The user's cache of servers that were made by a `Recipe`: where they are, and whether they are whole."""

import json
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path

from prism_testkit.recipe import Recipe

__all__ = ["MANIFEST", "binary_of", "cache_home", "fault", "fetched_directory", "write_manifest"]

MANIFEST = "prism-manifest.json"
"""Beside what was made: every file and its size. It is written last, so what has none is half made."""


def cache_home(environ: Mapping[str, str] = os.environ) -> Path:
    """Return ``PRISM_CACHE``, else ``prism-testkit`` in ``XDG_CACHE_HOME``, else in ``~/.cache``. It need not exist.

    A relative ``XDG_CACHE_HOME`` is ignored, as its specification asks; a relative ``PRISM_CACHE`` counts from here.
    """
    if environ.get("PRISM_CACHE"):
        return Path(environ["PRISM_CACHE"]).absolute()
    given = Path(environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "prism-testkit"


def fetched_directory(name: str, recipe: Recipe, environ: Mapping[str, str] = os.environ) -> Path:
    """Return where the server is, or would be; a home may be shared by machines of several kinds."""
    kind = f"{sys.platform}-{platform.machine().lower()}"
    return cache_home(environ) / "servers" / f"{name}-{recipe.version}-{recipe.revision}-{kind}"


def binary_of(recipe: Recipe, directory: Path) -> str:
    return str(directory / recipe.binary) if recipe.binary else str(directory)


def write_manifest(directory: Path) -> None:
    """Note every file in ``directory`` with its size."""
    files = {str(path.relative_to(directory)): path.stat().st_size for path in sorted(directory.rglob("*")) if path.is_file()}
    files.pop(MANIFEST, None)
    (directory / MANIFEST).write_text(json.dumps(files, indent=1))


def fault(directory: Path) -> str | None:
    """Return what is wrong with what lies there, empty if it is whole, None if there is nothing."""
    if not directory.exists():
        return None
    try:
        files: dict[str, int] = json.loads((directory / MANIFEST).read_text())
        wrong = (why for file, size in files.items() if (why := _wrong(directory, file, size)))
        return next(wrong, "")
    except (OSError, ValueError, AttributeError):
        return f"{MANIFEST} is missing or cannot be read"


def _wrong(directory: Path, file: str, size: int) -> str:
    try:
        found = (directory / file).stat().st_size
    except OSError:
        return f"{file} is missing"
    return "" if found == size else f"{file} has {found} bytes instead of {size}"
