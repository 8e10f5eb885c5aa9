"""object_storage: what a store does now and then, beside a call that happens to be the one."""

from typing import Annotated

from prism_suites._judging import same
from prism_suites._upkeep import beside_upkeep
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.killing import Step
from prism_testkit.traits import Traits

_DATA = b"written over and over: %08d"


@check("object_storage.7", "object_storage.16")
@gauntlet(lambda limits: [{"watched": watched} for watched in ("put", "delete", "get")])
async def upkeep_meets_others(store: Annotated[ObjectStorage, Traits(sharing="processes")], case: Case, watched: str) -> None:
    """What is put in the middle of another's upkeep is there, and so is what was there before (OS-08)."""
    if case.server:
        case.note("what a server does now and then it does by itself")
        return

    def calls(number: int) -> list[Step]:
        put: Step = ("put", ("b", "k", _DATA % number))
        look: Step = (watched, ("b", "k"))
        return [put] if watched == "put" else [put, look]

    sentence = f"process 2 put an object while {watched} of process 1 did more than others do; afterwards"
    with case.law("object_storage.16"), case.conducted(2) as (one, other):
        for bucket in ("b", "theirs"):
            one.call("create_bucket", bucket)
            one.call("put", bucket, "kept", b"from the beginning")
        at: tuple[str, str]
        for number, point, _, _ in beside_upkeep(one, other, calls, lambda point: ("put", (*_beside(point), _DATA % point))):
            at = _beside(point)
            wanted: dict[tuple[str, str], bytes | None] = {(bucket, "kept"): b"from the beginning" for bucket in ("b", "theirs")}
            wanted |= {at: _DATA % point, ("b", "k"): None if watched == "delete" else _DATA % number}
            for player in (one, other):
                got = {place: player.call("get", *place).result for place in wanted}
                same("object_storage.16", got, wanted, f"{sentence} not every object is what it was given")


def _beside(point: int) -> tuple[str, str]:
    """Return where process 2 puts an object: in turn beside that of process 1, and in a bucket of its own."""
    return ("b", "theirs")[point % 2], f"beside {point}"
