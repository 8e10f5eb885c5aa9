"""Programs of all calls of all interfaces that a driver of streams offers together, each answer judged by one model."""

from functools import partial
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._mortal import Clients, noticed_s, play, run_with_kills
from prism_suites._stream_parting import read_part
from prism_suites._stream_shared import Put, is_record
from prism_suites._stream_taking import patience_s, receive
from prism_suites._stream_whole_model import Group, Item, Pending, Whole
from prism_testkit.case import Case
from prism_testkit.interfaces import (
    AlreadyExists,
    ConfigError,
    Conflict,
    Record,
    StreamBasic,
    StreamPartitioning,
    StreamReplay,
    StreamRetention,
)
from prism_testkit.programs import Program, Step
from prism_testkit.tap import offers

__all__ = ["LENGTH", "OPERATIONS", "run_mortal_whole", "run_whole"]

OPERATIONS = (
    *("append", "receive", "append_keyed", "group", "nack", "ack", "join", "leave", "info", "seek_to_time", "advance"),
    *("compact", "enforce", "bounds", "read", "parts", "seek", "trim", "receive", "append"),
)

LENGTH = 150
"""Steps: more than elsewhere, for what is to meet here is of several interfaces; of a server, where each takes long, a third."""
_STREAMS = (0, 0, 0, 2, 0, 1, 1, 0)
_PARTS = (2, 1, 3)
_GROUPS = ("g", "g", "g", "h", "g", "h", "g", "g")
_KEYS = (None, "a", "b", "a")
_DELAYS_S = (0.0, 5.0, -1.0, 60.0, 3600.0)
_REAL_S = (0.0, 3600.0)
_ADVANCES_S = (1.0, 6.0, 61.0, 3601.0)
_BOUNDS: tuple[tuple[float | None, int | None], ...] = ((2e6, None), (None, 2000), (3e6, 3000), (None, None))
"""Wider than any program is long."""
_AGE_S = 5.0
_SURVIVES = {
    "stream_partitioning": "stream_partitioning.13",
    "stream_retention": "stream_retention.14",
    "stream_replay": "stream_replay.11",
    "stream_consumer_groups": "stream_consumer_groups.16",
    "stream_basic": "stream_basic.15",
}

Space = dict[str, Whole]


