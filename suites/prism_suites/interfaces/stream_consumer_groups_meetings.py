"""Groups: calls of two processes meet wherever, while the first is under way, somebody else can notice that it is."""

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Annotated

from prism_suites._meeting import Meeting, Results, meet
from prism_suites._stream_replaying import Replayed
from prism_suites._stream_taking import patience_s
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import StreamConsumerGroups
from prism_testkit.killing import Step
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_LATER_S = 1e6
_Group = StreamConsumerGroups
_PARTED = "a member that joins may take what another holds where a group shares partitions, and joining takes seconds"


class _Process:
    """The calls of one process, whose results others of its own refer to; ``told`` before, and ``others`` what the other was."""

    def __init__(self, case: Case, name: str, payload: bytes, told: Results) -> None:
        self._name, self._payload, self._patience_s = name, payload, patience_s(case)
        self._steps = {call.op: call.step for call in told}
        self._next = told[-1].step + 1
        self._offsets = [call.result for call in (*told, *told.others) if call.op == "append"]

    def call(self, kind: str) -> Step:
        """Return a call by a short name; the next one, if it joins or receives, is about what this one returns."""
        step = self._made(kind)
        self._steps[step[0]] = self._next
        self._next += 1
        return step

    def _made(self, kind: str) -> Step:
        name, member, held = self._name, Returned(self._steps.get("join", 0)), Returned(self._steps.get("join.receive", 0))
        calls: dict[str, Step] = {
            "append": ("append", (name, self._payload)),
            "read": ("read", (name,)),
            "earliest": ("create_group", (name, "g", "earliest")),
            "latest": ("create_group", (name, "g", "latest")),
            "info": ("group_info", (name, "g")),
            "join": ("join", (name, "g", "c")),
            "receive": ("join.receive", (member, 1, self._patience_s)),
            "nothing": ("join.receive", (member, 1, 0.0)),
            "ack": ("join.ack", (member, held)),
            "nack": ("join.nack", (member, held)),
            "nack for later": ("join.nack", (member, held, {"delay_s": _LATER_S})),
            "leave": ("join.exit", (member,)),
        }
        if kind.startswith("seek "):
            return "seek", (name, "g", self._offsets[int(kind.removeprefix("seek "))])
        return calls[kind]


def _before(mine: Iterable[str], theirs: Iterable[str], name: str) -> tuple[Sequence[Step], Sequence[Step]]:
    """Return what both did before; the numbers of steps count there from the first of them, and the last ones are referred to."""

    def made(kinds: Iterable[str]) -> Iterable[Step]:
        for number, kind in enumerate(kinds):
            yield {
                "append": ("append", (name, b"%d" % number)),
                "group": ("create_group", (name, "g")),
                "join": ("join", (name, "g", "c")),
                "receive": ("join.receive", (Returned(-1), 1, 10.0)),
                "read": ("read", (name,)),
            }[kind]

    return list(made(mine)), list(made(theirs))


def _meeting(case: Case, before: tuple[str, str], first: str, second: str, looks: str, *, shuffled: bool = False) -> Meeting:
    """Return a meeting of calls by their short names, several with commas; ``looks`` are by turns, process 2 first."""
    here, there = (each.split(", ") for each in before)
    after = looks.split(", ")

    def mine(name: str, results: Results) -> Step:
        return _Process(case, name, b"mine", results).call(first)

    def theirs(name: str, results: Results) -> list[Step]:
        process = _Process(case, name, b"theirs", results)
        return [process.call(kind) for kind in second.split(", ")]

    def looked(name: str, results: Results) -> Sequence[Step]:
        own = Results(results.others)
        own.others = results
        one, other = _Process(case, name, b"last", own), _Process(case, name, b"last", results)
        one.call(first)
        for kind in second.split(", "):
            other.call(kind)
        return [(one if number % 2 else other).call(kind) for number, kind in enumerate(after)]

    return Meeting(mine, theirs, partial(_before, here, there), looked, shuffled=shuffled)


@check("stream_consumer_groups.2", "stream_consumer_groups.1")
async def groups_are_made_by_one_process(stream: _Group, case: Case) -> None:
    """Of two processes that make one group one does, with its start; the other one is told so, and changes nothing."""
    joins = case.traits.group_parallelism == "record"
    looks = "join, append, receive, read, leave" if joins else "info, info"
    made = ("append, append", "read")
    await meet(case, "stream_consumer_groups.2", [
        _meeting(case, made, "earliest", "latest", looks),
        _meeting(case, made, "latest", "earliest", looks),
    ])  # fmt: skip


@check("stream_consumer_groups.1", "stream_consumer_groups.4", "stream_consumer_groups.6")
async def receives_of_members_meet(stream: _Group, case: Case) -> None:
    """Each record goes to one of the members of two processes, whatever the other one does meanwhile."""
    if case.traits.group_parallelism != "record":
        case.note(_PARTED)
        return
    held = ("append, append, group, join, receive", "join")
    done = "nothing, nothing, leave, leave"
    await meet(case, "stream_consumer_groups.1", [
        _meeting(case, ("append, append, group, join", "join"), "receive", "receive", f"ack, ack, {done}"),
        _meeting(case, held, "ack", "receive", done),
        _meeting(case, ("append, group, join", "join"), "receive", "append", f"receive, ack, {done}"),
        _meeting(case, ("append, group, join, receive", "join"), "append", "append, receive", f"receive, read, {done}"),
    ])  # fmt: skip


@check("stream_consumer_groups.4", "stream_consumer_groups.5", "stream_consumer_groups.1")
async def what_a_member_gives_back_meets_another(
    stream: Annotated[StreamConsumerGroups, Traits(delivery_count="exact")], case: Case
) -> None:
    """What is nacked, or held by a member that leaves, comes again once, to it or to a member of another process."""
    if case.traits.group_parallelism != "record":
        case.note(_PARTED)
        return
    held = ("append, append, group, join, receive", "join")
    await meet(case, "stream_consumer_groups.4", [
        _meeting(case, held, "nack", "receive", "receive, nothing, nothing, leave, leave", shuffled=True),
        _meeting(case, held, "leave", "receive", "receive, read, nothing, read, leave", shuffled=True),
    ])  # fmt: skip


@check("stream_consumer_groups.7", "stream_consumer_groups.4")
async def what_is_nacked_for_later_meets_another_member(stream: _Group, case: Case) -> None:
    """At no instant of a nack with a delay does its record come to a member of another process."""
    if case.traits.group_parallelism != "record":
        case.note(_PARTED)
        return
    before = ("append, group, join, receive", "join")
    await meet(case, "stream_consumer_groups.7", [
        _meeting(case, before, "nack for later", "nothing", "nothing, leave, leave"),
    ])  # fmt: skip


@check("stream_replay.4", "stream_replay.1", "stream_replay.3")
async def seeks_meet_joins_of_another_process(stream: Replayed, case: Case) -> None:
    """Of a seek and a join either is first: no seek moves what somebody receives who joined meanwhile."""
    if case.traits.group_parallelism != "record":
        case.note(_PARTED)
        return
    made = ("append, append, append, group", "read")
    await meet(case, "stream_replay.4", [
        _meeting(case, made, "seek 1", "join, receive", "append, read, receive, read, leave"),
        _meeting(case, made, "join", "seek 1", "append, receive, read, leave"),
        _meeting(case, made, "seek 1", "seek 2", "join, append, receive, read, leave"),
    ])  # fmt: skip
