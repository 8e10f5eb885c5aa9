"""Claim check, promises 4 and 7: a sweep that fails or dies anywhere is finished by the next one, of whichever instance."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import TOPIC, T, befall, beside, entries_there, take, worker_rests
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, explored, gauntlet
from prism_testkit.faults import Plan
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout, PrismError

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
        there = await entries_there(claims)
        same("CC7", there | young, young, "a sweep that returned left what is due")
        same("CC7", there, young, "a sweep removed what is not due")

    while True:
        try:
            await claims.survive(work, **CONFIG)
            break
        except (BackendUnavailable, OperationTimeout):
            continue
    claims.heal()
    claims.struck()


_FAILS = (
    *("error before", "error after", "refuse AccessDenied", "refuse OperationTimeout", "refuse BackendUnavailable"),
    *("refuse Conflict", "refuse QuotaExceeded"),
)
"""What a store may answer to a removal."""


@check("CC7", "CC4")
@gauntlet(lambda limits: [{"number": number, "what": what} for number in (0, 1, 2) for what in _FAILS])
async def a_removal_that_fails_holds_up_no_other(claims: Bound[ClaimCheck], case: Case, number: int, what: str) -> None:
    """Whichever removal of a sweep fails, everything else that is due is removed by that sweep, and that by the next one."""
    if beside(case, claims, acks=True, time=True):
        return
    young = await _laid_out(claims, case)
    async with claims.opened(**CONFIG) as check_in:
        await worker_rests(case)
        befall(claims, what, "store.delete", actor=2, number=number)
        try:
            await check_in.sweep()
        except PrismError:
            left = 1  # or its markers
        else:
            left = 0
        due = {key.partition(".acks/")[0] for key in await entries_there(claims)} - young
        if len(due) > left:
            broken("CC7", "a removal that failed held up others, or was kept quiet", expected=f"{left} left", got=sorted(due))
        await check_in.sweep()
        same("CC7", await entries_there(claims), young, "what could not be removed at first was not removed by the next sweep")
        same("lifecycle.4", (await check_in.health()).status, "healthy", "it is not healthy although its last sweep succeeded")


def listing_late(meanwhile: Callable[[], Awaitable[None]], late: Callable[[str], bool]) -> Callable[[Any], None]:
    """Return a change of a store: its listings give what was there in another order, let something happen, and then give of what
    was put meanwhile what ``late`` says. So may a store whose listing is in the order of a hash."""

    def change(store: Any) -> None:
        strict = store.list_objects

        async def list_objects(bucket: str, prefix: str = "") -> AsyncIterator[Any]:
            there = {info.key: info async for info in strict(bucket, prefix)}
            for key in sorted(there, key=lambda key: key[::-1]):
                yield there[key]
            await meanwhile()
            fresh = [info async for info in strict(bucket, prefix) if info.key not in there]
            for info in fresh:
                if late(info.key):
                    yield info

        store.list_objects = list_objects

    return change


LATE: dict[str, Callable[[str], bool]] = {
    "nothing": lambda key: False,
    "markers": lambda key: ".acks/" in key,
    "claims": lambda key: ".acks/" not in key,
    "both": lambda key: True,
}


@check("CC7", "CC4")
@gauntlet(lambda limits: [{"late": late, "acked": acked} for late in LATE for acked in (False, True)])
async def what_comes_during_a_listing_may_be_listed_or_not(claims: Bound[ClaimCheck], case: Case, late: str, acked: bool) -> None:
    """A claim that is published, and acked, while a sweep lists stays with its marker until it is due, whatever of it is listed."""
    if beside(case, claims, acks=True, time=True):
        return
    before: set[str] = set()
    begun: list[bool] = []
    async with claims.opened(**CONFIG) as check_in, check_in.consume(TOPIC, "c") as consumer:
        if acked:
            await check_in.publish(TOPIC, BIG)
            held = await take(consumer)

        async def meanwhile() -> None:
            if begun:
                return  # a worker may list beside it
            begun.append(True)
            await check_in.publish(TOPIC, BIG)
            await consumer.ack(await take(consumer))
            if acked:
                await consumer.ack(held)
            before.update(await entries_there(claims))

        claims.change("store", listing_late(meanwhile, LATE[late]))
        async with claims.opened(**CONFIG) as other:
            await other.sweep()
            same("CC7", before - await entries_there(claims), set(), f"a sweep that lists {late} late removed what is not due")
            await case.advance(11.0)
            await other.sweep()
    same("CC4", await entries_there(claims), set(), "what was acked during a sweep outlived its retention")
