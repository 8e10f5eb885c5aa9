"""Streams over a real Valkey: what depends on the server, and on replies that do not come."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from awaiting import HANGS_S, LONG_S
from redis import exceptions as native
from redis_store import connected, name, private, serving
from stream_world import World, listed, numbers, over, payloads, with_horizons

from prism_backends.living import within
from prism_backends.redis import RedisStream, streammembers, streamscripts
from prism_backends.redis.streamids import id_of, offset_of
from prism_backends.redis.streammembers import RedisMember
from prism_testkit.interfaces import BackendUnavailable


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def test_offsets_and_ids() -> None:
    for identity in (b"1-0", b"1795281868386-0", b"1795281868386-2097151", b"4398046511103-2097151"):
        assert id_of(offset_of(identity)) == identity
    assert offset_of(b"6-0") == offset_of(b"5-2097151") + 1
    assert id_of(-1) == id_of(0) == b"0-0"
    assert id_of(10**30) == id_of(2**63 - 1)


@over("valkey")
async def test_many_records_of_one_millisecond_come_again_in_order(world: World) -> None:
    """Their numbers have one digit or more, so the order of ids is not that of their texts."""
    client, at = world.connection, world.stream._keys("append", "s")[1]  # type: ignore[union-attr]
    ids = [b"5-%d" % number for number in range(1, 30)] + [b"12-0"]
    for identity in ids:
        await client.execute_command("XADD", at, identity, "p", identity)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        held = await member.receive(100)
        assert payloads(held) == ids
        await member.nack(*reversed(held))
        assert payloads(await member.receive(100)) == ids
    assert [record.appended_ms for record in await listed(world.stream.read("s", 0, 1))] == [5]


@over("valkey")
async def test_a_receive_and_a_read_are_bounded_in_bytes(world: World) -> None:
    for _ in range(12):
        await world.stream.append("s", bytes(1_000_000))
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        sizes = []
        while taken := await member.receive(100):
            sizes.append(len(taken))
        assert sizes == [8, 4]
    assert len(await listed(world.stream.read("s"))) == 12


@over("valkey")
async def test_nothing_is_left_after_cleaning(world: World) -> None:
    await world.fill(2)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        held = await member.receive(2)
        await member.nack(held[0])
        assert len(await world.connection.execute_command("KEYS", f"{world.namespace}.stream:*")) == 7
        await world.clean()
        assert await world.connection.execute_command("KEYS", f"{world.namespace}*") == []


@over("valkey")
async def test_members_of_one_process_never_take_each_other_for_dead(world: World) -> None:
    """Whatever holds up their event loop, and with it the signs of life."""
    another = await world.another()
    offsets = await world.fill(2)
    await world.stream.create_group("s", "g")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streammembers, "HORIZON_S", 0.05)
        patch.setattr(streammembers, "_BEAT_S", 1000)
        async with world.stream.join("s", "g", "a") as member, another.join("s", "g", "b") as heir:
            held = await member.receive()
            while int((await world.connection.execute_command("INFO", "server"))["uptime_in_seconds"]) < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert numbers(await heir.receive(5)) == offsets[1:]
            await asyncio.sleep(0.1)
            assert await heir.receive(5, 0.3) == []
            assert (await world.stream.group_info("s", "g")).members == 2
            await member.ack(*held)


@contextlib.asynccontextmanager
async def reply_lost(world: World, script: str) -> AsyncIterator[None]:
    """Let the next call of a script take effect, and its caller not hear of it."""
    execute, lost = world.connection.execute_command, []

    async def lossy(*args: Any, **options: Any) -> Any:
        reply = await execute(*args, **options)
        if args[:2] == ("EVALSHA", script) and not lost:
            lost.append(reply)
            raise native.ConnectionError("the reply was lost")
        return reply

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world.connection, "execute_command", lossy)
        yield
    assert lost, "the script was not called"


@over("valkey")
async def test_what_was_taken_by_a_receive_whose_reply_was_lost_comes_with_the_next_one(world: World) -> None:
    offsets = await world.fill(2)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as member:
        async with reply_lost(world, streamscripts.TAKE):
            with pytest.raises(BackendUnavailable):
                await member.receive(2)
        assert (await world.stream.group_info("s", "g")).pending == 2
        again = await member.receive(2)
        assert [(delivery.record.offset, delivery.delivery_count) for delivery in again] == [(offset, 1) for offset in offsets]
        await member.ack(*again)
        assert (await world.stream.group_info("s", "g")).pending == 0


@over("valkey")
async def test_a_receive_that_was_given_up_takes_nothing_when_it_is_carried_out_late(world: World) -> None:
    offsets = await world.fill(3)
    await world.stream.create_group("s", "g")
    async with world.stream.join("s", "g", "a") as joined:
        member = within(joined)
        assert isinstance(member, RedisMember)
        member._batch += 1
        late = member._batch
        member._lost.add(late)
        assert numbers(await member.receive()) == offsets[:1]
        assert await member._run(streamscripts.TAKE, "receive", late, 5, "") == [0]
        assert await member._run(streamscripts.TAKE, "receive", late - 1, 5, "") == [0]
        assert numbers(await member.receive(5)) == offsets[1:]
    assert await member._run(streamscripts.TAKE, "receive", 99, 5, "") == [-2]


@over("valkey")
async def test_a_lost_join_and_a_lost_leave_end_by_themselves(world: World) -> None:
    offsets = await world.fill(1)
    await world.stream.create_group("s", "g")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streammembers, "HORIZON_S", 0.2)
        with pytest.raises(BackendUnavailable):
            async with reply_lost(world, streamscripts.JOIN), world.stream.join("s", "g", "a"):
                pytest.fail("entered")
        assert (await world.stream.group_info("s", "g")).members == 0
        async with world.stream.join("s", "g", "b") as heir:
            assert numbers(await heir.receive(1, LONG_S)) == offsets


def test_a_server_that_was_killed_keeps_what_lives_and_what_was_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And it was away for longer than the horizon, which must cost nobody who lives what it holds."""

    async def main(horizon_s: float) -> None:
        async with private(tmp_path / f"{horizon_s}") as (server, kv), connected(server.url) as elsewhere:
            namespace = name()
            stream, other = RedisStream(kv.client, namespace), RedisStream(elsewhere, namespace)
            offsets = [await stream.append("s", b"%d" % index) for index in range(5)]
            await stream.create_group("s", "g")
            dead = stream.join("s", "g", "dead")
            async with stream.join("s", "g", "a") as member, other.join("s", "g", "b") as heir:
                held = await member.receive(2)
                await member.ack(held[0])
                lost = await (await dead.__aenter__()).receive()
                assert numbers(lost) == offsets[2:3]
                await stream.trim("s", offsets[1])
                await server.kill()
                for call in (member.receive(), heir.receive(1, 5), stream.append("s", b""), stream.latest_offset("s")):
                    with pytest.raises(BackendUnavailable):
                        await call
                await _forget(stream, lost[0].token)
                await asyncio.sleep(horizon_s + 0.1)
                await server.restart()
                taken: list[int] = []
                while len(taken) < 3:
                    taken += numbers(await heir.receive(5, LONG_S))
                assert taken == [*offsets[3:], offsets[2]]
                assert await heir.receive() == []
                await member.ack(*held)
                assert [record.offset for record in await listed(other.read("s"))] == offsets[1:]
                assert (await other.group_info("s", "g")).pending == 3

    def attempt(horizon_s: float) -> None:
        monkeypatch.setattr(streammembers, "HORIZON_S", horizon_s)
        monkeypatch.setattr(streammembers, "_BEAT_S", horizon_s / 5)
        asyncio.run(asyncio.wait_for(main(horizon_s), HANGS_S))

    with_horizons(attempt, 0.5, 4.0, 20.0)


async def _forget(stream: RedisStream, token: str) -> None:
    """Let one member of a driver be as dead, and the others not."""
    (gone,) = [member for member in stream._company._members if token.startswith(member.name)]
    stream._company.leave(gone)
    gone.is_open = False
