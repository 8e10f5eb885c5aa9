"""Where a server's data lies, and how it is removed."""

import os
import re
import shutil
import tempfile
from pathlib import Path

__all__ = ["directories_of", "new_directory_name", "remove_directory"]

_MEMORY = Path("/dev/shm")
_ENOUGH = 256 * 1024 * 1024
_PREFIX = "prism-"


def new_directory_name(name: str, run_id: str, unique: str) -> Path:
    """Return a path that does not exist yet, ``prism-<run>-<server>-<unique>``: in memory where there is room, else on disk."""
    return _home() / (_PREFIX + "-".join(re.sub(r"[^A-Za-z0-9]+", "-", part) for part in (run_id, name, unique)))


def _home() -> Path:
    try:
        roomy = os.access(_MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(_MEMORY).free > _ENOUGH
    except OSError:
        roomy = False
    return _MEMORY if roomy else Path(tempfile.gettempdir())


def directories_of(run: Path) -> list[Path]:
    """Return the directories that carry the name of a run, ``prism-<run>-*``, whose own directory is ``run``; that one last."""
    mark = "-".join(run.name.split("-")[:2])
    homes = {_MEMORY, Path(tempfile.gettempdir()), run.parent}
    return [*(path for home in sorted(homes) for path in sorted(home.glob(f"{mark}-*")) if path != run), run]


def remove_directory(directory: Path) -> bool:
    """Remove a directory that `new_directory_name` named; True if it is gone. Anything else is left alone: False."""
    if not directory.name.startswith(_PREFIX):
        return False
    shutil.rmtree(directory, ignore_errors=True)  # which does not follow a symbolic link
    return not directory.exists()
