"""Claim check, promises 4 and 7: a claim is removed when it is due, and never before."""

import math
from itertools import product
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._claims import AGE, TOPIC, T, beside, claims_there, entries_there, mode, pattern_of, skewed, swept, take
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.outcomes import Words
from prism_testkit.traits import Limits

BIG = b"x" * (T + 1)
DAY_S, HOUR_S = 86_400.0, 3_600.0


def _step_s(limits: Limits) -> float:
    """Return a time that every clock can tell."""
    return max(0.01, 2 * limits.clock_resolution_s)


async def _ack_one(consumer: ClaimConsumer) -> ClaimDelivery:
    delivery = await take(consumer)
    await consumer.ack(delivery)
    return delivery


async def _at(
    claims: Bound[ClaimCheck],
    case: Case,
    at_s: float,
    expected: int,
    sentence: str,
    promise: str = "CC4",
    due: str = "",
    until_s: float = math.inf,
    **config: Any,
) -> None:
    """Let time pass until ``at_s``, sweep by a new instance, and count the claims. A sweep may take its time: one that ends after
    ``until_s`` says nothing."""
    await case.advance(max(0.0, at_s - case.clock.now_s()))
    async with claims.opened(**config) as check_in:
        await swept(case, check_in, due=due)
    there = await claims_there(claims)
    if len(there) != expected and case.clock.now_s() <= until_s:
        told = "no claim" if not expected else "1 claim" if expected == 1 else f"{expected} claims"
        broken(promise, f"{sentence}: after a sweep {len(there)} are there", expected=Words(told), got=there)


SKEWS_S = (0.0, 1e6, -1e6)
"""By how much the clock of a process may be wrong."""


NAMES = ("c", "b.acks/a", "x\n_ .acks/", "#%23", "\u00e9" * 30 + "/" * 45)
"""Consumers who are called as parts of the names of markers are, or by more than a hundred bytes."""


LIVES_S = ((100.5, 19.75), (0.0, 20.5), (100.75, 0.0), (60.4 * DAY_S, 30.5 * DAY_S))
"""Ages and graces: fractions of which neither they nor their sum are whole, none at all, and months that are no whole days."""
FRACTION_S = 0.6
"""What is stored is stored in the midst of a second."""


@check("CC4", "CC7")
@gauntlet(
    lambda limits: [
        {"cleanup": cleanup, "skew_s": skew, "life_s": LIVES_S[(number + 3 * turn) % 4]}
        for turn, cleanup in enumerate(("sweep", "on_ack"))
        for number, skew in enumerate(SKEWS_S)
    ]
)
async def a_claim_lives_for_its_age_and_the_grace(
    claims: Bound[ClaimCheck], case: Case, cleanup: str, skew_s: float, life_s: tuple[float, float]
) -> None:
    """Up to max_age + grace by the store's clock a claim stays, acked or not; after that the next sweep removes it, whatever the
    clock of its process says (CC-6, CC-12)."""
    if beside(case, claims, acks=cleanup == "on_ack", time=True):
        return
    clock = skewed(claims, skew_s)
    config: dict[str, Any] = {"threshold": T, "max_age_s": life_s[0], "grace_period_s": life_s[1], "cleanup": cleanup}
    config |= {"consumers": ("c",), "retention_after_ack_s": 10 * DAY_S}
    step = _step_s(case.limits)
    await case.advance(FRACTION_S)
    async with claims.opened(**config) as check_in:
        begun_s = case.clock.now_s()
        await check_in.publish(TOPIC, BIG)
        stored_s = case.clock.now_s()  # at the latest
        same("CC7", (await check_in.sweep()).expired, 0, "a sweep removed a claim that was just published")
    end_s = sum(life_s)
    for age_s in (life_s[0] - step, life_s[0] + step, end_s - 2 * step):
        at_s = begun_s + age_s
        if case.clock.now_s() < at_s and age_s <= end_s - 2 * step:
            told = "before its max_age was over" if age_s < life_s[0] else "in its grace"
            until_s = begun_s + end_s - step
            await _at(claims, case, at_s, 1, f"a claim was removed {told}{clock}", until_s=until_s, **config)
    told = f"a claim outlived its max_age and grace{clock}"
    await _at(claims, case, stored_s + end_s + 2 * step, 0, told, "CC7", "expired", **config)


