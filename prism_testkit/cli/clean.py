"""``prism clean``: what killed runs left is stopped and removed; nothing of a living run is touched. A repeat does nothing."""

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path

from prism_testkit.backend import Backend
from prism_testkit.cli._console import Parser, say
from prism_testkit.cli._opened import opened
from prism_testkit.cli._project import Project, project_root
from prism_testkit.outcomes import Hung, Unavailable
from prism_testkit.runs import clean_namespaces, dead_runs, sweep_directories
from prism_testkit.servers import leftovers, sweep

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism clean``."""
    made = Parser("clean", "Stop the servers and remove the directories, records and namespaces that killed runs left.")
    made.add_argument("--kept", action="store_true", help="also stop the servers that --prism-keep-servers left up")
    made.add_argument("--examples", action="store_true", help="also remove the stored examples and witnesses of this project")
    return made


def run(options: argparse.Namespace) -> int:
    """Clean the project's ``.prism`` and say what was done. What cannot be done now is said, too, and stays on record."""
    state = project_root(Path.cwd()) / ".prism"
    done = list(_clean(state, options)) if state.is_dir() else []
    for line in done or [f"nothing to clean: no killed run left anything on record in {state}"]:
        say(line)
    return 0


def _clean(state: Path, options: argparse.Namespace) -> Iterator[str]:
    if _has_records(state):
        yield from sweep_directories(state)
    if options.kept and leftovers(state, kept=True):
        yield from sweep(state, kept=True)
    yield from _namespaces(state)
    if options.examples:
        yield from _remove_examples(state)


def _has_records(state: Path) -> bool:
    """Say whether anything is on record at all: sweeping makes a folder for its lock, which would be left by us."""
    return any((state / name).is_dir() for name in ("servers", "runs", "templates"))


def _namespaces(state: Path) -> Iterator[str]:
    """Clean the servers given by URL on which a killed run worked."""
    names = sorted({name for record in dead_runs(state) for name in record.by_url})
    for name in names:
        backend = Project.here(name).found.registry.backends.get(name)
        try:
            yield from _clean_server(state, name, backend)
        except Unavailable as error:
            yield f"could not clean {name}, where a killed run left namespaces: {error}"


def _clean_server(state: Path, name: str, backend: Backend[object] | None) -> list[str]:
    if backend is None:
        raise Unavailable("no such backend is registered here; run `prism clean` in the folder of its conftest.py")
    if backend.clean is None:
        raise Unavailable("it has no clean function; add clean=... to its Backend(...)")
    if backend.server is None:
        raise Unavailable("it has no server any more; delete the record in .prism/runs")
    with opened(backend, state, prefer="url") as site:
        if site.reason:
            raise Unavailable(f"{site.reason}; then run `prism clean` again")
        try:
            return site.run(lambda client: clean_namespaces(state, backend, client))
        except (Exception, Hung) as error:
            raise Unavailable(f"its clean function raised {type(error).__name__}: {error}") from error


def _remove_examples(state: Path) -> Iterator[str]:
    for name in ("examples", "witnesses"):
        path = state / name
        if path.is_symlink():
            path.unlink()  # what it points to is somebody's own
            yield f"removed the link {path}"
        elif path.is_dir():
            shutil.rmtree(path)
            yield f"removed {path}"
