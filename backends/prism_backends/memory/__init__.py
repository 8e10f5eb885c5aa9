"""Plain Python objects that keep every promise: the backend to read first, and the quickest to test against."""

import prism_testkit as prism
from prism_backends.memory.client import MemoryClient, clean, connect
from prism_backends.memory.keyvalue import MemoryKeyValue
from prism_backends.memory.objects import MemoryObjectStorage
from prism_backends.memory.pubsub import MemoryPubSub
from prism_backends.memory.queue import MemoryQueue
from prism_backends.memory.stream import MemoryStream
from prism_testkit.registry import Registry

__all__ = [
    "MemoryClient",
    "MemoryKeyValue",
    "MemoryObjectStorage",
    "MemoryPubSub",
    "MemoryQueue",
    "MemoryStream",
    "memory",
    "prism_register_backends",
]

memory = prism.Backend(
    name="memory",
    connect=connect,
    drivers=[MemoryKeyValue, MemoryObjectStorage, MemoryPubSub, MemoryQueue, MemoryStream],
    clean=clean,
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(memory)
