"""JetStream: what is left on the server, what a kill may leave there, and what only the server's own words tell."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from awaiting import HANGS_S, changed, expect
from nats_store import World, connected, name, over_jetstream, serving

from prism_backends.jetstream import JetStreamKeyValue, JetStreamObjectStorage, JetStreamQueue, JetStreamStream, jetstream
from prism_backends.jetstream.api import Stored, nanoseconds, stream_config
from prism_backends.jetstream.cells import GONE
from prism_backends.jetstream.holding import _taken
from prism_backends.jetstream.queueentries import Entry, entry_of
from prism_testkit.interfaces import Lease
from prism_testkit.interfaces.errors import BackendUnavailable, Conflict
from prism_testkit.naming import encode_name, hash_name


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(jetstream, tmp_path_factory.mktemp("state")) as address:
        yield address


# What is left


@over_jetstream
async def test_nothing_is_left_of_what_is_gone(world: World) -> None:
    queue, keys = await world.driver(JetStreamQueue), await world.driver(JetStreamKeyValue)
    objects = await world.driver(JetStreamObjectStorage)
    for number in range(4):
        await queue.enqueue("q", b"x")
        await keys.set(f"{number}", b"x")
    await queue.dequeue("q")
    await queue.ack(await queue.receive("q", 60))
    await queue.release(await queue.receive("q", 60))
    await keys.delete("0")
    await keys.compare_and_delete("1", b"x")
    await keys.expire("2", 0)
    await keys.set_with_ttl("3", b"x", -1)
    await objects.create_bucket("b")
    for key in ("one", "two"):
        await objects.put("b", key, bytes(2_000_000))
    await objects.put("b", "one", bytes(1_500_000))
    await objects.delete("b", "two")
    for driver in (queue, keys, objects):
        await driver.close()
    assert sum((await world.kept("queue")).values()) == 2
    assert await world.kept("kv") == {}
    assert sum((await world.kept("objects")).values()) == 1 + 1 + 3  # the bucket, what is known of an object, and its chunks


@over_jetstream
async def test_what_expired_is_removed_by_the_server_itself(world: World) -> None:
    keys = await world.driver(JetStreamKeyValue)
    await keys.set_with_ttl("long", b"x", 1000)
    assert sum((await world.kept("kv")).values()) == 1
    await keys.set_with_ttl("k", b"x", 0.1)
    await keys.close()
    found = await world.server.info("test", f"{world.namespace}_kv")
    assert found is not None
    assert found["state"]["last_seq"] == 2, "it was there, whether it still is or not"
    await changed(lambda: _only_one_in(world, "kv"))


async def _only_one_in(world: World, model: str) -> bool:
    return sum((await world.kept(model)).values()) == 1


@over_jetstream
async def test_a_put_that_fails_or_is_cancelled_leaves_no_chunk(world: World) -> None:
    objects = await world.driver(JetStreamObjectStorage)
    await objects.create_bucket("b")

    async def failing() -> Any:
        yield bytes(1_200_000)
        raise ZeroDivisionError

    async def endless() -> Any:
        while True:
            yield bytes(600_000)

    await expect(ZeroDivisionError, objects.put_stream("b", "k", failing()))
    for _ in range(5):
        call = asyncio.create_task(objects.put_stream("b", "k", endless()))
        await changed(lambda: _more_than(world, 1))
        call.cancel()
        await asyncio.wait([call])
        await objects._table.tidied()
    assert sum((await world.kept("objects")).values()) == 1  # the bucket


async def _more_than(world: World, count: int) -> bool:
    return sum((await world.kept("objects")).values()) > count


@over_jetstream
async def test_clean_removes_a_namespace_and_nothing_that_looks_alike(world: World) -> None:
    other = name()
    alike = f"{other}x_stream_y"
    for stream in (f"{other}_stream_y", alike, f"x{other}_stream_y"):
        await world.server.make("test", stream_config(stream, f"{stream}.>"))
    assert jetstream.clean is not None
    await jetstream.clean(world.client, other)
    assert await world.server.info("test", f"{other}_stream_y") is None
    for stream in (alike, f"x{other}_stream_y"):
        assert await world.server.info("test", stream) is not None
        await world.server.api("test", f"STREAM.DELETE.{stream}")
    for prefix in ("", "A", "a" * 25, "a*"):
        with pytest.raises(ValueError, match="clean: expected 1 to 24 digits of base 36"):
            await jetstream.clean(world.client, prefix)


# What a kill leaves


@over_jetstream
async def test_a_state_that_a_kill_left_behind_its_successor_is_not_given(world: World) -> None:
    queue = await world.driver(JetStreamQueue)
    await queue.enqueue("q", b"taken")
    await queue.enqueue("q", b"there")
    first = await world.server.message("test", f"{world.namespace}_queue", seq=1)
    assert first is not None
    # What took it was stored, and the server killed before it removed what that replaced.
    await world.server.publish("test", {}, first.subject, GONE)
    message = await queue.dequeue("q")
    assert (message.payload, await queue.dequeue("q")) == (b"there", None)


@over_jetstream
async def test_a_bucket_whose_closer_died_is_open_again(world: World) -> None:
    objects = await world.driver(JetStreamObjectStorage)
    await objects.create_bucket("b")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prism_backends.jetstream.objecttable._CLOSING_NS", 50_000_000)
        subject = f"{world.namespace}.o.b.{encode_name(b'b')}"
        stored = await world.server.message("test", f"{world.namespace}_objects", last_by_subj=subject)
        assert stored is not None
        await world.server.publish("test", {}, subject, stored.data.replace(b"open", b"closing"), {"Nats-Rollup": "sub"})
        assert (await objects.put("b", "k", b"x")).size == 1


@over_jetstream
async def test_what_was_taken_long_ago_is_removed_by_others(world: World) -> None:
    queue = await world.driver(JetStreamQueue)
    await queue.enqueue("q", b"x")
    stored = await world.server.message("test", f"{world.namespace}_queue", seq=1)
    assert stored is not None
    await world.server.publish("test", {}, stored.subject, GONE, {"Nats-Rollup": "sub"})
    assert await queue.peek("q") is None
    assert await world.kept("queue") != {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prism_backends.jetstream.queuetable._GRACE_NS", 0)
        assert await queue.peek("q") is None
    assert await world.kept("queue") == {}


# Leases and members


@over_jetstream
async def test_a_token_of_another_queue_or_of_nobody_ends_nothing(world: World) -> None:
    queue = await world.driver(JetStreamQueue)
    await queue.enqueue("q", b"x")
    lease = await queue.receive("q", 60)
    subject, _, sequence = lease.token.split(" ")
    for token in ("", "x", f"{world.namespace}.q.{hash_name(b'q')}.> x", f"{subject} other {sequence}"):
        await expect(Conflict, queue.ack(Lease("q", lease.message, 1, token)))
    await expect(Conflict, queue.ack(Lease("other", lease.message, 1, lease.token)))
    await queue.ack(lease)


@over_jetstream
async def test_a_member_says_nothing_of_what_it_gave_no_sign_of_life_for(world: World) -> None:
    stream = await world.driver(JetStreamStream)
    for payload in (b"a", b"b"):
        await stream.append("s", payload)
    await stream.create_group("s", "g")
    async with stream.join("s", "g", "c") as member:
        first, second = await member.receive(2)
        holding = next(iter(stream._members)).holding
        holding._until[first.token.partition(" ")[2]] = 0.0
        await expect(Conflict, member.ack(first, second))
        await member.ack(second)  # that it did, and to do so again is harmless
        await expect(Conflict, member.nack(first))
        assert (await stream.group_info("s", "g")).pending == 1


def test_a_reply_is_read_with_and_without_a_domain() -> None:
    class Message:
        data = b"x"

        def __init__(self, reply: str) -> None:
            self.reply = reply

    short = "$JS.ACK.stream.consumer.3.7.9.1795290856059212977.59"
    long = "$JS.ACK.domain.account.stream.consumer.3.7.9.1795290856059212977.59.random"
    for reply in (short, long, long.removesuffix(".random")):
        taken = _taken("me", Message(reply))  # type: ignore[arg-type]
        assert (taken.count, taken.sequence, taken.at_ns, taken.token) == (3, 7, 1795290856059212977, f"me {reply}")


def test_instants_are_read_to_the_nanosecond() -> None:
    assert nanoseconds("2026-11-21T19:46:14.038667523Z") == 1795290374038667523
    assert nanoseconds("2026-11-21T19:46:14.5Z") == 1795290374500000000
    assert nanoseconds("2026-11-21T19:46:14Z") == 1795290374000000000


def test_an_entry_gives_back_what_was_put_into_it() -> None:
    entry = Entry("id", b"\0", {"é": "", "a": "b"}, 3, "lease", 10**18, "died 1", 7, "s", 5, 9)
    assert entry_of(Stored("s", 5, 9, entry.sealed()), "test") == entry
    assert (entry.until_ns, entry.turn, entry.died_in) == (10**18 + 9, 7, "died")


# A server that is not there


def test_without_a_server_a_call_says_so_at_once() -> None:
    async def play() -> None:
        async with connected("nats://127.0.0.1:1") as client:
            for call in (JetStreamKeyValue(client, name()).get("k"), JetStreamQueue(client, name()).enqueue("q", b"")):
                assert "jetstream" in str(await expect(BackendUnavailable, call))

    asyncio.run(asyncio.wait_for(play(), HANGS_S))
