"""The steps of a program that concern groups: each answer that is certain is judged at once, the laws at the end."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._stream_ledger import Holding, Ledger, Stay
from prism_suites._stream_model import Trimmed
from prism_suites._stream_shared import Put
from prism_testkit.case import Case
from prism_testkit.checkers.groups import Gone
from prism_testkit.interfaces import AlreadyExists, GroupNotFound
from prism_testkit.programs import Program, Step

__all__ = ["Company"]

_GROUPS = (0, 0, 0, 0, 0, 1, 0, 1)
_MEMBERS = 3
_DELAYS_S = (0.0, 1.0, -1.0, 5.0, 60.0, 0.25, 3600.0)
_REAL_S = (0.0, 3600.0, -1.0)
_ADVANCES_S = (1.0, 0.25, 30.0, 3600.0, 5.0)
_FAR = 5


@dataclass
class Group:
    """A group that was made: from which offset on it gets records, its members, and what happened."""

    start: int
    ledger: Ledger
    members: list[Stay] = field(default_factory=list)
    joined: int = 0

    def given(self) -> set[int]:
        return {holding.offset for holding in self.ledger.holdings}

    def held(self) -> set[int]:
        return {holding.offset for member in self.members for holding in member.held}


class Company:
    """The groups of one namespace."""

    def __init__(self, case: Case, program: Program, puts: Mapping[str, Mapping[int, Put]]) -> None:
        self.case, self.program, self.puts = case, program, puts
        self.groups: dict[tuple[str, str], Group] = {}
        self._stays = 0

    async def do(self, slot: Any, stream: str, state: Trimmed, step: Step) -> None:
        """Make the call of a step on a group of this stream; the group is one of two."""
        if step.op == "advance":
            if self.case.clock.virtual:
                await self.case.advance(_ADVANCES_S[step.extra % len(_ADVANCES_S)])
            return
        name = self.program.name(_GROUPS[step.value % len(_GROUPS)])
        group = self.groups.get((stream, name))
        if step.op == "create_group":
            await self._create(slot, stream, name, state, step, group)
        elif group is None:
            await self._missing(slot, stream, name)
            if step.op in ("join", "receive"):  # so that more of what follows has something to act on
                await self._create(slot, stream, name, state, step, None)
        elif step.op == "join" or (step.op == "receive" and not group.members):
            await self._join(slot, stream, name, group, step)
        elif step.op == "group_info":
            await self._info(slot, stream, name, state, group)
        elif group.members:
            await self._act(group.members[step.extra // 8 % len(group.members)], group, state, step, stream)

    async def _missing(self, slot: Any, stream: str, name: str) -> None:
        sentence = "a group that was not made is there"
        await refused("stream_consumer_groups.2", slot.group_info(stream, name), GroupNotFound, sentence)
        await refused("stream_consumer_groups.2", slot.join(stream, name, "c").__aenter__(), GroupNotFound, sentence)

    async def _create(self, slot: Any, stream: str, name: str, state: Trimmed, step: Step, group: Group | None) -> None:
        offsets = [put.offset for put in state.kept]
        behind = (state.last if state.last is not None else -1) + 1
        starts: list[Any] = ["earliest", "latest", 0, behind, behind + _FAR, *offsets[:3], "earliest"]
        start = starts[step.extra % len(starts)]
        if group is not None:
            await refused(
                "stream_consumer_groups.2", slot.create_group(stream, name, start), AlreadyExists, "a group is made twice"
            )
            return
        await slot.create_group(stream, name, start)
        least = 0 if start == "earliest" else behind if start == "latest" else start
        self.groups[stream, name] = Group(least, Ledger(self.case))

    async def _join(self, slot: Any, stream: str, name: str, group: Group, step: Step) -> None:
        if len(group.members) < _MEMBERS:
            self._stays += 1
            group.joined += 1
            label = self.program.name(step.extra % 3)
            group.members.append(await Stay(group.ledger, f"m{self._stays}", slot.join(stream, name, label)).enter())

    async def _act(self, member: Stay, group: Group, state: Trimmed, step: Step, stream: str) -> None:
        if step.op == "leave":
            await member.leave()
            group.members.remove(member)
        elif step.op == "receive":
            await self._receive(member, group, state, step, stream)
        elif group.ledger.holdings:
            mine = member.held or [h for h in group.ledger.holdings if self._was(member, h)]
            if not mine:
                return
            chosen = mine if step.extra % 5 == 0 else [mine[step.extra % len(mine)]]
            delays = _DELAYS_S if self.case.clock.virtual else _REAL_S
            delay_s = None if step.op == "ack" else delays[step.extra % len(delays)]
            with self.case.law("stream_consumer_groups.6"):
                accepted = await (member.ack(*chosen) if delay_s is None else member.nack(*chosen, delay_s=delay_s))
            if not accepted:
                broken("stream_consumer_groups.8", f"{step.op} of a member that stays raises Conflict", expected=None, got=chosen)

    @staticmethod
    def _was(member: Stay, holding: Holding) -> bool:
        return any(
            getattr(event, "token", None) == holding.token and getattr(event, "member", "") == member.name
            for event in member.ledger.events
        )

    async def _receive(self, member: Stay, group: Group, state: Trimmed, step: Step, stream: str) -> None:
        given, held = group.given(), group.held()
        fresh = [put for put in state.kept if put.offset >= group.start and put.offset not in given]
        most = 1 + step.extra % 4
        got = await member.receive(most)
        for holding in got:
            put = self.puts.get(stream, {}).get(holding.offset)
            if put is None or put.payload != holding.delivery.record.payload:
                broken(
                    "stream_consumer_groups.13", "a record comes that is not of this stream", expected=fresh, got=holding.delivery
                )
            if holding.offset < group.start:
                broken(
                    "stream_consumer_groups.1",
                    "a record comes from before the start of its group",
                    expected=group.start,
                    got=holding.delivery,
                )
            if holding.offset in held:
                broken("stream_consumer_groups.4", "a record that is held comes again", expected="another", got=holding.delivery)
        every = self.case.traits.group_parallelism == "record"
        if not got and fresh and (every or group.joined == 1):
            promise = "stream_consumer_groups.15" if every and len(group.members) > 1 else "stream_consumer_groups.10"
            broken(promise, "a receive gives nothing, though there are records", expected=fresh[0], got=got)
        if group.joined == 1:
            first = [holding.offset for holding in got if holding.offset not in given]
            same(
                "stream_consumer_groups.3", first, [put.offset for put in fresh[: len(first)]], "first deliveries are not in order"
            )

    async def _info(self, slot: Any, stream: str, name: str, state: Trimmed, group: Group) -> None:
        got = await slot.group_info(stream, name)
        given = group.given()
        kept = {put.offset for put in state.kept}
        open_ = given - group.ledger.settled
        fresh = [put.offset for put in state.kept if put.offset >= group.start and put.offset not in given]
        same("stream_consumer_groups.11", got.members, len(group.members), "group_info does not tell how many members there are")
        if not len((open_ & kept) - group.ledger.doubtful) <= got.pending <= len(open_):
            sentence = "group_info does not tell how many records are held or to come again"
            broken("stream_consumer_groups.11", sentence, expected=len(open_), got=got.pending)
        least = max(given, default=-1) + 1
        if got.position < least or (fresh and got.position > fresh[0]):
            sentence = "group_info does not tell from where on nothing was delivered"
            broken("stream_consumer_groups.11", sentence, expected=(least, fresh[:1]), got=got.position)

    def die(self) -> None:
        """All members are dead, and all who live know."""
        for group in self.groups.values():
            group.ledger.events += [Gone(member.name, group.ledger.now()) for member in group.members]
            group.members.clear()

    async def finish(self, slot: Any, streams: Mapping[str, Trimmed]) -> None:
        """Let every member leave, every delay pass and one more member take what is left; then judge the laws."""
        if self.case.clock.virtual:
            await self.case.advance(4000.0)
        for (stream, name), group in self.groups.items():
            for member in group.members:
                await member.leave()
            group.members.clear()
            kept = [put.offset for put in streams[stream].kept] if stream in streams else []
            expected = [offset for offset in kept if offset >= group.start]
            trimmed = set(self.puts.get(stream, {})) - set(kept)
            self._stays += 1
            last = await Stay(group.ledger, f"last {self._stays}", slot.join(stream, name, "last")).enter()
            # On a clock that cannot be moved long delays are not over, unless their member was left: then they need not come.
            delayed = any(getattr(event, "delay_s", None) for event in group.ledger.events)
            slow = delayed and not self.case.clock.virtual
            await group.ledger.drain(last, [o for o in expected if not slow or o not in group.given()])
            group.ledger.judge(self.puts.get(stream, {}), expected, drained=not slow, trimmed=trimmed)
            await last.leave()
