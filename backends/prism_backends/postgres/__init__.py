"""PostgreSQL over asyncpg. Importing this is the first moment asyncpg is needed."""

import prism_testkit as prism
from prism_backends.postgres.client import PostgresClient, clean, connect
from prism_backends.postgres.keyvalue import PostgresKeyValue
from prism_backends.postgres.pubsub import PostgresPubSub
from prism_backends.postgres.queue import PostgresQueue
from prism_backends.postgres.server import server
from prism_backends.postgres.stream import PostgresStream
from prism_testkit.registry import Registry

__all__ = [
    "PostgresClient",
    "PostgresKeyValue",
    "PostgresPubSub",
    "PostgresQueue",
    "PostgresStream",
    "postgres",
    "prism_register_backends",
]

postgres = prism.Backend(
    name="postgres",
    connect=connect,
    drivers=[PostgresKeyValue, PostgresPubSub, PostgresQueue, PostgresStream],
    clean=clean,
    traits=prism.Traits(durability="process"),
    server=server(),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(postgres)