@check("CC4", "CC7")
async def what_is_retained_is_never_removed(claims: Bound[ClaimCheck], case: Case) -> None:
    """Under retain neither acks nor age remove anything."""
    config: dict[str, Any] = {**AGE, "cleanup": "retain", "retention_after_ack_s": 0.0, "consumers": ("c",)}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        await _ack_one(consumer)
        if case.clock.virtual:
            await case.advance(1000.0)
        before = await entries_there(claims)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "a claim was removed although cleanup is retain")
        same("CC7", await entries_there(claims), before, "something was removed although cleanup is retain")
        store = await claims.look("store")
        for key in await claims_there(claims):
            await store.delete("claim-check", key)
            await store.put("claim-check", f"{key}.acks/c", b"")  # as one leaves it whose cleanup is on_ack
        before = await entries_there(claims)
        await check_in.sweep()
        same("CC7", await entries_there(claims), before, "a marker of what is gone was removed although cleanup is retain")


@check("CC4")
async def an_ack_removes_nothing_under_sweep(claims: Bound[ClaimCheck], case: Case) -> None:
    """Under sweep a claim waits for its age, acked or not: others may still need it (CC-4)."""
    config: dict[str, Any] = {**AGE, "cleanup": "sweep", "retention_after_ack_s": 0.0, "consumers": ("c",)}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        await _ack_one(consumer)
        if case.clock.virtual:
            await case.advance(50.0)
        await check_in.sweep()
    same("CC4", len(await claims_there(claims)), 1, "an ack removed a claim although cleanup is sweep")


@check("CC4", "CC7")
@gauntlet(
    lambda limits: [
        {"retention_s": s, "skew_s": skew, "name": name}
        for (s, skew), name in zip(
            ((0.0, 0.0), (1.75, 0.0), *product([300.5], SKEWS_S), (40 * DAY_S, 0.0)), (*NAMES, "c"), strict=True
        )
    ]
)
async def an_acked_claim_is_kept_for_its_retention(
    claims: Bound[ClaimCheck], case: Case, retention_s: float, skew_s: float, name: str
) -> None:
    """After the last ack a claim stays for retention_after_ack_s by the store's clock, and is removed by the next sweep after
    that (CC-5)."""
    if beside(case, claims, acks=True, time=True):
        return
    clock = skewed(claims, skew_s)
    config: dict[str, Any] = {"threshold": T, **mode(claims, name), "retention_after_ack_s": retention_s, "max_age_s": 1e8}
    step = _step_s(case.limits)
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, name) as consumer:
        await check_in.publish(TOPIC, BIG)
        await case.advance(50.0 + FRACTION_S)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, f"a claim was removed that nobody acked{clock}")
        begun_s = case.clock.now_s()
        await _ack_one(consumer)
        acked_s = case.clock.now_s()  # at the latest
    if retention_s:
        at_s, until_s = begun_s + retention_s - 2 * step, begun_s + retention_s - step
        told = f"an acked claim was removed before its retention was over{clock}"
        await _at(claims, case, at_s, 1, told, until_s=until_s, **config)
    told = f"an acked claim outlived its retention{clock}"
    await _at(claims, case, acked_s + retention_s + 2 * step, 0, told, due="acked", **config)
    same("CC7", await entries_there(claims), set(), "the markers of a removed claim were left")


