"""Claim check, promises 4 and 7: a claim is removed when it is due, never before, and nothing else ever is."""

import asyncio
from itertools import product
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._claims import TOPIC, T, beside, claims_there, entries_there, mode, skewed, take
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.traits import Limits

BIG = b"x" * (T + 1)
DAY_S, HOUR_S = 86_400.0, 3_600.0
AGE: dict[str, Any] = {"threshold": T, "max_age_s": 100.0, "grace_period_s": 20.0}


def _step_s(limits: Limits) -> float:
    """Return a time that every clock can tell."""
    return max(0.01, 2 * limits.clock_resolution_s)


async def _ack_one(consumer: ClaimConsumer) -> ClaimDelivery:
    delivery = await take(consumer)
    await consumer.ack(delivery)
    return delivery


async def _at(
    claims: Bound[ClaimCheck], case: Case, seconds: float, expected: int, sentence: str, promise: str = "CC4", **config: Any
) -> None:
    """Let time pass, sweep by a new instance, and count the claims."""
    await case.advance(seconds)
    async with claims.opened(**config) as check_in:
        await check_in.sweep()
    same(promise, len(await claims_there(claims)), expected, sentence)


SKEWS_S = (0.0, 1e6, -1e6)
"""By how much the clock of a process may be wrong."""


@check("CC4", "CC7")
@gauntlet(lambda limits: [{"cleanup": cleanup, "skew_s": skew} for cleanup in ("sweep", "on_ack") for skew in SKEWS_S])
async def a_claim_lives_for_its_age_and_the_grace(claims: Bound[ClaimCheck], case: Case, cleanup: str, skew_s: float) -> None:
    """Up to max_age + grace by the store's clock a claim stays, acked or not; after that the next sweep removes it, whatever the
    clock of its process says (CC-6, CC-12)."""
    if beside(case, claims, acks=cleanup == "on_ack", time=True):
        return
    clock = skewed(claims, skew_s)
    config: dict[str, Any] = {**AGE, "cleanup": cleanup, "consumers": ("c",), "retention_after_ack_s": 10 * DAY_S}
    step = _step_s(case.limits)
    async with claims.opened(**config) as check_in:
        await check_in.publish(TOPIC, BIG)
        same("CC7", (await check_in.sweep()).expired, 0, "a sweep removed a claim that was just published")
    await _at(claims, case, 100.0 - step, 1, f"a claim was removed before its max_age was over{clock}", **config)
    await _at(claims, case, 2 * step, 1, f"a claim was removed in its grace{clock}", **config)
    await _at(claims, case, 20.0 - 3 * step, 1, f"a claim was removed in its grace{clock}", **config)
    await _at(claims, case, 4 * step, 0, f"a claim outlived its max_age and grace{clock}", "CC7", **config)


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


@check("CC4")
@gauntlet(lambda limits: [{"retention_s": s, "skew_s": skew} for s, skew in ((0.0, 0.0), (1.0, 0.0), *product([300.0], SKEWS_S))])
async def an_acked_claim_is_kept_for_its_retention(
    claims: Bound[ClaimCheck], case: Case, retention_s: float, skew_s: float
) -> None:
    """After the last ack a claim stays for retention_after_ack_s by the store's clock, and is removed by the next sweep after
    that (CC-5)."""
    if beside(case, claims, acks=True, time=True):
        return
    clock = skewed(claims, skew_s)
    config: dict[str, Any] = {"threshold": T, **mode(claims, "c"), "retention_after_ack_s": retention_s}
    step = _step_s(case.limits)
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        await case.advance(50.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "a claim was removed that nobody acked")
        await _ack_one(consumer)
    if retention_s:
        await _at(claims, case, retention_s - step, 1, f"an acked claim was removed before its retention was over{clock}", **config)
    await _at(claims, case, 3 * step, 0, f"an acked claim outlived its retention{clock}", **config)
    same("CC7", await entries_there(claims), set(), "the markers of a removed claim were left")


@check("CC4")
async def a_nack_is_no_ack(claims: Bound[ClaimCheck], case: Case) -> None:
    """A message that was given back finds its payload when it comes again, however often (CC-4)."""
    if beside(case, claims, acks=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "c"), "retention_after_ack_s": 0.0}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        for _ in range(3):
            delivery = await take(consumer, "CC4")
            same("CC4", await consumer.read(delivery), BIG, "a message came again without its payload")
            await consumer.nack(delivery)
            if case.clock.virtual:
                await case.advance(5.0)
            await check_in.sweep()
        same("CC4", await consumer.read(await take(consumer, "CC4")), BIG, "a message came again without its payload")


