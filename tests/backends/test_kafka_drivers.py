"""The Kafka drivers beyond what the suites see: what is on the server, what others do meanwhile, what a broker may answer."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from awaiting import HANGS_S, LONG_S, expect
from kafka_store import World, connected, missing, name, over_kafka, serving

from prism_backends.kafka import connections, listening, space
from prism_backends.kafka.backend import KafkaPubSub, KafkaStream, kafka
from prism_backends.kafka.client import EARLIEST
from prism_backends.kafka.connections import Link, refusal
from prism_testkit.interfaces import errors

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


async def read(stream: Any, of: str = "s", **bounds: int) -> list[tuple[int, bytes]]:
    return [(record.offset, record.payload) async for record in stream.read(of, **bounds)]


# What is on the server


@over_kafka
async def test_looking_makes_nothing(world: World) -> None:
    stream, pubsub = await world.driver(KafkaStream), await world.driver(KafkaPubSub)
    assert (await read(stream), await stream.latest_offset("s"), await stream.trim("s", 9)) == ([], None, 0)
    assert await pubsub.last_message_id("t") is None
    async with pubsub.subscribe("t") as listener:
        assert await listener.receive() is None
    await stream.enforce_retention("s")
    await stream.compact("s")
    assert await world.topics() == set()


@over_kafka
async def test_clean_removes_a_namespace_and_nothing_that_looks_alike(world: World) -> None:
    other = name()
    alike = [f"{other}x-stream", f"x{other}-stream", f"{other}-stream-x", f"{other}-other"]
    for topic in (f"{other}-stream", f"{other}-pubsub", f"{other}-plain", *alike):
        assert await world.client.create("test", topic, 1)
    assert kafka.clean is not None
    await kafka.clean(world.client, other)
    assert {topic for topic in await world.client.topics("test") if other in topic} == set(alike)
    await world.client.delete("test", alike)
    for prefix in ("", "A", "a" * 25, "a*"):
        with pytest.raises(ValueError, match="clean: expected 1 to 24 digits of base 36"):
            await kafka.clean(world.client, prefix)


@over_kafka
async def test_what_is_left_after_a_clean_brings_nothing_back(world: World) -> None:
    stream = await world.driver(KafkaStream)
    await stream.append("s", b"x")
    await stream.create_group("s", "g")
    assert kafka.clean is not None
    async with stream.join("s", "g", "c") as member:
        deliveries = await member.receive()
        await kafka.clean(world.client, world.namespace)
        await expect(errors.Conflict, member.ack(*deliveries))
        await expect(errors.GroupNotFound, member.receive())
    assert await world.topics() == set()


@over_kafka
async def test_a_driver_goes_on_after_a_clean(world: World) -> None:
    stream = await world.driver(KafkaStream)
    for _ in range(3):
        await stream.append("s", b"before")
    assert kafka.clean is not None
    await kafka.clean(world.client, world.namespace)
    await expect(errors.BackendUnavailable, stream.append("s", b"lost"))  # where it was to go is over
    assert await stream.append("other", b"after") == 0
    assert (await read(stream), await read(stream, "other")) == ([], [(0, b"after")])
    assert await read(await world.driver(KafkaStream), "other") == [(0, b"after")]


@over_kafka
async def test_more_streams_than_a_topic_begins_with(world: World) -> None:
    drivers = [await world.driver(KafkaStream) for _ in range(2)]
    names = [f"s{number}" for number in range(3 * space._FIRST_PARTITIONS)]
    await asyncio.gather(*(driver.append(each, each.encode()) for driver in drivers for each in names))
    for driver in drivers:
        for each in names:
            assert [payload for _, payload in await read(driver, each)] == [each.encode()] * 2


@over_kafka
async def test_what_is_trimmed_or_outside_of_bounds_kafka_is_told_to_free(world: World) -> None:
    stream = await world.driver(KafkaStream)
    for number in range(10):
        await stream.append("s", b"%d" % number)
    (partition,) = (await stream._known("test", "s")).partitions
    assert await stream.trim("s", 3) == 3
    assert await world.client.offsets("test", f"{world.namespace}-stream", {partition: EARLIEST}) == {partition: 3}
    await stream.set_retention("s", max_records=2)
    await stream.enforce_retention("s")
    assert await world.client.offsets("test", f"{world.namespace}-stream", {partition: EARLIEST}) == {partition: 8}


@over_kafka
async def test_bounds_that_are_set_while_they_are_enforced_are_reckoned_anew(world: World) -> None:
    stream, other = await world.driver(KafkaStream), await world.driver(KafkaStream)
    for _ in range(5):
        await stream.append("s", b"x")
    await stream.set_retention("s", max_records=1)
    ends = stream._space.ends

    async def meanwhile(*arguments: Any) -> Any:
        stream._space.ends = ends
        await other.set_retention("s", max_records=4)
        return await ends(*arguments)

    stream._space.ends = meanwhile
    await stream.enforce_retention("s")
    assert [offset for offset, _ in await read(other)] == [1, 2, 3, 4]


@over_kafka
async def test_what_bounds_count_is_what_compaction_left(world: World) -> None:
    stream = await world.driver(KafkaStream)
    for key in ("a", "b", "a", None, "b", "a", "a"):
        await stream.append("s", b"", key)
    await stream.compact("s")
    assert [offset for offset, _ in await read(stream)] == [3, 4, 6]
    for most, left in ((3, [3, 4, 6]), (2, [4, 6]), (1, [6])):
        await stream.set_retention("s", max_records=most)
        await stream.enforce_retention("s")
        assert [offset for offset, _ in await read(stream)] == left


# Plain messages


@over_kafka
async def test_one_who_is_behind_what_kafka_let_go_has_a_gap_and_goes_on(world: World) -> None:
    pubsub = await world.driver(KafkaPubSub)
    async with pubsub.subscribe("t") as listener:
        for payload in (b"a", b"b", b"c"):
            await pubsub.publish("t", payload)
        assert (await listener.receive(LONG_S)).payload == b"a"
        for _ in range(2):
            await listener.receive(LONG_S)
        for payload in (b"d", b"e"):
            await pubsub.publish("t", payload)
        await world.client.delete_records("test", f"{world.namespace}-plain", {0: 4})
        assert ((await listener.receive(LONG_S)).payload, listener.gaps) == (b"e", 1)


@over_kafka
async def test_who_wants_little_reads_past_much_in_one_receive(world: World) -> None:
    pubsub = await world.driver(KafkaPubSub)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "_PAGE_BYTES", 1)
        async with pubsub.subscribe("t") as listener:
            for _ in range(20):
                await pubsub.publish("other", b"x")
            sent = await pubsub.publish("t", b"y")
            message = await listener.receive()
            assert message is not None
            assert (message.id, message.payload) == (sent, b"y")


# What a broker may answer


@over_kafka
async def test_a_closed_client_says_so(world: World) -> None:
    async with connected(world.url) as client:
        stream = KafkaStream(client, world.namespace)
        await stream.append("s", b"x")
    await expect(errors.Closed, stream.append("s", b"x"))


@over_kafka
async def test_a_cluster_of_several_brokers_is_refused(world: World) -> None:
    stream = await world.driver(KafkaStream)
    ask = stream.client._link.ask

    async def several(what: str, request: Any) -> Any:
        answer = await ask(what, request)
        return type("Answer", (), {"brokers": [1, 2]}) if hasattr(answer, "brokers") else answer

    stream.client._link.ask = several
    error = await expect(errors.ConfigError, stream.append("s", b"x"))
    assert "the cluster has 2 brokers" in str(error)
    assert await world.topics() == set()


@over_kafka
async def test_a_lost_connection_is_made_again_and_counted_once(world: World) -> None:
    stream = await world.driver(KafkaStream)
    await stream.append("s", b"x")
    assert stream.client.lost == 0
    stream.client._link._connection.close()
    assert await stream.latest_offset("s") == 0
    assert await stream.latest_offset("s") == 0
    assert stream.client.lost == 1


def test_who_does_not_answer_is_given_up() -> None:
    async def main() -> None:
        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        async with server:
            link = Link(f"kafka://127.0.0.1:{server.sockets[0].getsockname()[1]}")
            error = await expect(errors.OperationTimeout, link.ask("kafka: append 's'", None))
            assert str(error).startswith("kafka: append 's': no answer in time")
            await link.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connections, "TIMEOUT_S", 0.05)
        asyncio.run(asyncio.wait_for(main(), HANGS_S))


@over_kafka
async def test_what_a_stranger_wrote_is_said_to_be_one(world: World) -> None:
    stream, pubsub = await world.driver(KafkaStream), await world.driver(KafkaPubSub)
    await stream.append("s", b"x")
    (partition,) = (await stream._known("test", "s")).partitions
    await world.client.append("test", f"{world.namespace}-stream", partition, b"x", b"\xff")
    await expect(errors.CorruptPayload, read(stream))
    async with pubsub.subscribe("t") as listener:
        await pubsub.publish("t", b"a")
        await world.client.append("test", f"{world.namespace}-plain", 0, b"x", b"\xff")
        await pubsub.publish("t", b"b")
        assert [(await listener.receive(LONG_S)).payload for _ in range(2)] == [b"a", b"b"]
        assert listener.gaps == 1
    for value in (b"no json", b"[]", b"{}"):
        await world.client.append("test", f"{world.namespace}-stream", 0, value)
        error = await expect(errors.CorruptPayload, (await world.driver(KafkaStream)).latest_offset("s"))
        assert "is none of ours" in str(error)


@over_kafka
async def test_who_speaks_another_version_is_told(world: World) -> None:
    stream = await world.driver(KafkaStream)
    await stream.append("s", b"x")
    stream.client._link._connection._versions = dict.fromkeys(range(40), (99, 99))
    error = await expect(errors.ConfigError, stream.append("s", b"x"))
    assert "too old or too new" in str(error)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (7, errors.OperationTimeout),
        (10, errors.PayloadTooLarge),
        (29, errors.AccessDenied),
        (44, errors.ConfigError),
        (89, errors.QuotaExceeded),
        (-1, errors.BackendUnavailable),
        (19, errors.BackendUnavailable),
    ],
)
def test_what_a_broker_refuses(code: int, kind: type[Exception]) -> None:
    error = refusal(code, "kafka: append 's'")
    assert type(error) is kind
    assert str(error).startswith("kafka: append 's': Kafka says ")
