"""Programs over streams that are moved and bounded, against a model."""

import random
from dataclasses import dataclass, field
from typing import Any

from embedded_stores import World, listed
from stream_flavours_world import Stream, in_virtual_time, stream, taken

from prism_testkit.interfaces.stream import Member, RecordDelivery


@dataclass
class Model:
    """What a stream should hold: every record ever appended, and those that are gone."""

    partitions: int = 1
    records: list[tuple[int, int, str, str | None, int]] = field(default_factory=list)  # partition, offset, payload, key, ms
    gone: set[str] = field(default_factory=set)
    age_s: float | None = None
    most: int | None = None

    def enforce(self, now_ms: int) -> None:
        for partition in range(self.partitions):
            here = [r for r in self.records if r[0] == partition and r[2] not in self.gone]
            for place, record in enumerate(here):
                too_old = self.age_s is not None and now_ms - record[4] > self.age_s * 1000
                if too_old or (self.most is not None and len(here) - place > self.most):
                    self.gone.add(record[2])

    def compact(self) -> None:
        for index, (partition, _, payload, key, _) in enumerate(self.records):
            if key is not None and any(r[0] == partition and r[3] == key for r in self.records[index + 1 :]):
                self.gone.add(payload)

    def kept(self, partition: int) -> list[tuple[int, str]]:
        return [(r[1], r[2]) for r in self.records if r[0] == partition and r[2] not in self.gone]


@in_virtual_time
async def test_programs_match_the_model(world: World) -> None:
    driver = await stream(world)
    for seed in range(60):
        await program(world, driver, random.Random(seed), f"s{seed}")


async def program(world: World, driver: Stream, draw: random.Random, name: str) -> None:
    model = Model(draw.choice([1, 1, 3]))
    await driver.create_partitioned(name, model.partitions)
    await driver.create_group(name, "g")
    done: set[str] = set()
    for step in range(50):
        action = draw.choice(["append"] * 6 + ["age", "most", "compact", "wait", "trim", "seek", "take", "look", "look"])
        if action == "append":
            key, partition = draw.choice([None, "a", "b", "c"]), draw.randrange(model.partitions)
            offset = await driver.append_to_partition(name, partition, b"%d" % step, key)
            model.records.append((partition, offset, str(step), key, world.clock.now_ms()))
        elif action in ("age", "most"):
            model.age_s, model.most = draw.choice([None, 1.0, 2.5]), draw.choice([None, 1, 2, 5])
            await driver.set_retention(name, model.age_s, model.most)
        elif action == "compact":
            model.compact()
            await driver.compact(name)
        elif action == "wait":
            world.wait(draw.choice([0.25, 0.5, 1, 2]))
        elif action == "trim" and model.partitions == 1 and model.records:
            bound = draw.choice(model.records)[1]
            assert await driver.trim(name, bound) >= bound
            model.gone |= {record[2] for record in model.records if record[1] < bound}
        elif action == "seek" and model.records:
            await seek(driver, name, model, draw, done)
        model.enforce(world.clock.now_ms())
        if action == "take":
            got = await some(driver, name, draw)
            there = {payload for partition in range(model.partitions) for _, payload in model.kept(partition)}
            assert set(got) <= there
            assert not done & set(got)
            done |= set(got)
        elif action == "look":
            for partition in range(model.partitions):
                found = await listed(driver.read_partition(name, partition))
                assert [(r.offset, r.payload.decode()) for r in found] == model.kept(partition), (step, partition)
    assert {text for text, _ in await taken(driver, "g", name)} == {
        payload for partition in range(model.partitions) for _, payload in model.kept(partition)
    } - done


async def seek(driver: Stream, name: str, model: Model, draw: random.Random, done: set[str]) -> None:
    _, offset, _, _, ms = draw.choice(model.records)
    if model.partitions == 1:
        await driver.seek(name, "g", offset)
        passed = {record[2] for record in model.records if record[1] < offset}
    else:
        await driver.seek_to_time(name, "g", ms)
        passed = {record[2] for record in model.records if record[4] < ms}
    done.clear()
    done |= passed


async def some(driver: Stream, name: str, draw: random.Random) -> list[str]:
    async with driver.join(name, "g", "c") as member:
        deliveries = await member.receive(draw.randint(1, 5))
        return await confirm(member, deliveries, draw)


async def confirm(member: Member, deliveries: list[RecordDelivery], draw: random.Random) -> list[str]:
    """Confirm some, give others back, and leave the rest to the end of the member."""
    confirmed: list[Any] = []
    for delivery in deliveries:
        action = draw.choice(["ack", "ack", "nack", "leave"])
        if action == "ack":
            await member.ack(delivery)
            confirmed.append(delivery.record.payload.decode())
        elif action == "nack":
            await member.nack(delivery)
    return confirmed