@check("CC4")
@gauntlet(lambda limits: [{"delay_s": delay_s, "payload": payload} for delay_s in (0.5, 40.0) for payload in (BIG, b"inline")])
async def a_nacked_message_waits_for_its_delay(claims: Bound[ClaimCheck], case: Case, delay_s: float, payload: bytes) -> None:
    """What is given back for a while comes again when that is over, not before, with its payload."""
    if beside(case, claims, time=True):
        return
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, payload)
        await consumer.nack(await take(consumer, "CC4"), delay_s)
        for part in (0.0, 0.4, 0.5):
            if (early := await consumer.receive(part * delay_s)) is not None:
                broken("CC4", f"a message that was given back for {delay_s:g} s comes before", expected=None, got=early)
        same("CC4", await consumer.read(await take(consumer, "CC4")), payload, "a message came again without its payload")


@check("CC4")
async def a_message_that_was_held_too_long_finds_its_payload(claims: Bound[ClaimCheck], case: Case) -> None:
    """What a consumer read and left behind comes to the next one with its payload (CC-4)."""
    if beside(case, claims, acks=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "c"), "retention_after_ack_s": 90.0}
    async with claims.opened(**config) as check_in:
        async with check_in.consume(TOPIC, "c") as consumer:
            await check_in.publish(TOPIC, BIG)
            same("CC1", await consumer.read(await take(consumer)), BIG, "a payload does not come back")
        await case.advance(200.0)
        await check_in.sweep()
        async with check_in.consume(TOPIC, "c") as consumer:
            same("CC4", await consumer.read(await take(consumer, "CC4")), BIG, "a message came again without its payload")


def _alike(limits: Limits) -> list[tuple[str, str]]:
    """Return pairs of names that somebody may take for one: long ones, hashes, folders."""
    stem = "n" * (min(limits.max_name, 500) - 1)
    return [(f"{stem}1", f"{stem}2"), (f"1{stem}", f"2{stem}"), ("a", "A"), ("a/b", "a"), ("#", "##"), ("x", "x ")]


@check("CC4")
@gauntlet(lambda limits: [{"order": order} for order in (("a", "b"), ("b", "a"), *_alike(limits))])
async def every_named_consumer_must_ack(claims: Bound[ClaimCheck], case: Case, order: tuple[str, str]) -> None:
    """A claim waits for all that are named, and its retention begins with the last of them (CC-5)."""
    if beside(case, claims, acks=True, names=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, *sorted(order)), "retention_after_ack_s": 10.0}
    step = _step_s(case.limits)
    async with (
        claims.opened(**config) as check_in,
        check_in.consume(TOPIC, order[0]) as first,
        check_in.consume(TOPIC, order[1]) as second,
    ):
        await check_in.publish(TOPIC, BIG)
        await _ack_one(first)
        await case.advance(60.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "a claim was removed at the first ack of two")
        delivery = await take(second, "CC4")
        same("CC4", await second.read(delivery), BIG, "the second consumer does not find the payload")
        await second.ack(delivery)
        await case.advance(10.0 - step)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "the retention was counted from another ack than the last")
    await _at(claims, case, 3 * step, 0, "a claim that everybody acked outlived its retention", **config)


@check("CC4")
async def the_ack_of_somebody_else_does_not_count(claims: Bound[ClaimCheck], case: Case) -> None:
    """Only the named consumers count: another one's ack, and a name that looks alike, remove nothing."""
    if beside(case, claims, acks=True, names=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "named"), "retention_after_ack_s": 0.0}
    async with claims.opened(**config) as check_in:
        for name in ("other", "Named", "named ", "nam", "named/x"):
            async with check_in.consume(TOPIC, name) as consumer:
                if name == "other":
                    await check_in.publish(TOPIC, BIG)
                await _ack_one(consumer)
        if case.clock.virtual:
            await case.advance(5.0)
        await check_in.sweep()
    same("CC4", len(await claims_there(claims)), 1, "the ack of a consumer that is not named removed a claim")


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
        await case.advance(2.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "other claims are left than the one that nobody acked")


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
    await _at(claims, case, 41.0, 0, "the deletion after an ack was forgotten over a restart", **config)


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


