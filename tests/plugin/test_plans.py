"""A check may draw a plan: the story says in words what it did, and the witness repeats it."""

import json
import shlex
from typing import Any

import pytest

CHECKS = '''
import asyncio
from hypothesis import given
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.10")
@given(plan=prism.plans())
async def nothing_is_lost(kv: KeyValueBasic, case: prism.Case, plan: prism.Plan) -> None:
    """Two who add lose nothing."""
    other = await case.client()
    case.schedule(plan)

    async def add(client: KeyValueBasic, busy: int) -> None:
        for _ in range(busy):
            await client.exists("else")
        held = await client.get("count")
        await client.set("count", b"%d" % (int(held or b"0") + 1))

    await asyncio.gather(add(kv, 0), add(other, 3))
    case.unschedule()
    assert await kv.get("count") == b"2"
'''
BACKENDS = 'BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Dict])]'
REAL = BACKENDS.replace("drivers", 'clock="real", drivers')


def _failure(folder: Any, *args: str) -> dict[str, Any]:
    assert folder.run("--prism-backend=mine", "--prism-level=thorough", "test_checks.py", *args).ret == 1
    failure: dict[str, Any] = folder.report()["results"][0]["failure"]
    return failure


@pytest.mark.parametrize("seed", [0, 4, 11])  # with 4 and 11, Hypothesis alone comes to rest at two preemptions
def test_the_story_says_what_the_plan_did_and_the_witness_repeats_it(folder: Any, seed: int) -> None:
    folder.backends(BACKENDS)
    folder.checks(CHECKS)
    failure = _failure(folder, f"--prism-seed={seed}")
    words = failure["arguments"]["plan"]
    assert words == "one preemption at step 3: client 0 waits after its get"
    witness = json.loads((folder.path / failure["witness"]).read_text())
    assert witness["arguments"]["plan"]["fields"] == {"priorities": {"$tuple": []}, "changes": {"$tuple": [{"$tuple": [3, 0]}]}}

    result = folder.run(*shlex.split(failure["command"])[1:])
    assert result.ret == 1
    result.stdout.fnmatch_lines([f"*plan = {words}"])
    (again,) = folder.report()["results"]
    assert again["cases"] == 1
    assert [again["failure"][key] for key in ("message", "steps", "arguments")] == [
        failure[key] for key in ("message", "steps", "arguments")
    ]


def test_on_a_real_clock_calls_pass_the_gate(folder: Any) -> None:
    folder.backends(REAL)
    folder.checks(CHECKS)
    failure = _failure(folder, "--prism-seed=0")
    assert "waits" in failure["arguments"]["plan"]
    result = folder.run(*shlex.split(failure["command"])[1:])
    assert result.ret == 1
    assert folder.report()["results"][0]["failure"]["arguments"] == failure["arguments"]
