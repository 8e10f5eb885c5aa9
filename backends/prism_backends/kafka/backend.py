"""Apache Kafka over aiokafka. Importing this is the first moment aiokafka is needed."""

import prism_testkit as prism
from prism_backends.kafka.cleaning import clean
from prism_backends.kafka.client import KafkaClient, connect
from prism_backends.kafka.pubsub import KafkaPubSub
from prism_backends.kafka.server import server
from prism_backends.kafka.stream import KafkaStream
from prism_testkit.registry import Registry

__all__ = ["KafkaClient", "KafkaPubSub", "KafkaStream", "kafka", "prism_register_backends"]

kafka = prism.Backend(
    name="kafka",
    connect=connect,
    drivers=[KafkaPubSub, KafkaStream],
    clean=clean,
    traits=prism.Traits(durability="process"),
    server=server,
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(kafka)
