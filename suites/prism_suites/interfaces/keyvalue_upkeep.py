"""keyvalue: what a store does now and then, beside a call that happens to be the one."""

from typing import Annotated

from prism_suites._judging import value
from prism_suites._upkeep import beside_upkeep
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.traits import Traits


@check("keyvalue_basic.8", "keyvalue_basic.10", "keyvalue_basic.12")
async def upkeep_meets_others(kv: Annotated[KeyValueBasic, Traits(sharing="processes")], case: Case) -> None:
    """Whoever writes in the middle of another's upkeep has written, and what was there before is there behind it."""
    if case.server:
        case.note("what a server does now and then it does by itself")
        return
    sentence = "process 2 wrote while a set of process 1 did more than others do; afterwards"
    with case.law("keyvalue_basic.8"), case.conducted(2) as (one, other):
        one.call("set", "kept", b"from the beginning")
        meetings = beside_upkeep(
            one, other, lambda number: [("set", ("k", b"%08d" % number))], lambda point: ("set", ("theirs", b"beside %d" % point))
        )
        for number, point, _, _ in meetings:
            wanted = {"kept": b"from the beginning", "k": b"%08d" % number, "theirs": b"beside %d" % point}
            for player in (other, one, other):
                for name, held in wanted.items():
                    value("keyvalue_basic.8", player.call("get", name).result, held, f"{sentence} {name!r} is not what was set")
