"""Hunts a part of the zoo, a different one for each name, unless all of it is asked for: ``PRISM_ZOO=all``, or ``make kills``."""

import os
import zlib

import pytest

SHARE = 24
"""One in so many mutants is hunted."""
RIGHT_SHARE = 64
"""One in so many unusual backends is run: a mutant is done when it is caught, and of these every check runs to its end."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if os.environ.get("PRISM_ZOO") == "all" or any("test_kills" in argument for argument in config.args):
        return
    left = [
        item
        for item in items
        if item.path.name == "test_kills.py" and (zlib.crc32(item.name.encode()) % _share(item) or _kills(item))
    ]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = [item for item in items if item not in set(left)]


def _share(item: pytest.Item) -> int:
    return RIGHT_SHARE if "unusual" in item.name else SHARE


def _kills(item: pytest.Item) -> bool:
    """Say whether a mutant shows only when a process is killed, which takes seconds each; those of key-values stand for all."""
    mutant = getattr(item, "callspec", None) and item.callspec.params.get("mutant")  # type: ignore[attr-defined]
    return item.path.parent.name != "zoo" and "kill" in getattr(mutant, "trap", "")
