"""Valkey whose log is on disk before a write is acknowledged, as a row of its own."""

import prism_testkit as prism
from prism_backends.redis.logs import synced
from prism_backends.valkey import valkey
from prism_testkit.registry import Registry

__all__ = ["prism_register_backends", "valkey_always"]

valkey_always = synced(valkey, "valkey")


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(valkey_always)
