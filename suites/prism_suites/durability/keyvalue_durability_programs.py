"""Generated programs in which all clients are killed again and again: whatever was called last, and whatever a store had become."""

from typing import Annotated

from hypothesis import given

from prism_suites._keyvalue_crowds import crowded
from prism_suites._keyvalue_mortal import run_mortal
from prism_suites._keyvalue_steps import OPERATIONS, operations
from prism_suites._moments import keeps_files
from prism_suites._mortal import KILL
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.programs import Program, programs
from prism_testkit.traits import Traits

_SURVIVE = ("keyvalue_basic.12", "keyvalue_ttl.12")
_BASIC = tuple(f"keyvalue_basic.{number}" for number in (1, 2, 3, 4, 5, 8, 9))
_OTHERS = (
    *(f"keyvalue_ttl.{number}" for number in (1, 2, 3, 4, 6, 7, 8, 9, 10)),
    "keyvalue_scan.1",
    "keyvalue_scan.5",
    "keyvalue_batch.1",
    "keyvalue_batch.2",
    "keyvalue_batch.3",
    "keyvalue_cas.1",
    "keyvalue_cas.2",
    "keyvalue_cas.4",
    "keyvalue_transactional.1",
)
Durable = Annotated[KeyValueBasic, Traits(durability="process")]


@check(*_SURVIVE, *_BASIC, *_OTHERS)
@given(program=programs((*operations(*OPERATIONS), KILL)))
async def programs_with_kills_match_the_model(kv: Durable, case: Case, program: Program) -> None:
    """Every answer is the model's, which knows of no kill (KV-39, KV-53). Of files only: servers have other checks."""
    if keeps_files(case):
        await run_mortal(case, program)


@check(*_SURVIVE, *_BASIC, *_OTHERS)
@gauntlet(lambda limits: [{"seed": seed} for seed in (1, 2)])
async def a_long_program_with_kills_matches_the_model(kv: Durable, case: Case, seed: int) -> None:
    """Whatever was merged, moved, swept or written anew, the next start finds what was there (KV-39, KV-53)."""
    if keeps_files(case):
        await run_mortal(case, crowded((*operations(*OPERATIONS), KILL, KILL), seed))
