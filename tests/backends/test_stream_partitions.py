"""Partitioned streams on the embedded backends."""

from awaiting import expect
from embedded_stores import THERE, World, listed
from stream_flavours_world import everywhere, in_virtual_time, kept, stream, taken

from prism_backends.stream_arguments import partition_of
from prism_testkit.interfaces.errors import AlreadyExists, ConfigError, InvalidName
from prism_testkit.interfaces.stream import Record


@everywhere
async def test_partitions_are_given_once_to_what_was_not_used(world: World) -> None:
    one, two = await stream(world), await stream(world)
    assert await one.partitions("s") == 1
    for n in (0, 257, -1):
        await expect(ValueError, one.create_partitioned("s", n))
    await expect(TypeError, one.create_partitioned("s", 2.0))  # type: ignore[arg-type]
    await one.create_partitioned("s", 1)
    await one.create_partitioned("s", 3)
    await two.create_partitioned("s", 3)
    assert await two.partitions("s") == 3
    await one.append("s", b"x")
    await one.create_partitioned("s", 3)
    for n in (1, 2, 4):
        await expect(AlreadyExists, two.create_partitioned("s", n))
    await one.append("used", b"x")
    await one.create_group("grouped", "g")
    await one.set_retention("bounded", max_records=1)
    for name in ("used", "grouped", "bounded"):
        await one.create_partitioned(name, 1)
        await expect(AlreadyExists, one.create_partitioned(name, 2))
        assert await one.partitions(name) == 1
    assert await (await stream(world, THERE)).partitions("s") == 1
    await expect(InvalidName, one.create_partitioned("", 2))


@everywhere
async def test_each_partition_has_its_records_and_a_group_all(world: World) -> None:
    one, two = await stream(world), await stream(world)
    await one.create_partitioned("s", 3)
    await one.create_group("s", "g")
    told: list[list[tuple[int, bytes]]] = [[], [], []]
    for number in range(60):
        offset = await (one, two)[number % 2].append_to_partition("s", number % 3, b"%d" % number, f"k{number % 7}", {"n": "x"})
        told[number % 3].append((offset, b"%d" % number))
    for number, expected in enumerate(told):
        records = await listed(two.read_partition("s", number))
        assert [(record.offset, record.payload) for record in records] == expected
        assert {(record.partition, record.headers["n"]) for record in records} == {(number, "x")}
        middle = expected[10][0]
        assert await listed(one.read_partition("s", number, middle, 3)) == records[10:13]
        assert await listed(one.read_partition("s", number, middle + 1)) == records[11:]
    got: list[Record] = []
    async with one.join("s", "g", "c") as member:
        while some := await member.receive(7):
            await member.ack(*some)
            got += [delivery.record for delivery in some]
    for number, expected in enumerate(told):
        assert [(record.offset, record.payload) for record in got if record.partition == number] == expected
    assert (await one.group_info("s", "g")).position == 0


def test_a_key_has_its_partition_in_every_process() -> None:
    assert [partition_of(b"key%d" % number, 5) for number in range(8)] == [4, 1, 3, 0, 3, 0, 3, 4]


@everywhere
async def test_a_key_stays_in_its_partition_and_keys_spread(world: World) -> None:
    one, two = await stream(world), await stream(world)
    await one.create_partitioned("s", 4)
    for number in range(100):
        await one.append("s", b"1", f"key{number}")
        await two.append("s", b"2", f"key{number}")
        await two.append("s", b"3")
    parts = [await listed(one.read_partition("s", number)) for number in range(4)]
    where = {record.key: number for number, records in enumerate(parts) for record in records if record.key}
    for number, records in enumerate(parts):
        assert all(where[record.key] == number for record in records if record.key)
    assert len({where[f"key{number}"] for number in range(100)}) > 1
    assert sum(map(len, parts)) == 300


@everywhere
async def test_what_needs_one_order_of_offsets_is_refused_on_partitions(world: World) -> None:
    driver = await stream(world)
    await driver.create_partitioned("s", 2)
    await driver.create_group("s", "g")
    offset = await driver.append_to_partition("s", 1, b"x")
    for call in (
        listed(driver.read("s")),
        driver.trim("s", 0),
        driver.latest_offset("s"),
        driver.seek("s", "g", 0),
        listed(driver.replay("s", 0, 9)),
        driver.create_group("s", "h", offset),
    ):
        await expect(ConfigError, call)
    for number in (-1, 2):
        await expect(ValueError, driver.append_to_partition("s", number, b"y"))
        await expect(ValueError, listed(driver.read_partition("s", number)))
        await expect(ValueError, driver.append_to_partition("ordinary", number + 1 or -1, b"y"))
    await expect(TypeError, driver.append_to_partition("s", "0", b"y"))  # type: ignore[arg-type]
    await expect(TypeError, listed(driver.read_partition("s", 0.0)))  # type: ignore[arg-type]
    await expect(InvalidName, driver.append_to_partition("s", 0, b"y", ""))
    assert await listed(driver.read_partition("s", 0)) == []
    assert await listed(driver.read_partition("ordinary", 0)) == []
    await driver.append_to_partition("ordinary", 0, b"z")
    assert await kept(driver, "ordinary") == ["z"]
    assert [r.payload for r in await listed(driver.read_partition("ordinary", 0))] == [b"z"]


@in_virtual_time
async def test_bounds_and_instants_are_those_of_each_partition(world: World) -> None:
    driver = await stream(world)
    await driver.create_partitioned("s", 2)
    await driver.create_group("s", "g")
    for number in range(4):
        await driver.append_to_partition("s", 0, b"0%d" % number, "k")
    await driver.append_to_partition("s", 1, b"10", "k")
    world.wait(1)
    at_ms = world.clock.now_ms()
    await driver.append_to_partition("s", 1, b"11", "l")
    await driver.append_to_partition("s", 0, b"04", "l")
    await driver.set_retention("s", max_records=3)

    async def parts() -> list[list[bytes]]:
        return [[record.payload for record in await listed(driver.read_partition("s", part))] for part in (0, 1)]

    assert await parts() == [[b"02", b"03", b"04"], [b"10", b"11"]]
    await driver.compact("s")
    assert await parts() == [[b"03", b"04"], [b"10", b"11"]]
    await driver.seek_to_time("s", "g", at_ms)
    assert sorted(await taken(driver)) == [("04", 1), ("11", 1)]
