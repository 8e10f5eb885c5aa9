"""Runs the tools of a recipe's steps: tied to this process as a server is, heard only if they fail."""

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from prism_testkit.servers.processes import kill_group, spawn

__all__ = ["run_tool"]

_STEP_S = 0.05
_LINES = 12
_NOTHING: Mapping[str, str] = MappingProxyType({})


def run_tool(
    directory: Path,
    argv: Sequence[str],
    *,
    within_s: float,
    env: Mapping[str, str] = _NOTHING,
    until: Callable[[], bool] | None = None,
) -> str:
    """Run ``argv`` in ``directory``, as `recipe.Tool` says."""
    output = directory / "tool-output.txt"
    output.unlink(missing_ok=True)
    child = spawn(argv, directory=directory, output=output, env=env)
    asked = False
    try:
        deadline = time.monotonic() + within_s
        while child.poll() is None and time.monotonic() < deadline:
            if until is not None and not asked and until():
                child.terminate()
                asked = True
            time.sleep(_STEP_S)
        late = child.poll() is None
    finally:
        kill_group(child)
        child.wait()
    said = output.read_text(errors="replace")
    output.unlink()
    if late or not (asked or (child.returncode == 0 and until is None)):
        how = f"was not done within {within_s:g} s" if late else f"ended with code {child.returncode}"
        raise OSError(f"{Path(argv[0]).name} {how}: " + "\n".join(said.splitlines()[-_LINES:]))
    return said
