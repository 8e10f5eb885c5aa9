"""Filters and ordering keys over a real PostgreSQL: what the suites do not see."""

import asyncio
from collections.abc import Iterator

import pytest
from postgres_store import World, missing, over_postgres, serving

from prism_backends.living import within
from prism_backends.postgres import PostgresPubSub, members
from prism_backends.postgres.members import Member
from prism_testkit.interfaces.pubsub import Delivery

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("state")) as address:
        yield address


def texts(deliveries: list[Delivery]) -> list[str]:
    return [delivery.message.payload.decode() for delivery in deliveries]


async def line(driver: PostgresPubSub, key: str, count: int) -> None:
    for number in range(count):
        await driver.publish_ordered("t", key, b"%s%d" % (key.encode(), number))


async def rows(world: World) -> int:
    statement = "SELECT count(*) FROM pubsub_deliveries WHERE namespace = $1"
    count: int = await world.client.value("count", statement, world.namespace.encode())
    return count


@over_postgres
async def test_several_pages_without_a_match_are_passed_by_one_receive(world: World) -> None:
    driver = PostgresPubSub(world.client, world.namespace)
    async with driver.subscribe_filtered("t", {"a": "1"}) as subscription:
        for _ in range(250):
            await driver.publish("t", b"other")
        sent = await driver.publish("t", b"mine", {"a": "1", "b": "\0"})
        message = await subscription.receive()
        assert message is not None
        assert message.id == sent
        assert await subscription.receive() is None
    await driver.close()


@over_postgres
async def test_what_is_nacked_for_ever_lets_pass_what_is_behind_a_long_line(world: World) -> None:
    driver = PostgresPubSub(world.client, world.namespace)
    async with driver.subscribe_durable("t", "s") as member:
        await driver.publish_persistent("t", b"again")
        again = await member.receive()
        await line(driver, "k", 450)
        await driver.publish_persistent("t", b"free")
        assert texts(await member.receive()) == ["k0"]
        seen: list[str] = []
        for _ in range(3):
            await member.nack(*again)
            again = await member.receive()
            seen += texts(again)
            if seen[-1] == "free":
                break
        assert seen[-1] == "free"
    await driver.close()


@over_postgres
async def test_a_line_leaves_nothing_behind(world: World) -> None:
    driver = PostgresPubSub(world.client, world.namespace)
    async with driver.subscribe_durable("t", "s") as member:
        await line(driver, "k", 230)
        for number in range(230):
            got = await member.receive(100)
            assert texts(got) == [f"k{number}"]
            await member.ack(*got)
        assert await member.receive(100) == []
        assert await rows(world) == 0
    await driver.close()


@over_postgres
async def test_an_ack_wakes_a_member_of_another_process(world: World) -> None:
    driver, other = PostgresPubSub(world.client, world.namespace), PostgresPubSub(await world.another(), world.namespace)
    async with driver.subscribe_durable("t", "s") as member, other.subscribe_durable("t", "s") as elsewhere:
        await line(driver, "k", 2)
        held = await member.receive()
        waiting = within(elsewhere)
        assert isinstance(waiting, Member)
        looked, look = asyncio.Event(), waiting._look

        async def looking() -> tuple[bool, float]:
            found = await look()
            looked.set()
            return found

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(waiting, "_look", looking)
            patch.setattr(members, "_LOOK_S", 1000.0)
            receiving = asyncio.create_task(elsewhere.receive(1, 1000))
            await looked.wait()
            await member.ack(*held)
            assert texts(await receiving) == ["k1"]
    await driver.close()
    await other.close()
