"""Valkey that keeps nothing on disk, and claims nothing of it, as a row of its own."""

import prism_testkit as prism
from prism_backends.redis.logs import in_memory
from prism_backends.valkey import valkey
from prism_testkit.registry import Registry

__all__ = ["prism_register_backends", "valkey_memory"]

valkey_memory = in_memory(valkey, "valkey")


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(valkey_memory)
