"""Makes a server by its `Recipe`: resumable, one maker at a time, started once, and only then moved to its place."""

import asyncio
import contextlib
import functools
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from prism_testkit.backend import Server
from prism_testkit.recipe import Making, Recipe, Report, Step
from prism_testkit.servers.cache import binary_of, fault, fetched_directory, write_manifest
from prism_testkit.servers.locate import Located
from prism_testkit.servers.masking import describe
from prism_testkit.servers.starting import start_located
from prism_testkit.servers.sweeping import sweep
from prism_testkit.servers.tools import run_tool
from prism_testkit.servers.unavailable import ServerUnavailable

try:
    import fcntl
except ImportError:  # Windows, where servers are only used by address
    fcntl = None  # type: ignore[assignment]

__all__ = ["fetch"]

_DONE = "prism-done"
"""In the directory that is in the making: the steps that are done, a line each."""
_FIRST_START_S = 60.0
"""A first start reads everything from the disk for the first time."""


def fetch(name: str, server: Server, report: Callable[[str], Report], environ: Mapping[str, str] = os.environ) -> Path:
    """Return the directory of the server that ``server.recipe`` describes, made now unless it is there and whole.

    ``report(step)`` is told of each step and returns what takes its progress. Whoever comes second waits, and finds it made. What
    an interrupted call did is not done again. Raise `ServerUnavailable` with the step and the reason; what was made stays for the
    next call, unless it did not start, in which case all of it is made anew.
    """
    recipe = server.recipe
    if recipe is None:
        raise ServerUnavailable(name, "nothing is known of how to make one")
    if command := recipe.lacks():
        raise ServerUnavailable(name, "what it is made with is not installed", f"first: {command}")
    final = fetched_directory(name, recipe, environ)
    try:
        final.parent.mkdir(parents=True, exist_ok=True)
        with _alone(final, report):
            if fault(final) != "":
                _make(name, server, recipe, final, report)
    except OSError as error:
        raise ServerUnavailable(name, f"the cache {final.parent} cannot be written to: {describe(error)}") from error
    return final


@contextlib.contextmanager
def _alone(final: Path, report: Callable[[str], Report]) -> Iterator[None]:
    with final.with_name(f"{final.name}.lock").open("a") as handle:
        if fcntl is not None:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                report("waiting for another process that makes it")
                fcntl.flock(handle, fcntl.LOCK_EX)  # given back when the file is closed, by a crash too
        yield


def _make(name: str, server: Server, recipe: Recipe, final: Path, report: Callable[[str], Report]) -> None:
    draft = final.with_name(f"{final.name}.draft")
    draft.mkdir(exist_ok=True)
    done = draft / _DONE
    for step in recipe.steps:
        if step.what in (done.read_text().splitlines() if done.exists() else ()):
            report(f"{step.what}: done before")
            continue
        _step(name, step, draft, report(step.what))
        with done.open("a") as handle:
            handle.write(f"{step.what}\n")
    report("starting it once")
    try:
        version = asyncio.run(_verify(name, server, recipe, draft))
    except ServerUnavailable:
        done.unlink()
        raise
    report(f"it is {name} {version or recipe.version}")
    done.unlink()
    write_manifest(draft)
    _publish(draft, final)


def _step(name: str, step: Step, draft: Path, report: Report) -> None:
    try:
        step.make(Making(directory=draft, report=report, run=functools.partial(run_tool, draft)))
    except Exception as error:
        reason = str(error) if type(error) is OSError and error.strerror is None else describe(error)
        raise ServerUnavailable(name, f"{step.what}: {reason}") from error


async def _verify(name: str, server: Server, recipe: Recipe, draft: Path) -> str:
    """Start it from where it was made, ask which version it is, and stop it."""
    state = draft.with_suffix(".state")
    sweep(state)  # what a call left that was killed right here
    located = Located("fetched", "", binary_of(recipe, draft), str(draft))
    running = await start_located(name, server, located, state=state, run_id="verify", deadline_s=_FIRST_START_S)
    await running.stop()
    shutil.rmtree(state, ignore_errors=True)
    return running.version


def _publish(draft: Path, final: Path) -> None:
    broken = final.with_name(f"{final.name}.broken-{uuid.uuid4().hex[:8]}")
    with contextlib.suppress(FileNotFoundError):
        final.rename(broken)
    draft.rename(final)
    shutil.rmtree(broken, ignore_errors=True)
