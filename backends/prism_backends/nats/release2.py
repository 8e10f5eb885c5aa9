"""NATS 2.9, which distributions still ship, as a row of its own beside the newest.

Without JetStream: what the drivers of that need came with 2.12 (atomic batches, scheduled messages, reads of many subjects).
"""

from dataclasses import replace

import prism_testkit as prism
from prism_backends.nats import nats
from prism_backends.nats.server import nats_server
from prism_testkit.registry import Registry

__all__ = ["nats_2_9", "prism_register_backends"]

nats_2_9 = replace(nats, name="nats@2-9", server=replace(nats_server(), release="2.9", wheel="", image="nats:2.9"))


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(nats_2_9)
