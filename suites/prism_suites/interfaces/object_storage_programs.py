"""Generated programs against an independent model: what only a sequence of calls shows.

Fifty calls over two buckets and a tiny universe of confusable keys, by two clients of one namespace and one of a sibling; each
answer is judged at once, metadata, instants and deadlines too.
"""

from hypothesis import given

from prism_suites._objects_steps import BUCKET_STEPS, CONDITIONAL_STEPS, LIFE_STEPS, PLAIN_STEPS, run_program
from prism_suites._siblings import echoed
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import ObjectStorage, ObjectStorageConditional
from prism_testkit.programs import Program, programs

_PLAIN = tuple(f"object_storage.{number}" for number in (1, 2, 3, 4, 5, 6, 8, 14, 15))


@check(*_PLAIN)
@given(program=programs(PLAIN_STEPS))
async def programs_of_plain_calls_match_the_model(store: ObjectStorage, case: Case, program: Program) -> None:
    """Every answer is the model's (OB-1, OB-3, OB-4, OS-57)."""
    await run_program(case, store, program)


@check(*_PLAIN, "object_storage.9", "object_storage.10")
@given(program=programs((*PLAIN_STEPS, *LIFE_STEPS, "set_ttl")))
async def programs_with_deadlines_match_the_model(store: ObjectStorage, case: Case, program: Program) -> None:
    """Objects come and go as their deadlines say (OB-12, OS-61)."""
    await run_program(case, store, program)


@check(*_PLAIN, "object_storage.11", "object_storage.10")
@given(program=programs((*PLAIN_STEPS, *BUCKET_STEPS, "create_bucket", *LIFE_STEPS)))
async def programs_with_buckets_match_the_model(store: ObjectStorage, case: Case, program: Program) -> None:
    """Buckets come and go with what is in them (OS-51)."""
    await run_program(case, store, program)


@check("object_storage_conditional.1", "object_storage_conditional.3", *_PLAIN, "object_storage.9", "object_storage.10")
@given(program=programs((*PLAIN_STEPS, *CONDITIONAL_STEPS, *LIFE_STEPS, "delete", *BUCKET_STEPS, "create_bucket")))
async def programs_with_creations_match_the_model(store: ObjectStorageConditional, case: Case, program: Program) -> None:
    """An object is created exactly if it is missing, expired and deleted included (OB-6)."""
    await run_program(case, store, program)


@check("object_storage.15", *_PLAIN, "object_storage.11", "object_storage.9", "object_storage.10")
@given(program=programs((*PLAIN_STEPS, *BUCKET_STEPS, *CONDITIONAL_STEPS, *LIFE_STEPS, "create_bucket", "set_ttl"), 25))
async def programs_made_in_two_namespaces_by_turns_match_the_model(store: ObjectStorage, case: Case, program: Program) -> None:
    """Each of two namespaces in which the same calls are made, with other data, answers as if it were alone (OS-57)."""
    await run_program(case, await case.whole(), echoed(program))
