"""Runs the steps of a program against streams and their groups, and judges each against the model."""

from functools import partial
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._mortal import Clients, noticed_s, play, run_with_kills
from prism_suites._stream_group_steps import Company
from prism_suites._stream_model import Trimmed
from prism_suites._stream_shared import BASIC, GROUPS, Put, append, is_record, read, reads
from prism_testkit.case import Case
from prism_testkit.interfaces import Record, StreamBasic, StreamConsumerGroups
from prism_testkit.programs import Program, Step
from prism_testkit.tap import offers

__all__ = ["BASIC_OPERATIONS", "GROUP_OPERATIONS", "run_mortal", "run_program"]

BASIC_OPERATIONS = ("append", "read", "latest_offset", "trim", "read_part")
GROUP_OPERATIONS = ("append", "receive", "create_group", "join", "ack", "nack", "leave", "group_info", "advance", "read")

_STREAMS = (0, 0, 0, 0, 1, 1, 2, 3)
"""Few streams, so that calls meet."""
_HEADERS: tuple[dict[str, str] | None, ...] = (None, {"a": "b"}, {"A": "", "a": "é\x00"}, {})
_SURVIVES = {"stream_basic": "stream_basic.15", "stream_consumer_groups": "stream_consumer_groups.16"}
_LIMITS = (None, 1, 0, 2, 5, 1000)


class Space:
    """What is known of one namespace."""

    def __init__(self, case: Case, program: Program) -> None:
        self.streams: dict[str, Trimmed] = {}
        self.puts: dict[str, dict[int, Put]] = {}
        self.company = Company(case, program, self.puts)

    def of(self, name: str) -> Trimmed:
        return self.streams.setdefault(name, Trimmed([]))


async def run_program(case: Case, first: Any, program: Program, *, whole: bool = False) -> None:
    """Run a program on two clients of one namespace and a sibling, then read, and drain, everything."""
    clients = [first, await case.client(whole=whole), await case.sibling(whole=whole)]
    here, there = Space(case, program), Space(case, program)
    actors = [
        Actor(slot, space, other, program)
        for slot, space, other in zip(clients, (here, here, there), (there, there, here), strict=True)
    ]
    for step in program.steps:
        await actors[step.client].do(step)
    for actor in actors[1:]:
        await actor.finish()


async def run_mortal(case: Case, program: Program) -> None:
    """Run a program with its kills, and say of a wrong answer whether they are to blame."""
    await run_with_kills(case, partial(_run_mortal, program=program), lambda promise: _SURVIVES[promise.rpartition(".")[0]])


async def _run_mortal(case: Any, clients: Clients, program: Program) -> None:
    here, there = Space(case, program), Space(case, program)

    async def died() -> None:
        await case.advance(noticed_s(case))
        for space in (here, there):
            space.company.die()

    clients.then = died
    await clients.open()

    def actor(number: int) -> Actor:
        return Actor(clients.slots[number], *((there, here) if number == 2 else (here, there)), program)

    await play(
        clients,
        program.steps,
        lambda step: actor(step.client).do(step),
        lambda number: actor(number).finish(),
        at_once=lambda step: step.extra % 8 == 7,
    )


