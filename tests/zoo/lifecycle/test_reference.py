"""The family is what it says, and so is what the harness gives its checks: drivers that are open, and ones that are not."""

import asyncio
from typing import Any

from prism_suites._judging import refused
from prism_suites._lifecycle import LivingKeyValue
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Closed, Drained
from prism_testkit.outcomes import Outcome
from prism_testkit.signatures import claimed
from tests.zoo.kill import running

from .catalogue import RIGHT
from .declare import HOME
from .unusual import UNUSUAL


def test_each_driver_claims_a_model_and_a_lifecycle() -> None:
    for backend in RIGHT:
        (driver,) = backend.drivers
        assert isinstance(driver, type)
        assert "lifecycle" in claimed(driver)
        assert len(claimed(driver)) > 1


def test_a_case_gives_drivers_that_are_open_and_others_that_are_not() -> None:
    seen: list[Any] = []

    @check("lifecycle.1")
    async def unopened(kv: LivingKeyValue, case: Case) -> None:
        """A driver that is not open refuses, and is another client of the namespace."""
        new: Any = await case.unopened()
        await kv.set("k", b"v")
        await refused("lifecycle.1", new.get("k"), Closed, "it was opened")
        await new.open()
        seen.append(await new.get("k"))
        seen.append(await new.drain(0))

    (backend,) = (each for each in UNUSUAL if each.name == "not-before-open")
    with running(backend, home=HOME) as runner:
        (result,) = runner.run("here", unopened)
    assert result.outcome is Outcome.PASSED, result.failure
    assert seen == [b"v", Drained(0, 0)]


def test_what_is_aborted_is_told_so() -> None:
    @check("lifecycle.3")
    async def aborted(kv: LivingKeyValue, case: Case) -> None:
        """Calls that take a few turns are in hand from their first on."""
        calls = [asyncio.ensure_future(kv.set(f"k{number}", b"v")) for number in range(3)]
        await asyncio.sleep(0)
        assert await kv.drain(0) == Drained(0, 3)
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert [type(end) for end in ends] == [Closed] * 3

    with running(RIGHT[0], home=HOME) as runner:
        (result,) = runner.run("here", aborted)
    assert result.outcome is Outcome.PASSED, result.failure
