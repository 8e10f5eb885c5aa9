"""What the drivers of one place share: for each data model a home of its own, and in it one for each namespace."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import prism_testkit as prism

__all__ = ["MemoryClient", "clean", "connect"]

_ME = "memory"
_NAMESPACE_WIDTH = 24


@dataclass(frozen=True, slots=True)
class MemoryClient:
    """What ``connect`` yields: the data of one place, by model and namespace, and the place's clock."""

    models: dict[str, dict[str, Any]]
    clock: prism.Clock

    def model(self, name: str) -> dict[str, Any]:
        """Return the home of a data model: a dict from namespace to whatever its driver keeps there.

        A driver looks its namespace up at each call, because `clean` drops it while drivers of it may live on.
        """
        return self.models.setdefault(name, {})


@asynccontextmanager
async def connect(place: prism.Place) -> AsyncIterator[MemoryClient]:
    """Open a place: its data lives in ``place.shared``, so all clients see one set of it, and none outlives the process."""
    yield MemoryClient(place.shared.setdefault(_ME, {}), place.clock)


async def clean(client: MemoryClient, prefix: str) -> None:
    """Drop every namespace that begins with ``prefix``, in every model."""
    # Namespaces have one width, so a whole one is the prefix of no other.
    whole = len(prefix) == _NAMESPACE_WIDTH
    for spaces in client.models.values():
        for namespace in [prefix] if whole else [name for name in spaces if name.startswith(prefix)]:
            spaces.pop(namespace, None)
