"""Generated programs against an independent model: what only a sequence of calls shows.

Fifty calls over a tiny universe of confusable names, by two clients of one namespace and one of a sibling; each answer is
judged at once. Each interface has programs of its own, so that its calls are many, and one check mixes all that is offered.
"""

from hypothesis import given

from prism_suites._keyvalue_crowds import crowded
from prism_suites._keyvalue_steps import OPERATIONS, operations, run_program
from prism_suites._siblings import echoed
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic, KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.programs import Program, programs

_BASIC = ("keyvalue_basic.1", "keyvalue_basic.2", "keyvalue_basic.3", "keyvalue_basic.4", "keyvalue_basic.5")
_SHARED = ("keyvalue_basic.8", "keyvalue_basic.9")


@check(*_BASIC, *_SHARED)
@given(program=programs(operations("keyvalue_basic")))
async def programs_of_plain_calls_match_the_model(kv: KeyValueBasic, case: Case, program: Program) -> None:
    """Every answer is the model's (KV-01 to KV-08, KV-60)."""
    await run_program(case, kv, program)


@check("keyvalue_scan.1", "keyvalue_scan.2", "keyvalue_scan.4", "keyvalue_scan.5", *_BASIC, *_SHARED)
@given(program=programs(operations("keyvalue_basic", "keyvalue_scan")))
async def programs_with_scans_match_the_model(kv: KeyValueScan, case: Case, program: Program) -> None:
    """A quiet store lists exactly what the model holds (KV-41, KV-42)."""
    await run_program(case, kv, program)


@check(*(f"keyvalue_ttl.{n}" for n in (1, 2, 3, 5, 6, 7, 8, 9, 10, 11)), *_BASIC, *_SHARED)
@given(program=programs(operations("keyvalue_basic", "keyvalue_ttl")))
async def programs_with_deadlines_match_the_model(kv: KeyValueTtl, case: Case, program: Program) -> None:
    """Keys come and go as their deadlines say (KV-33, KV-35, KV-36, KV-37)."""
    await run_program(case, kv, program)


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3", "keyvalue_batch.4", *_BASIC, *_SHARED)
@given(program=programs(operations("keyvalue_basic", "keyvalue_batch")))
async def programs_with_batches_match_the_model(kv: KeyValueBatch, case: Case, program: Program) -> None:
    """A batch equals the same single calls (KV-25, KV-26)."""
    await run_program(case, kv, program)


@check("keyvalue_cas.1", "keyvalue_cas.2", "keyvalue_cas.3", "keyvalue_cas.4", "keyvalue_cas.5", *_BASIC, *_SHARED)
@given(program=programs(operations("keyvalue_basic", "keyvalue_cas")))
async def programs_with_swaps_match_the_model(kv: KeyValueCas, case: Case, program: Program) -> None:
    """A swap succeeds exactly if the value is the expected one (KV-15 to KV-19)."""
    await run_program(case, kv, program)


@check(*(f"keyvalue_transactional.{n}" for n in (1, 2, 3, 5, 6)), *_BASIC, *_SHARED)
@given(program=programs(operations("keyvalue_basic", "keyvalue_transactional")))
async def programs_with_transactions_match_the_model(kv: KeyValueTransactional, case: Case, program: Program) -> None:
    """A transaction run alone is its calls at one instant (KV-27, KV-28)."""
    await run_program(case, kv, program)


@check(
    *_BASIC, *_SHARED, "keyvalue_ttl.4", "keyvalue_ttl.2", "keyvalue_ttl.3", "keyvalue_scan.1", "keyvalue_batch.2", "keyvalue_cas.1"
)
@given(program=programs(operations(*OPERATIONS)))
async def programs_of_all_that_is_offered_match_the_model(kv: KeyValueBasic, case: Case, program: Program) -> None:
    """The interfaces of one driver agree with each other."""
    await run_program(case, await case.whole(), program)


@check("keyvalue_basic.9", *_BASIC, *(f"keyvalue_ttl.{n}" for n in (1, 2, 3, 6, 7, 8, 10)))
@given(program=programs(operations("keyvalue_basic", "keyvalue_ttl"), 25))
async def deadlines_in_two_namespaces_by_turns_match_the_model(kv: KeyValueTtl, case: Case, program: Program) -> None:
    """Each of two namespaces in which the same calls are made, with other values, answers as if it were alone (KV-60)."""
    await run_program(case, kv, echoed(program))


@check("keyvalue_basic.9", *_BASIC, "keyvalue_scan.1", "keyvalue_scan.5", "keyvalue_batch.2", "keyvalue_cas.1")
@given(program=programs(operations(*(name for name in OPERATIONS if name != "keyvalue_ttl")), 25))
async def calls_in_two_namespaces_by_turns_match_the_model(kv: KeyValueBasic, case: Case, program: Program) -> None:
    """The same of all that is offered beside deadlines (KV-60)."""
    await run_program(case, await case.whole(), echoed(program))


@check(
    *_BASIC,
    *_SHARED,
    *(f"keyvalue_ttl.{n}" for n in (1, 2, 3, 4, 6, 7, 8, 10)),
    "keyvalue_scan.1",
    "keyvalue_batch.1",
    "keyvalue_cas.1",
)
@gauntlet(lambda limits: [{"seed": seed} for seed in (1, 2, 3)])
async def a_long_program_over_many_names_matches_the_model(kv: KeyValueBasic, case: Case, seed: int) -> None:
    """Whatever is flushed, merged, swept or moved between two calls on a key, the second finds what the first left."""
    if case.server and seed > 2:
        return  # each call is a round trip
    await run_program(case, await case.whole(), crowded(operations(*OPERATIONS), seed))
