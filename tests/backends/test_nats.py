"""NATS without JetStream: what a subscription counts, what an envelope is, and servers of the wrong kind."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from awaiting import LONG_S, expect
from hypothesis import given
from hypothesis import strategies as st
from nats_store import World, over_jetstream, serving
from redis_store import serving as serving_valkey

from prism_backends.jetstream import jetstream
from prism_backends.nats import NatsPubSub, listening, nats
from prism_backends.nats.connection import Connection
from prism_backends.nats.envelope import mapping_of, opened, sealed, texts_of
from prism_backends.nats.server import jetstream_server, nats_server
from prism_backends.nats.tokens import tokens_of, topic_of
from prism_testkit.interfaces.errors import ConfigError
from prism_testkit.naming import HEADERS_BYTES


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(nats, tmp_path_factory.mktemp("plain")) as address:
        yield address


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(jetstream, tmp_path_factory.mktemp("jetstream")) as address:
        yield address


# Servers


def test_a_server_without_jetstream_is_told_in_words(plain: str) -> None:
    version = jetstream_server().version
    assert version is not None
    told = asyncio.run(expect(ConfigError, version(plain)))
    assert "it is NATS without JetStream" in str(told)
    assert "PRISM_NATS_URL" in str(told)


def test_each_kind_of_server_tells_its_version(plain: str, url: str) -> None:
    for server, address in ((nats_server(), plain), (nats_server(), url), (jetstream_server(), url)):
        assert server.version is not None
        assert asyncio.run(server.version(address)).startswith("2.")


def test_another_server_is_told_in_words(tmp_path_factory: pytest.TempPathFactory) -> None:
    version = nats_server().version
    assert version is not None
    with serving_valkey(tmp_path_factory.mktemp("valkey")) as address:
        told = asyncio.run(expect(ConfigError, version(address.replace("redis:", "nats:").removesuffix("/0"))))
    assert "it is not NATS" in str(told)


# Subscriptions


@over_jetstream
async def test_what_a_full_buffer_drops_is_counted(world: World) -> None:
    driver = await world.driver(NatsPubSub)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listening, "_BUFFER_BYTES", 10_000)
        async with driver.subscribe("t") as subscription:
            for number in range(20):
                await driver.publish("t", bytes([number]) * 1000)
            received = [message.payload[0] for message in [await subscription.receive() for _ in range(20)] if message]
            assert received == list(range(9))  # nine fit, with what travels beside them
            assert subscription.gaps == 11
            await driver.publish("t", b"there is room again")
            assert (await subscription.receive()).payload == b"there is room again"


@over_jetstream
async def test_what_is_none_of_ours_is_a_gap(world: World) -> None:
    driver = await world.driver(NatsPubSub)
    async with driver.subscribe("t") as subscription:
        connection = await world.client.connection()
        await connection.send(f"{world.namespace}.plain.{tokens_of('t')}", b"\xff\xff no envelope")
        await connection.sync()
        assert await subscription.receive() is None
        assert subscription.gaps == 1


def test_connecting_is_cancelled_whenever_it_is_told(plain: str) -> None:
    """nats-py waits by ``asyncio.wait_for``, which may swallow a cancellation before Python 3.12."""

    async def swallowed(turns: int) -> bool:
        connection = Connection()
        opening = asyncio.create_task(connection.open(plain))
        for _ in range(turns):
            await asyncio.sleep(0)
        told = opening.cancel()
        await asyncio.wait([opening])
        await connection.close()
        return told and not opening.cancelled()

    async def run() -> None:
        point, began = 0, True
        while began:
            assert not await swallowed(point), f"after {point} turns"
            connection = Connection()
            opening = asyncio.create_task(connection.open(plain))
            for _ in range(point):
                await asyncio.sleep(0)
            began = not opening.done()
            await opening
            await connection.close()
            point += 1 + point // 100  # each for a long while; where a server takes its time there would be no end of them

    asyncio.run(run())


@over_jetstream
async def test_a_connection_that_is_lost_is_replaced(world: World) -> None:
    driver = await world.driver(NatsPubSub)
    async with driver.subscribe("t") as subscription:
        await (await driver.client.connection()).close()
        await driver.publish("other", b"")  # the next call has a new one
        while await subscription.receive() is None:
            await driver.publish("t", b"again")
        assert subscription.gaps == 1


# Envelopes


def test_a_connection_that_is_lost_while_it_is_written_leaves_nothing(plain: str) -> None:
    """nats-py stops to close at the first write that fails: with tasks that wait for ever, and its socket open."""

    async def main() -> None:
        connection = Connection()
        await connection.open(plain)
        raw: Any = connection._raw
        transport = raw._transport

        async def lost() -> None:
            raise ConnectionResetError

        transport.drain = lost
        raw._flusher_task.cancel()
        raw._pending, raw._pending_data_size = [b"PING\r\n"], 6
        await connection.close()
        if left := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(left, timeout=LONG_S)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        assert transport._io_writer.is_closing()

    asyncio.run(main())


@given(st.lists(st.text(st.characters(codec="utf-8"))), st.binary())
def test_an_envelope_gives_back_what_was_put_into_it(texts: list[str], payload: bytes) -> None:
    assert opened(sealed(texts, payload)) == (texts, payload)


@given(st.dictionaries(st.text(st.characters(codec="utf-8")), st.text(st.characters(codec="utf-8"))))
def test_headers_are_texts_in_turn(headers: dict[str, str]) -> None:
    assert mapping_of(texts_of(headers)) == headers


@given(st.binary(max_size=40))
def test_what_is_no_envelope_is_refused_and_nothing_else_raised(data: bytes) -> None:
    try:
        texts, payload = opened(data)
    except ValueError:
        return
    assert sealed(texts, payload) == data


def test_an_envelope_that_was_cut_is_refused() -> None:
    whole = sealed(["ab", "c"], b"")
    for length in range(len(whole)):
        with pytest.raises(ValueError, match="too short"):
            opened(whole[:length])


def test_the_largest_message_fits_what_a_server_takes() -> None:
    headers = [character for number in range(HEADERS_BYTES) for character in (chr(number % 128), "")]
    assert len(sealed(["i" * 24, "k" * 512, *headers], bytes(1_000_000))) < 1 << 20


@given(st.text(st.characters(codec="utf-8"), min_size=1))
def test_a_topic_is_told_by_its_tokens(topic: str) -> None:
    assert topic_of(tokens_of(topic)) == topic
    assert tokens_of(topic).count(".") == topic.count(".")