@check("CC4")
async def the_ack_of_somebody_else_does_not_count(claims: Bound[ClaimCheck], case: Case) -> None:
    """Only the named consumers count: another one's ack, and a name that looks alike, remove nothing."""
    if beside(case, claims, acks=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "named"), "retention_after_ack_s": 0.0}
    sent = 0
    async with claims.opened(**config) as check_in:
        for name in ("other", "Named", "named ", "nam", "named/x"):
            async with check_in.consume(TOPIC, name) as consumer:
                if not sent or pattern_of(claims) == "queue":  # where one alone gets a message
                    await check_in.publish(TOPIC, BIG)
                    sent += 1
                await _ack_one(consumer)
        if case.clock.virtual:
            await case.advance(5.0)
        await check_in.sweep()
    same("CC4", len(await claims_there(claims)), sent, "the ack of a consumer that is not named removed a claim")


@check("CC4")
async def the_ack_of_somebody_else_holds_nothing_up(claims: Bound[ClaimCheck], case: Case) -> None:
    """The retention is that of the named consumers: the later ack of another one does not begin it anew."""
    if beside(case, claims, acks=True, names=True) or not case.clock.virtual:
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "named"), "retention_after_ack_s": 100.0}
    async with claims.opened(**config) as check_in:
        async with check_in.consume(TOPIC, "named") as named, check_in.consume(TOPIC, "other") as other:
            await check_in.publish(TOPIC, BIG)
            await _ack_one(named)
            await case.advance(95.0)
            await _ack_one(other)
        await case.advance(50.0)
        await check_in.sweep()
    same("CC4", len(await claims_there(claims)), 0, "the ack of a consumer that is not named held up a removal")


@check("CC4")
async def without_names_anybody_will_do(claims: Bound[ClaimCheck], case: Case) -> None:
    """Where no consumer is named, one ack is enough, and without any the claim stays."""
    if claims.interfaces["queue"] == "pubsub_persistent" or beside(case, claims, acks=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims), "retention_after_ack_s": 10.0}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "anybody") as consumer:
        await check_in.publish(TOPIC, BIG)
        await check_in.publish(TOPIC, BIG + b"2")
        await _ack_one(consumer)
        await case.advance(9.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 2, "an acked claim was removed before its retention was over")
        if pattern_of(claims) != "queue":  # where a message has another consumer
            async with check_in.consume(TOPIC, "somebody") as other:
                await _ack_one(other)
            await case.advance(9.0)
            await check_in.sweep()
            same("CC4", len(await claims_there(claims)), 2, "the retention was counted from another ack than the last")
        await case.advance(2.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "other claims are left than the one that nobody acked")
        await _ack_one(consumer)
        await case.advance(11.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 0, "an ack of anybody was not enough, though nobody is named")


@check("CC4")
async def the_timer_survives_a_restart(claims: Bound[ClaimCheck], case: Case) -> None:
    """A deletion that was due after a restart happens, by an instance that saw neither publish nor ack (CC-5)."""
    if beside(case, claims, acks=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "c"), "retention_after_ack_s": 100.0}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        await _ack_one(consumer)
    await case.advance(60.0)
    async with claims.opened(**config):
        same("CC4", len(await claims_there(claims)), 1, "a restart removed a claim before its retention was over")
    await _at(claims, case, case.clock.now_s() + 41.0, 0, "the deletion after an ack was forgotten over a restart", **config)


@check("CC4", "CC7")
@gauntlet(lambda limits: [{"cleanup": cleanup} for cleanup in ("sweep", "on_ack")])
async def the_background_worker_removes_what_is_due(claims: Bound[ClaimCheck], case: Case, cleanup: str) -> None:
    """Nobody need call sweep: with time what is due goes (CC-6)."""
    if beside(case, claims, acks=cleanup == "on_ack", time=True):
        return
    # Long ones, for whoever sweeps the oftener, the sooner something is due.
    config: dict[str, Any] = {"threshold": T, "max_age_s": 2_500.0, "grace_period_s": 1_000.0, "cleanup": cleanup}
    config |= {"consumers": ("c",), "retention_after_ack_s": 2_000.0}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        await _ack_one(consumer)
        await case.advance(2 * HOUR_S)
        same("CC4", await entries_there(claims), set(), "the background worker left what is due")
        same("CC1", (await check_in.health()).status, "healthy", "it says it is not healthy")
