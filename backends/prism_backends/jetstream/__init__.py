"""JetStream, which keeps what NATS sends, over nats-py. Importing this is the first moment nats-py is needed."""

import prism_testkit as prism
from prism_backends.jetstream.cleaning import clean
from prism_backends.jetstream.keyvalue import JetStreamKeyValue
from prism_backends.jetstream.objects import JetStreamObjectStorage
from prism_backends.jetstream.pubsub import JetStreamPubSub
from prism_backends.jetstream.queue import JetStreamQueue
from prism_backends.jetstream.serverclock import CLOCK_RESOLUTION_S
from prism_backends.jetstream.stream import JetStreamStream
from prism_backends.nats.client import NatsClient, connect
from prism_backends.nats.server import jetstream_server
from prism_testkit.registry import Registry

__all__ = [
    "JetStreamKeyValue",
    "JetStreamPubSub",
    "JetStreamQueue",
    "JetStreamStream",
    "NatsClient",
    "jetstream",
    "prism_register_backends",
]

jetstream = prism.Backend(
    name="jetstream",
    connect=connect,
    drivers=[JetStreamKeyValue, JetStreamObjectStorage, JetStreamPubSub, JetStreamQueue, JetStreamStream],
    clean=clean,
    limits=prism.Limits(clock_resolution_s=CLOCK_RESOLUTION_S),
    traits=prism.Traits(durability="process"),
    server=jetstream_server(),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(jetstream)
