"""SQLite, one file a place: durable, transactional, and there wherever Python is."""

import prism_testkit as prism
from prism_backends.sqlite.client import SqliteClient, clean, connect
from prism_backends.sqlite.keyvalue import SqliteKeyValue
from prism_backends.sqlite.objects import SqliteObjectStorage
from prism_backends.sqlite.pubsub import SqlitePubSub
from prism_backends.sqlite.queue import SqliteQueue
from prism_backends.sqlite.stream import SqliteStream
from prism_testkit.registry import Registry

__all__ = [
    "SqliteClient",
    "SqliteKeyValue",
    "SqliteObjectStorage",
    "SqlitePubSub",
    "SqliteQueue",
    "SqliteStream",
    "prism_register_backends",
    "sqlite",
]

sqlite = prism.Backend(
    name="sqlite",
    connect=connect,
    drivers=[SqliteKeyValue, SqliteObjectStorage, SqliteQueue, SqlitePubSub, SqliteStream],
    clean=clean,
    traits=prism.Traits(durability="process", sharing="processes"),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(sqlite)
