"""How often a directory was opened behind a death: by another process, or as a copy of what a dead one left."""

import json
import os
from pathlib import Path

__all__ = ["generation"]


def generation(directory: Path, log: Path) -> list[int]:
    """Return how long the log was when each generation of its openers began; a new one is noted."""
    file, me = directory / "zoo.generations", f"{directory} {os.getpid()}"
    last, starts = json.loads(file.read_text()) if file.exists() else ("", [])
    if last != me:
        starts.append(log.stat().st_size if log.exists() else 0)
        file.write_text(json.dumps([me, starts]))
    return list(starts)