async def run_whole(case: Case, program: Program) -> None:
    """Run a program on two clients of one namespace and a sibling, then look at everything."""
    steps = program.steps[: LENGTH // 3] if case.server else program.steps
    clients = [await case.whole(), await case.client(whole=True), await case.sibling(whole=True)]
    here, there = Space(), Space()
    actors = [Actor(case, slot, space, program) for slot, space in zip(clients, (here, here, there), strict=True)]
    for step in steps:
        await actors[step.client].do(step)
    for actor in actors[1:]:
        await actor.finish()


async def run_mortal_whole(case: Case, program: Program) -> None:
    """Run a program with its kills, and say of a wrong answer whether they are to blame."""
    await run_with_kills(case, partial(_run_mortal, program=program), lambda promise: _SURVIVES[promise.rpartition(".")[0]])


async def _run_mortal(case: Any, clients: Clients, program: Program) -> None:
    here, there = Space(), Space()

    async def died() -> None:
        await case.advance(noticed_s(case))
        for space in (here, there):
            for whole in space.values():
                for group in whole.groups.values():
                    group.leave()

    clients.then = died
    await clients.open()

    def actor(number: int) -> Actor:
        return Actor(case, clients.slots[number], there if number == 2 else here, program)

    await play(
        clients,
        program.steps,
        lambda step: actor(step.client).do(step),
        lambda number: actor(number).finish(),
        at_once=lambda step: step.extra % 8 == 7,
    )


class Actor:
    """One client of a program."""

    def __init__(self, case: Case, slot: Any, space: Space, program: Program) -> None:
        self.case, self.slot, self.space, self.program = case, slot, space, program
        self.parted, self.basic = offers(slot, StreamPartitioning), offers(slot, StreamBasic)
        self.moves, self.bounded = offers(slot, StreamReplay), offers(slot, StreamRetention)
        self.removes = self.bounded and case.traits.compaction == "immediate"

    def law(self, parted: int, basic: int) -> str:
        """Return the promise that is concerned, where a driver has partitions, and where it has none."""
        if self.parted:
            return f"stream_partitioning.{parted}"
        return f"stream_basic.{basic}" if self.basic else "stream_consumer_groups.3"

    async def do(self, step: Step) -> None:
        """Make the calls of a step on its stream, which is made first."""
        number = _STREAMS[step.name]
        name = self.program.name(number)
        if name not in self.space:
            self.space[name] = Whole(self.case, _PARTS[number] if self.parted else 1)
            if self.parted:
                await self.slot.create_partitioned(name, _PARTS[number])
        whole = self.space[name]
        if step.op in ("append", "append_keyed", "read", "parts", "bounds", "enforce", "compact", "trim", "advance"):
            await getattr(self, step.op)(name, whole, step)
            return
        label = _GROUPS[step.value]
        group = whole.groups.get(label)
        if group is None or step.op == "group":
            await self.group(name, label, whole, step, group)
        if step.op != "group" and (step.op not in ("ack", "nack", "leave") or whole.groups[label].member is not None):
            await getattr(self, step.op)(name, label, whole, whole.groups[label], step)

    # Records

    async def read_lane(self, name: str, place: int, start: int = 0, limit: int | None = None) -> list[Record]:
        if self.parted:
            return await read_part(self.slot, name, place, start, limit)
        return [record async for record in self.slot.read(name, start, limit)]

    async def put(self, name: str, place: int, payload: bytes, key: str | None) -> Put:
        where = (place,) if self.parted else ()
        method = self.slot.append_to_partition if self.parted else self.slot.append
        return Put(await method(name, *where, payload, key, {"h": "v"}), payload, key, {"h": "v"})

    async def append(self, name: str, whole: Whole, step: Step) -> None:
        for number in range(1 + step.extra // 16):
            if self.case.clock.virtual and number % 2:
                await self.case.advance(0.5)
            key, payload = _KEYS[(step.extra + number) % len(_KEYS)], self.program.value(step.value + number)
            place = (step.extra // 4 + number) % whole.count
            await self.appended(name, whole, place, await self.put(name, place, payload, key))

    async def append_keyed(self, name: str, whole: Whole, step: Step) -> None:
        key, payload = _KEYS[1 + step.extra % 2], self.program.value(step.value)
        put = Put(await self.slot.append(name, payload, key, None), payload, key, {})
        for place in [whole.keys[str(key)]] if str(key) in whole.keys else range(whole.count):
            if put.offset >= whole.end(place) and await self.read_lane(name, place, put.offset, 1):
                whole.keys[str(key)] = place
                await self.appended(name, whole, place, put)
                return
        promise = self.law(5 if str(key) in whole.keys else 4, 1)
        broken(promise, "a record is not where append puts its key", expected=whole.keys.get(str(key), "any partition"), got=put)

    async def appended(self, name: str, whole: Whole, place: int, put: Put) -> None:
        if put.offset < whole.end(place):
            sentence = "the offset of a record is not above all that its partition has had"
            broken(self.law(7, 3), sentence, expected=f"from {whole.end(place)} on", got=put.offset)
        got = await self.read_lane(name, place, put.offset)
        same(self.law(6, 1), [record.offset for record in got], [put.offset], "a record is not read where it was appended")
        is_record(self.law(6, 2), got[0], put, "a record is not given as it was appended")
        whole.lanes[place].append(Item(place, put, got[0].appended_ms))

    async def read(self, name: str, whole: Whole, step: Step) -> None:
        for place in range(whole.count):
            await self.reads(name, whole, place)

    async def reads(self, name: str, whole: Whole, place: int) -> None:
        """Judge that a partition holds what it has to."""
        kept = whole.kept(place)
        got = await self.read_lane(name, place)
        found, wanted = [record.offset for record in got], [item.put.offset for item in kept]
        promise = "stream_retention.8" if self.bounded and set(found) - set(wanted) and whole.lost() else self.law(6, 1)
        same(promise, found, wanted, f"partition {place} of {whole.count} holds other records than it has to")
        for record, item in zip(got, kept, strict=True):
            is_record(self.law(6, 2), record, item.put, "a record is not given as it was appended")
            same(self.law(6, 2), record.partition, place, "a record tells another partition")

    async def parts(self, name: str, whole: Whole, step: Step) -> None:
        """A repeat leaves a stream as it is, another number is refused."""
        if whole.count > 1:
            await self.slot.create_partitioned(name, whole.count)
            call = self.slot.create_partitioned(name, whole.count + 1)
            await refused("stream_partitioning.1", call, AlreadyExists, "another number of partitions")
        elif self.parted:
            await self.slot.create_partitioned(name, 1)
        if self.parted and whole.count == 1 and any(whole.items()):
            call = self.slot.create_partitioned(name, 2)
            await refused("stream_partitioning.1", call, AlreadyExists, "a stream that was used gets partitions")
        await self.counts(name, whole)

    async def counts(self, name: str, whole: Whole) -> None:
        if self.parted:
            found = await self.slot.partitions(name)
            same("stream_partitioning.3", found, whole.count, "a stream has another number of partitions")

    async def advance(self, name: str, whole: Whole, step: Step) -> None:
        if self.case.clock.virtual:
            await self.case.advance(_ADVANCES_S[step.extra % len(_ADVANCES_S)])

    # What is removed

    async def bounds(self, name: str, whole: Whole, step: Step) -> None:
        if not self.bounded:
            return
        if step.extra % 3:
            bounds = _BOUNDS[step.extra % len(_BOUNDS)]
            await self.slot.set_retention(name, *bounds)
            whole.bounds = bounds
        await self.looks(name, whole)

    async def looks(self, name: str, whole: Whole) -> None:
        got, (age_s, most) = await self.slot.retention(name), whole.bounds
        slack_s = max(0.001, self.case.limits.clock_resolution_s)
        near = got.max_age_s == age_s or (None not in (got.max_age_s, age_s) and 0 <= got.max_age_s - age_s < slack_s)
        if not near or got.max_records != most:
            broken("stream_retention.4", "the bounds of a stream are not those that were set", expected=whole.bounds, got=got)

    async def enforce(self, name: str, whole: Whole, step: Step) -> None:
        """Enforce a narrow bound, or let all of it be too old; and set what was set before."""
        if not self.bounded:
            return
        most, old = 1 + step.extra % 3, self.case.clock.virtual and step.extra % 4 == 3
        if old:
            await self.case.advance(2 * _AGE_S)
        await self.slot.set_retention(name, *((_AGE_S, None) if old else (None, most)))
        await self.slot.enforce_retention(name)
        for place in range(whole.count):
            whole.remove(whole.kept(place) if old else whole.kept(place)[:-most])
        await self.slot.set_retention(name, *whole.bounds)
        await self.read(name, whole, step)

    async def compact(self, name: str, whole: Whole, step: Step) -> None:
        if self.removes:
            await self.slot.compact(name)
            whole.remove(whole.superseded())
            await self.read(name, whole, step)

    async def trim(self, name: str, whole: Whole, step: Step) -> None:
        if not self.basic:
            return
        if whole.count > 1:
            await refused("stream_partitioning.9", self.slot.trim(name, 1), ConfigError, "a trim of a partitioned stream")
        elif whole.lanes[0]:
            before = whole.lanes[0][step.extra % len(whole.lanes[0])].put.offset
            await self.slot.trim(name, before)
            whole.remove(item for item in whole.lanes[0] if item.put.offset < before)

    # Groups

    async def group(self, name: str, label: str, whole: Whole, step: Step, group: Group | None) -> None:
        start = ("earliest", "latest")[step.extra % 3 == 1]
        if group is not None:
            call = self.slot.create_group(name, label, start)
            await refused(whole.law(2), call, AlreadyExists, "a group is made twice")
            return
        await self.slot.create_group(name, label, start)
        starts = [whole.end(place) if start == "latest" else 0 for place in range(whole.count)]
        whole.groups[label] = Group(starts, whole.lost())

    async def join(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        if group.member is None:
            group.manager = self.slot.join(name, label, f"c{step.extra % 3}")
            group.member = await group.manager.__aenter__()

    async def leave(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        if group.manager is not None:
            await group.manager.__aexit__(None, None, None)
        group.leave()

    async def receive(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        await self.join(name, label, whole, group, step)
        await self.takes(whole, group, 1 + step.extra % 4)

    async def takes(self, whole: Whole, group: Group, most: int) -> bool:
        """Receive once; say whether something came."""
        certain = whole.certain(group)
        got = await receive(group.member, most, patience_s(self.case) if certain else 0)
        if certain and not got:
            sentence = f"a receive gives nothing, though there are records {whole.told}"
            fresh = group.moved and certain[0] not in group.pending
            broken(group.moved if fresh else whole.law(10), sentence, expected=certain[0], got=got)
        whole.given(group, got)
        return bool(got)

    async def ack(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        chosen = self.chosen(group, step)
        await group.member.ack(*(group.held.pop(ident) for ident in chosen))
        group.acked |= set(chosen)

    async def nack(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        chosen = self.chosen(group, step)
        delays = _DELAYS_S if self.case.clock.virtual else _REAL_S
        delay_s = delays[step.extra // 4 % len(delays)]
        due_s = self.case.clock.now_s() + max(delay_s, 0.0)
        await group.member.nack(*(group.held.pop(ident) for ident in chosen), delay_s=delay_s)
        late_s = 2 * self.case.limits.clock_resolution_s + 0.01
        sure_s = self.case.clock.now_s() + delay_s + late_s if delay_s > 0 else 0.0
        group.pending |= {ident: Pending(due_s if delay_s > 0 else 0.0, sure_s) for ident in chosen}

    def chosen(self, group: Group, step: Step) -> list[tuple[int, int]]:
        """Return some of what is held: all, every other, or one."""
        held = [*group.held]
        return (held, held, held[::2], held[:1])[step.extra % 4]

    async def info(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        whole.info(group, await self.slot.group_info(name, label))

    # Moves

    async def seek_to_time(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        instants = sorted({item.appended_ms for item in whole.items()})
        at_ms = ([0, *(ms + more for ms in instants for more in (0, 1)), 10**14])[step.extra % (2 + 2 * len(instants))]
        if await self.moved(group, lambda: self.slot.seek_to_time(name, label, at_ms)):
            starts = [
                next((item.put.offset for item in whole.kept(place) if item.appended_ms >= at_ms), whole.end(place))
                for place in range(whole.count)
            ]
            group.move(starts, whole.lost(), "stream_partitioning.9" if whole.count > 1 else "stream_replay.2")

    async def seek(self, name: str, label: str, whole: Whole, group: Group, step: Step) -> None:
        offsets = [0, *(item.put.offset for item in whole.items()), 10**12]
        offset = offsets[step.extra % len(offsets)]
        if whole.count > 1:
            if self.moves and group.member is None:
                sentence = "a seek of a group of a partitioned stream"
                await refused("stream_partitioning.9", self.slot.seek(name, label, offset), ConfigError, sentence)
        elif await self.moved(group, lambda: self.slot.seek(name, label, offset)):
            group.move([min(offset, whole.end(0))], whole.lost(), "stream_replay.1")

    async def moved(self, group: Group, call: Any) -> bool:
        """Move a group, which has to be refused while it has a member; say whether it was moved."""
        if not self.moves:
            return False
        if group.member is not None:
            await refused("stream_replay.4", call(), Conflict, "a group that has a member is moved")
            return False
        await call()
        return True

    # The end

    async def finish(self) -> None:
        """Look at all there is, and let one more member of each group take what is left."""
        if self.case.clock.virtual:
            await self.case.advance(4000.0)
        for name, whole in self.space.items():
            await self.counts(name, whole)
            for place in range(whole.count):
                await self.reads(name, whole, place)
            if self.bounded:
                await self.looks(name, whole)
            for label, group in whole.groups.items():
                await self.drains(name, label, whole, group)

    async def drains(self, name: str, label: str, whole: Whole, group: Group) -> None:
        step = Step("receive")
        await self.leave(name, label, whole, group, step)
        await self.info(name, label, whole, group, step)
        await self.join(name, label, whole, group, step)
        while await self.takes(whole, group, 5):
            continue
        await self.ack(name, label, whole, group, Step("ack", extra=2))
        await self.leave(name, label, whole, group, step)