class Actor:
    """One client of a program."""

    def __init__(self, slot: Any, space: Space, other: Space, program: Program) -> None:
        self.slot, self.space, self.other, self.program = slot, space, other, program
        self.basic = offers(slot, StreamBasic)
        self.laws = BASIC if self.basic else GROUPS

    async def do(self, step: Step) -> None:
        """Make the call of a step, as far as the slot offers it."""
        name = self.program.name(_STREAMS[step.name])
        if step.op in ("latest_offset", "trim") and not self.basic:
            return
        if step.op in BASIC_OPERATIONS:
            await getattr(self, step.op)(name, step)
        elif offers(self.slot, StreamConsumerGroups):
            await self.space.company.do(self.slot, name, self.space.of(name), step)

    async def append(self, name: str, step: Step) -> None:
        key = None if step.extra % 3 == 0 else self.program.name(step.extra)
        put = await append(self.slot, name, self.program.value(step.value), key, _HEADERS[step.extra % 4], laws=self.laws)
        self.space.of(name).add(put)
        self.space.puts.setdefault(name, {})[put.offset] = put

    def _start(self, name: str, extra: int) -> int:
        """Return where to begin: anywhere among what is kept, before it, beside it, behind it."""
        state = self.space.of(name)
        offsets = [put.offset for put in state.kept]
        last = state.last or 0
        ladder = [0, *(offset + step for offset in offsets[-6:] for step in (0, 1)), last + 1, last + 7, state.gone + 1]
        return ladder[extra % len(ladder)]

    async def read(self, name: str, step: Step) -> None:
        await self._judge(name, 0, None)

    async def read_part(self, name: str, step: Step) -> None:
        await self._judge(name, self._start(name, step.extra), _LIMITS[step.value % len(_LIMITS)])

    async def _judge(self, name: str, start: int, limit: int | None) -> None:
        there = [put for put in self.space.of(name).kept if put.offset >= start]
        wanted = there if limit is None else there[:limit]
        got = await read(self.slot, name, start, limit)
        for record in got:
            self._known(name, record)
        self.slot_reads(got, wanted, start, limit)

    def slot_reads(self, got: list[Any], wanted: list[Put], start: int, limit: int | None) -> None:
        """Compare a read with the model."""
        found, expected = [record.offset for record in got], [put.offset for put in wanted]
        if found != expected:
            bounds = self.basic and (start or limit is not None)
            promise = "stream_basic.5" if bounds else self.laws.whole
            broken(promise, f"a read from {start}, limit {limit}, does not give what is there", expected=expected, got=found)
        for record, put in zip(got, wanted, strict=True):
            is_record(self.laws.content, record, put, "a record is not given as it was appended")

    def _known(self, name: str, record: Any) -> None:
        """Find out where a record comes from that this stream does not hold."""
        if not isinstance(record, Record):
            broken(self.laws.content, "a read gives something that is no record", expected="a Record", got=record)
        put = self.space.puts.get(name, {}).get(record.offset)
        if put is not None and put.payload == record.payload:
            if put not in self.space.of(name).kept:
                broken("stream_basic.7", "a read gives a record that was trimmed", expected="what is kept", got=record)
            return
        for other, puts in self.other.puts.items():
            if (
                record.payload
                and any(p.payload == record.payload and p.offset == record.offset for p in puts.values())
                and other == name
            ):
                broken(self.laws.namespace, "a read gives a record of another namespace", expected="its own", got=record)
        for other, puts in self.space.puts.items():
            if other != name and any(p.payload == record.payload and p.offset == record.offset for p in puts.values()):
                broken(self.laws.alias, f"a read gives a record of another stream, {other[:40]!a}", expected="its own", got=record)

    async def latest_offset(self, name: str, step: Step) -> None:
        told = await self.slot.latest_offset(name)
        same("stream_basic.6", told, self.space.of(name).last, "latest_offset is not that of the last record ever appended")
        if step.extra % 16 == 0:
            await refused("stream_basic.7", self.slot.trim(name, -1), ValueError, "a negative bound of a trim is not refused")

    async def trim(self, name: str, step: Step) -> None:
        before = self._start(name, step.extra)
        told = await self.slot.trim(name, before)
        self.space.of(name).trim(before, told)

    async def finish(self) -> None:
        """Read every stream there is, and drain every group."""
        for name in dict.fromkeys(self.program.name(number) for number in _STREAMS):
            await reads(self.slot, name, self.space.of(name).kept, self.laws, "at the end")
            if self.basic:
                same(
                    "stream_basic.6",
                    await self.slot.latest_offset(name),
                    self.space.of(name).last,
                    "latest_offset is wrong at the end",
                )
        await self.space.company.finish(self.slot, self.space.streams)
