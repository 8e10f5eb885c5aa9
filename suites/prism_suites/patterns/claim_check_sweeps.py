"""Claim check, promises 4 and 7: a sweep that fails or dies anywhere is finished by the next one, of whichever instance."""

from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import TOPIC, T, beside, entries_there, take
from prism_suites._judging import same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, explored
from prism_testkit.faults import Plan
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout

BIG = b"z" * (T + 1)
CONFIG: dict[str, Any] = {
    "threshold": T,
    "cleanup": "on_ack",
    "consumers": ("c",),
    "retention_after_ack_s": 10.0,
    "max_age_s": 1000.0,
    "grace_period_s": 100.0,
}
_MANY = 20
"""More sweeps than there are faults in a plan."""


async def _laid_out(claims: Bound[ClaimCheck], case: Case) -> set[str]:
    """Leave claims that are due by their age, by their ack and by both, and return one that is not due.

    Whoever publishes is closed while time moves, so that nothing is swept in the background.
    """
    async with claims.opened(**CONFIG) as check_in:
        await check_in.publish(TOPIC, BIG)
        await check_in.publish(TOPIC, BIG)
    await case.advance(1095.0)
    async with claims.opened(**CONFIG) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        young = (await check_in.publish(TOPIC, BIG)).claim
        assert young is not None
        await consumer.ack(await take(consumer))
        await take(consumer)  # and held until it is too late
        await consumer.ack(await take(consumer))
    await case.advance(10.5)
    return {young.key}


@check("CC7", "CC4")
@explored
async def an_interrupted_sweep_is_finished_by_the_next(claims: Bound[ClaimCheck], case: Case, faults: Plan) -> None:
    """With an error or a crash at every call of a sweep: what returns has removed all that is due, claims and markers."""
    if beside(case, claims, acks=True, time=True):
        return
    claims.faults.healed = True  # what is to be swept is laid out in peace
    young = await _laid_out(claims, case)
    claims.faults.healed = False

    async def work(check_in: ClaimCheck) -> None:
        for _ in range(_MANY):
            try:
                await check_in.sweep()
            except (BackendUnavailable, OperationTimeout):
                continue
            break
        same("CC7", await entries_there(claims), young, "a sweep that returned left what is due, or removed what is not")

    while True:
        try:
            await claims.survive(work, **CONFIG)
            break
        except (BackendUnavailable, OperationTimeout):
            continue
    claims.heal()
    claims.struck()
