"""Generated programs against the model, over deadlines and the interfaces that write or list the same keys.

As in `keyvalue_programs`; but of three interfaces only, so that one key is often given a deadline, swapped and read in one program.
"""

from typing import Protocol

from hypothesis import given

from prism_suites._keyvalue_steps import operations, run_program
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTtl
from prism_testkit.programs import Program, programs


class TtlCasAndBatch(KeyValueTtl, KeyValueCas, KeyValueBatch, Protocol):
    """Deadlines, swaps and batches of one driver."""


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


_BASIC = tuple(f"keyvalue_basic.{number}" for number in (1, 2, 3, 4, 5, 8, 9))
_TTL = tuple(f"keyvalue_ttl.{number}" for number in (2, 1, 3, 5, 6, 7, 8, 9, 10, 11))
_CAS = tuple(f"keyvalue_cas.{number}" for number in (1, 2, 3, 4))
_BATCH = tuple(f"keyvalue_batch.{number}" for number in (1, 2, 3, 4))
_SCAN = tuple(f"keyvalue_scan.{number}" for number in (1, 4, 5))


@check("keyvalue_ttl.4", *_TTL, *_CAS, *_BATCH, *_BASIC, level="thorough")
@given(program=programs(operations("keyvalue_basic", "keyvalue_ttl", "keyvalue_cas", "keyvalue_batch")))
async def programs_that_write_keys_with_a_life_match_the_model(kv: TtlCasAndBatch, case: Case, program: Program) -> None:
    """However a key is written, swapped or removed, its deadline is the one it was given last, or none (KV-35, KV-37)."""
    await run_program(case, kv, program)


@check(*_TTL, *_SCAN, *_BASIC, level="thorough")
@given(program=programs(operations("keyvalue_basic", "keyvalue_ttl", "keyvalue_scan")))
async def programs_that_list_keys_with_a_life_match_the_model(kv: TtlAndScan, case: Case, program: Program) -> None:
    """Listings hold what has not expired, and neither extend nor remove it (KV-37, KV-41)."""
    await run_program(case, kv, program)
