"""Times whole processes, in turns, so that a slow moment of the machine falls on both."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["compare"]


def compare(
    commands: Mapping[str, Sequence[str]], folder: Path, turns: int, env: Mapping[str, str] | None = None
) -> dict[str, float]:
    """Run each command ``turns`` times, in turns, after one run of each; return the median seconds by name."""
    times: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(turns + 1):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(
                [sys.executable, *command], cwd=folder, env={**os.environ, **(env or {})}, check=True, stdout=subprocess.DEVNULL
            )
            if turn:
                times[name].append(time.perf_counter() - started)
    return {name: statistics.median(values) for name, values in times.items()}
