"""Which version a binary is of, as it tells itself."""

import re
import subprocess
from functools import lru_cache

__all__ = ["is_of", "is_older", "version_of"]

_VERSION = re.compile(r"\d+\.\d+[\w.+-]*")
_WITHIN_S = 5.0


@lru_cache(maxsize=64)
def version_of(binary: str) -> str:
    """Return the first version in what ``binary --version`` prints; empty if it cannot be run or tells none."""
    try:
        asked = subprocess.run([binary, "--version"], capture_output=True, text=True, timeout=_WITHIN_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    found = _VERSION.search(asked.stdout + asked.stderr)
    return found.group() if found else ""


def is_of(binary: str, release: str) -> bool:
    """Say whether a binary is of a release: ``15`` is every 15.x and not 150.1, ``7.0`` every 7.0.x; empty is every release."""
    return not release or version_of(binary).split(".")[: release.count(".") + 1] == release.split(".")


def is_older(binary: str, oldest: str) -> bool:
    """Say whether a binary tells a release before ``oldest``; one that tells none may be new enough."""
    told = _numbers(version_of(binary)) if oldest else ()
    return bool(told) and told < _numbers(oldest)


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
