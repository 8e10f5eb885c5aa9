"""NATS over nats-py, without JetStream. Importing this is the first moment nats-py is needed."""

import prism_testkit as prism
from prism_backends.nats.client import NatsClient, connect
from prism_backends.nats.pubsub import NatsPubSub
from prism_backends.nats.server import nats_server
from prism_testkit.registry import Registry

__all__ = ["NatsClient", "NatsPubSub", "nats", "prism_register_backends"]

nats = prism.Backend(
    name="nats",
    connect=connect,
    drivers=[NatsPubSub],  # nothing is kept, so there is nothing to clean
    server=nats_server(),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(nats)