STRANGERS = (
    "claims/readme.txt",
    "claims/README",
    "claims/0a1B",
    "claims/0a1b\n",
    "claims/0a 1b",
    "claims/0a_1b",
    "claims/0a-1b",
    "claims/\u0663\u0663",
    "claims/caf\u00e9",
    "claims//0a1b",
    "claims/0a1b/",
    "claims/",
    "claims/0A1B.acks/c",
    "claims/0a1b\n.acks/c",
    "claims/0a1b.ACKS/c",
    "claims/0a1b.acksc",
    "claims/0a1b.acks2/c",
    "claims/0a1b_acks/c",
    "claims/a/b",
    "claims2/x",
    "claimsx",
    "claims",
    "Claims/0",
    "other/claims/1",
    "claims/0123.acks",
    "claims/_mine",
    "claims/sub/_config",
    "claims.acks/c",
    "claims/My-Own.acks/c",
    "claims/a/b.acks/c",
)


@check("CC7")
async def a_sweep_touches_nothing_else(claims: Bound[ClaimCheck], case: Case) -> None:
    """What is not a claim, under the prefix or beside it, stays, however old (CC-6)."""
    store = await claims.look("store")
    await store.create_bucket("claim-check")
    for key in STRANGERS:
        await store.put("claim-check", key, b"precious")
    config: dict[str, Any] = {**AGE, "cleanup": "sweep"}
    async with claims.opened(**config, prefix="claims2") as other:
        await other.publish(TOPIC, BIG)
    async with claims.opened(**config) as check_in:
        await check_in.publish(TOPIC, BIG)
        if case.clock.virtual:
            await case.advance(121.0)
        await check_in.sweep()
    found = {info.key async for info in store.list_objects("claim-check", "")}
    same("CC7", sorted(set(STRANGERS) - found), [], "a sweep removed what is no claim")
    same("CC7", len(await claims_there(claims, prefix="claims2")), 2, "a sweep removed the claims of another prefix")
    if case.clock.virtual:
        left = {key for key in await claims_there(claims) if key not in STRANGERS}
        same("CC7", left, set(), "a sweep left a claim that is too old")


@check("CC7")
async def the_old_go_and_the_young_stay(claims: Bound[ClaimCheck], case: Case) -> None:
    """A sweep tells claims apart by their own age, and says how many it removed (CC-6)."""
    if beside(case, claims, time=True):
        return
    config: dict[str, Any] = {**AGE, "cleanup": "sweep"}
    async with claims.opened(**config) as check_in:
        keys = []
        for _ in range(5):
            receipt = await check_in.publish(TOPIC, BIG)
            keys.append(receipt.claim.key if receipt.claim is not None else "")
            await case.advance(50.0)
            await check_in.sweep()
        # Ages now: 250, 200, 150, 100 and 50 s; over 120 s is old.
        same("CC7", await claims_there(claims), set(keys[3:]), "a sweep left or removed claims of the wrong age")
        await case.advance(25.0)
        same("CC7", (await check_in.sweep()).expired, 1, "a sweep counts otherwise than it removes")


@check("CC4", "CC7")
async def a_sweep_removes_all_that_is_due(claims: Bound[ClaimCheck], case: Case) -> None:
    """One sweep is enough, however much there is: what is due is removed by the next one."""
    if beside(case, claims, time=True):
        return
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        for _ in range(150):
            await check_in.publish(TOPIC, BIG)
    await case.advance(121.0)
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        await check_in.sweep()
        same("CC7", len(await claims_there(claims)), 0, "a sweep removed a part of what is due")


@check("CC7")
async def a_sweep_goes_on_beside_producers(claims: Bound[ClaimCheck], case: Case) -> None:
    """Claims that are published and acked while sweeps run are neither lost nor left (CC-6)."""
    if beside(case, claims, time=True):
        return
    case.overlap()
    config: dict[str, Any] = {**AGE, "cleanup": "sweep"}
    async with claims.opened(**config) as check_in, claims.opened(**config) as other:
        await check_in.publish(TOPIC, BIG)
        await case.advance(121.0)
        publishes = (check_in.publish(TOPIC, BIG), other.publish(TOPIC, BIG), other.publish(TOPIC, BIG))
        swept = asyncio.gather(check_in.sweep(), other.sweep(), check_in.sweep())
        fresh = {receipt.claim.key for receipt in await asyncio.gather(*publishes) if receipt.claim is not None}
        await swept
        same("CC7", await claims_there(claims), fresh, "sweeps beside producers left or removed the wrong claims")
