"""The settings of a Kafka that is one node, for tests: nothing is replicated, and it does not wait for others."""

from pathlib import Path

__all__ = ["AOT", "AOT_OF", "JARS", "LOGS", "PORT", "SETTINGS", "TEMPLATE", "environment", "overrides", "properties"]

JARS, TEMPLATE = "jars", "template"
AOT = "kafka.aot"
"""The start-up cache."""
AOT_OF = "kafka.aot.java"
"""Which Java it is of."""
SETTINGS = "server.properties"
LOGS = "logs"
"""Kafka's word for its data."""
PORT = 9092
"""Where it listens within a container."""

_FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    # A broker that was killed waits, when it is back, until its old session is over: 9 s by default.
    "broker.session.timeout.ms": "1000",
    "broker.heartbeat.interval.ms": "200",
    "auto.create.topics.enable": "false",
}


_QUICK = {
    # The controller gathers changes for 25 ms before it writes them: that would be most of what making a topic takes.
    "controller.quorum.append.linger.ms": "0",
}
"""What is not in the settings of a template, so that one that is there already starts with it too."""


def properties(logs: Path, port: str, controller: str) -> str:
    """Return the text of a settings file."""
    return "".join(f"{name}={value}\n" for name, value in {**_FIXED, **_places(logs, port, controller)}.items())


def overrides(logs: Path, port: str, controller: str) -> list[str]:
    """Return the arguments that put a formatted template into its own place."""
    found = {**_places(logs, port, controller), **_QUICK}
    return [word for name, value in found.items() for word in ("--override", f"{name}={value}")]


def environment(port: str) -> dict[str, str]:
    """Return what the official image takes for settings; clients come by ``port``, from outside of the container.

    It formats the disk without ``--standalone``, for which the controllers have to be named. What the broker says to itself it
    says to an address that leads there from within.
    """
    places = {
        "log.dirs": "/var/lib/kafka/data",
        "listeners": f"PLAINTEXT://0.0.0.0:{PORT},INTERNAL://127.0.0.1:9094,CONTROLLER://127.0.0.1:9093",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port},INTERNAL://127.0.0.1:9094",
        "inter.broker.listener.name": "INTERNAL",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "controller.quorum.voters": "1@127.0.0.1:9093",
    }
    settings = {f"KAFKA_{name.upper().replace('.', '_')}": value for name, value in {**_FIXED, **_QUICK, **places}.items()}
    return {**settings, "CLUSTER_ID": "PrismTestkitCluster000", "KAFKA_HEAP_OPTS": "-Xmx256m"}


def _places(logs: Path, port: str, controller: str) -> dict[str, str]:
    listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
    return {
        "log.dirs": str(logs),
        "listeners": listeners,
        "advertised.listeners": listeners,
        "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
    }
