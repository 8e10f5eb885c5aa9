"""stream: what a store does now and then, beside a call that happens to be the one."""

from typing import Annotated

from prism_suites._judging import same
from prism_suites._upkeep import beside_upkeep
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import StreamBasic
from prism_testkit.killing import Step
from prism_testkit.traits import Traits


@check("stream_basic.4", "stream_basic.12")
@gauntlet(lambda limits: [{"name": name} for name in ("the same stream", "another")])
async def upkeep_meets_others(stream: Annotated[StreamBasic, Traits(sharing="processes")], case: Case, name: str) -> None:
    """What is appended in the middle of another's upkeep is there, once, and so is what was there before (ST-05)."""
    if case.server:
        case.note("what a server does now and then it does by itself")
        return

    def calls(number: int) -> list[Step]:
        return [("append", ("s", b"%08d" % number))]

    theirs = "s" if name == "the same stream" else "theirs"
    sentence = f"process 2 appended to {name} while an append of process 1 did more than others do; afterwards"
    with case.law("stream_basic.4"), case.conducted(2) as (one, other):
        for said in ("kept", "theirs"):
            one.call("append", said, b"from the beginning")
        for number, point, mine, added in beside_upkeep(one, other, calls, lambda at: ("append", (theirs, b"beside %d" % at))):
            wanted = {mine.result: b"%08d" % number} if theirs == "s" else {}
            wanted |= {added.result: b"beside %d" % point}
            found = one.call("read", theirs, min(wanted)).result
            same("stream_basic.4", {r.offset: r.payload for r in found}, wanted, f"{sentence} not every record is there, and once")
            last = other.call("read", "s", mine.result, 1).result
            same("stream_basic.4", [r.payload for r in last], [b"%08d" % number], f"{sentence} the one of process 1 is not there")
            kept = other.call("read", "kept", 0).result
            same("stream_basic.4", [r.payload for r in kept], [b"from the beginning"], f"{sentence} another stream has changed")
