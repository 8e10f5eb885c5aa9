"""Templates: what ``Server.prepare`` makes once (a formatted disk, an initialised cluster) and every start copies."""

import hashlib
import inspect
import os
import platform
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from prism_testkit.backend import Server
from prism_testkit.servers.masking import describe
from prism_testkit.servers.processes import Identity, identify
from prism_testkit.servers.records import this_process
from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["copy_template", "fingerprint", "sweep_templates", "template"]


async def template(name: str, server: Server, binary: str, state: Path) -> Path | None:
    """Return the directory that ``server.prepare`` filled, for this binary and this code; None if there is nothing to prepare.

    It is made under a name of its own and then moved, so that two runs that need it at once cannot see half of it.
    """
    if server.prepare is None:
        return None
    final = _home(state) / f"{name}-{fingerprint(binary, _code(server))}"
    if final.is_dir():
        return final
    draft = _draft(final)
    try:
        await server.prepare(binary, draft)
    except BaseException as error:
        shutil.rmtree(draft, ignore_errors=True)
        if isinstance(error, Exception):
            raise ServerUnavailable(name, f"its template could not be made: {describe(error)}") from error
        raise
    return _publish(draft, final)


def copy_template(source: Path | None, target: Path) -> None:
    """Make ``target``, private to us, from the template, or empty."""
    if source is not None:
        shutil.copytree(source, target, symlinks=True)
    else:
        target.mkdir()
    target.chmod(0o700)


def fingerprint(binary: str, *more: str) -> str:
    """Return a short name for a binary as it is now, and whatever else must not change unseen."""
    try:
        path = Path(binary).resolve()
        version = f"{path} {path.stat().st_size} {path.stat().st_mtime_ns}"
    except OSError:
        version = binary
    return hashlib.sha256("\0".join((version, *more)).encode("utf-8", "surrogateescape")).hexdigest()[:16]


def sweep_templates(state: Path) -> list[str]:
    """Remove templates that a killed run left half made; return what was done, in words."""
    return [f"removed the half-made template {path.name}" for path in _orphans(state) if _remove(path)]


def _home(state: Path) -> Path:
    return state / "templates"


def _code(server: Server) -> str:
    """Return what a change of ``prepare`` changes: the text of the file it is in."""
    source = inspect.getsourcefile(inspect.unwrap(server.prepare)) if inspect.isroutine(server.prepare) else None
    return Path(source).read_text(errors="replace") if source and Path(source).is_file() else repr(server.prepare)


def _draft(final: Path) -> Path:
    draft = final.with_name(f"{final.name}.draft-{os.getpid()}-{_mark(this_process())}-{uuid.uuid4().hex[:8]}")
    draft.mkdir(parents=True, mode=0o700)
    return draft


def _mark(process: Identity) -> str:
    return hashlib.sha256(f"{platform.node()} {process.started}".encode()).hexdigest()[:8]


def _orphans(state: Path) -> Iterator[Path]:
    for path in _home(state).glob("*.draft-*"):
        pid, mark, _ = path.name.rpartition(".draft-")[2].split("-")
        owner = identify(int(pid))
        if owner is None or _mark(owner) != mark:
            yield path


def _remove(path: Path) -> bool:
    shutil.rmtree(path, ignore_errors=True)
    return not path.exists()


def _publish(draft: Path, final: Path) -> Path:
    try:
        draft.rename(final)
    except OSError:  # another run was first; its template is as good
        _remove(draft)
        if not final.is_dir():
            raise
    return final
