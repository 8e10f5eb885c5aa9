"""What the doctor asks of the environment: Python, packages, the folder that runs write to, what killed runs left.

Standard library only until a package of ours is known to be importable, for that is what is examined here.
"""

import importlib.metadata
import importlib.util
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from prism_testkit.cli._findings import Finding

if TYPE_CHECKING:
    from prism_testkit.servers import Record

__all__ = ["leftovers_of_runs", "packages", "python", "speed", "writable"]

_DISTRIBUTION = "prism-testkit"
_AT_LEAST = re.compile(r"([A-Za-z0-9._-]+) *>= *([0-9.]+)")


def python(version: tuple[int, int] = sys.version_info[:2]) -> Iterator[Finding]:
    """Examine the interpreter against what the installed distribution asks for."""
    try:
        wanted = importlib.metadata.metadata(_DISTRIBUTION)["Requires-Python"] or ""
    except importlib.metadata.PackageNotFoundError:
        yield Finding(f"{_DISTRIBUTION} is not installed, so pytest does not load it", f"pip install {_DISTRIBUTION}")
        return
    needed = wanted.removeprefix(">=").strip()
    if list(version) < _numbers(needed)[:2]:
        have = ".".join(map(str, version))
        cure = f"python{needed} -m venv .venv && .venv/bin/pip install {_DISTRIBUTION}"
        yield Finding(f"Python {have} is too old: {needed} or newer is needed", cure)


def packages() -> Iterator[Finding]:
    """Examine the packages that cannot be done without, pytest among them."""
    for requirement in _requirements():
        match = _AT_LEAST.fullmatch(requirement)
        if match is None:
            continue
        name, needed = match.groups()
        try:
            have = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            yield Finding(f"{name} is not installed", f"pip install '{name}>={needed}'")
            continue
        if _numbers(have) < _numbers(needed):
            yield Finding(f"{name} {have} is too old: {needed} or newer is needed", f"pip install '{name}>={needed}'")


def speed() -> Iterator[Finding]:
    """Remark on what would make runs quicker."""
    if not _importable("xdist"):
        yield Finding("pytest-xdist is not installed, so a run uses one core", f"pip install '{_DISTRIBUTION}[xdist]'", remark=True)


def writable(state: Path) -> Iterator[Finding]:
    """Examine whether runs can write to ``.prism``; it is made by the first run, so its folder may have to do."""
    if (state.exists() or state.is_symlink()) and not state.is_dir():
        yield Finding(f"{state} is a file, and runs need a folder of that name", f"mv {state} {state}.old")
        return
    folders = [state, *sorted(path for path in state.iterdir() if path.is_dir())] if _readable(state) else [state]
    for folder in folders if state.is_dir() else [state.parent]:
        if not _can_write(folder):
            owner = folder.stat().st_uid
            mine = not hasattr(os, "geteuid") or owner == os.geteuid()
            cure = f"chmod u+rwx {folder}" if mine else f'sudo chown -R "$(id -u)" {folder}'
            yield Finding(f"{folder} cannot be written to, and runs keep examples, witnesses and records there", cure)


def leftovers_of_runs(state: Path) -> Iterator[Finding]:
    """Report what killed runs left, and, as remarks, the servers that were kept on purpose."""
    from prism_testkit.registry import environment_name, server_url
    from prism_testkit.runs import dead_runs
    from prism_testkit.servers import leftovers, records

    dead = dead_runs(state)
    for name in sorted({name for record in dead for name in record.by_url}):
        given = "" if server_url(name) else f"PRISM_{environment_name(name)}_URL=ADDRESS "
        yield Finding(f"a killed run left namespaces on the server of {name}", f"{given}prism clean")
    gone = {record.run_id for record in dead if not record.by_url} | {record.run_id for record in leftovers(state)}
    if gone:
        yield Finding(f"killed runs left servers, folders or records: {', '.join(sorted(gone))}", "prism clean")
    kept = [record for record in records(state) if record.kept and record.is_local and record.is_alive]
    if kept:
        names = ", ".join(f"{record.name} ({_what(record)})" for record in kept)
        yield Finding(f"kept servers are running: {names}", "prism clean --kept", remark=True)


def _what(record: "Record") -> str:
    return f"container {record.container}" if record.process is None else f"pid {record.process.pid}"


def _requirements() -> list[str]:
    try:
        found = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [text.partition(";")[0].strip() for text in found if "extra ==" not in text]


def _numbers(version: str) -> list[int]:
    """Return the leading numbers of a version: ``9.0.1rc1`` is 9, 0, 1."""
    match = re.match(r"\d+(\.\d+)*", version)
    return [int(part) for part in match.group().split(".")] if match else []


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False


def _readable(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)


def _can_write(folder: Path) -> bool:
    # By trying: permissions do not tell of a read-only mount, and mean nothing to root.
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
