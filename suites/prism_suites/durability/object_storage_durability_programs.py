"""Generated programs in which all clients are killed again and again, behind whatever call."""

from typing import Annotated

from hypothesis import given

from prism_suites._judging import value
from prism_suites._moments import keeps_files
from prism_suites._mortal import KILL
from prism_suites._objects_asking import made
from prism_suites._objects_steps import BUCKET_STEPS, CONDITIONAL_STEPS, LIFE_STEPS, PLAIN_STEPS, run_mortal
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.programs import Program, programs
from prism_testkit.traits import Traits

_PLAIN = tuple(f"object_storage.{number}" for number in (1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 14, 15))


@check("object_storage.19", *_PLAIN, "object_storage_conditional.1", "object_storage_conditional.3")
@given(program=programs((*PLAIN_STEPS, *BUCKET_STEPS, *CONDITIONAL_STEPS, *LIFE_STEPS, "create_bucket", KILL)))
async def programs_with_kills_match_the_model(
    store: Annotated[ObjectStorage, Traits(durability="process")], case: Case, program: Program
) -> None:
    """Every answer is the model's, which knows of no kill (OS-55). Of files only: servers have other checks."""
    if keeps_files(case):
        await run_mortal(case, program)


_LARGE = (70_000, 1_100_000, 3 << 20, (9 << 20) + 1)


@check("object_storage.19")
async def large_objects_survive_a_kill(store: Annotated[ObjectStorage, Traits(durability="process")], case: Case) -> None:
    """Objects of any size are there after a kill of all clients, and after another one: what is swept at a start spares them."""
    if not keeps_files(case):
        return
    mortal = case.mortal()
    space = mortal.new_namespace()
    client = await mortal.client(0, space)
    await client.create_bucket("b")
    kept = {f"k{size}": made(size) for size in _LARGE if size <= case.limits.max_payload}
    for key, data in kept.items():
        await client.put("b", key, data)
    for time in ("a", "another"):
        await mortal.kill()
        client = await mortal.client(0, space)
        for key, data in kept.items():
            value("object_storage.19", await client.get("b", key), data, f"get of a large object after {time} kill")
