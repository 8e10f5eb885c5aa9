"""What a server keeps on disk, beyond what the plain rows let it: rows of their own, which run where they are named."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import prism_testkit as prism
from prism_backends.redis.client import RedisClient
from prism_backends.redis.server import NO_LOG, SYNCED, Product, server

__all__ = ["in_memory", "synced"]


def synced(backend: prism.Backend[RedisClient], product: Product) -> prism.Backend[RedisClient]:
    """Return ``<name>@always``: the log is on disk (``appendfsync always``) before a write is acknowledged.

    The claims are those of ``backend``: what it has more, a loss of power, nothing here can show.
    """
    return replace(backend, name=f"{backend.name}@always", server=server(product, SYNCED), by_name=True)


def in_memory(backend: prism.Backend[RedisClient], product: Product) -> prism.Backend[RedisClient]:
    """Return ``<name>@memory``: there is no log (``appendonly no``), and nothing that SIGKILL of the server leaves is claimed."""
    drivers = [_claiming_nothing(driver) for driver in backend.drivers]
    traits = replace(backend.traits, durability="none")
    named = f"{backend.name}@memory"
    return replace(backend, name=named, drivers=drivers, traits=traits, server=server(product, NO_LOG), by_name=True)


def _claiming_nothing(driver: Callable[[RedisClient, str], object]) -> Callable[[RedisClient, str], object]:
    """Return a driver class like this one, but for what it claims to survive a kill."""
    assert isinstance(driver, type), "the drivers of redis are classes"
    members: dict[str, Any] = {"__doc__": driver.__doc__, "__module__": driver.__module__}
    traits: prism.Traits | None = getattr(driver, "traits", None)
    if traits is not None:
        members["traits"] = replace(
            traits, durability="none", ack_survives_kill="no", lease_survives_kill="no", attempts_survive_kill="no"
        )
    made: Callable[[RedisClient, str], object] = type(driver.__name__, (driver,), members)
    return made
