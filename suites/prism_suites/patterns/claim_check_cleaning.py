"""Claim check, promises 4 and 7: a claim is removed when it is due, never before, and nothing else ever is."""

import asyncio
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._claims import TOPIC, T, befall, beside, claims_there, entries_there, mode, pattern_of, skewed, swept, take
from prism_suites._judging import same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import AccessDenied, PrismError
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
    claims: Bound[ClaimCheck],
    case: Case,
    seconds: float,
    expected: int,
    sentence: str,
    promise: str = "CC4",
    due: str = "",
    **config: Any,
) -> None:
    """Let time pass, sweep by a new instance, and count the claims."""
    await case.advance(seconds)
    async with claims.opened(**config) as check_in:
        await swept(case, check_in, due=due)
    same(promise, len(await claims_there(claims)), expected, sentence)


SKEWS_S = (0.0, 1e6, -1e6)
"""By how much the clock of a process may be wrong."""


NAMES = ("c", "b.acks/a", "x\n_ .acks/", "#%23", "\u00e9" * 30 + "/" * 45)
"""Consumers who are called as parts of the names of markers are, or by more than a hundred bytes."""


LIVES_S = ((100.5, 19.75), (0.0, 20.5), (100.75, 0.0))
"""Ages and graces: fractions of which neither they nor their sum are whole, and none at all."""


@check("CC4", "CC7")
@gauntlet(
    lambda limits: [
        {"cleanup": cleanup, "skew_s": skew, "life_s": LIVES_S[(number + turn) % 3]}
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
    async with claims.opened(**config) as check_in:
        await check_in.publish(TOPIC, BIG)
        same("CC7", (await check_in.sweep()).expired, 0, "a sweep removed a claim that was just published")
    age_s, end_s = 0.0, sum(life_s)
    for at_s in (life_s[0] - step, life_s[0] + step, end_s - 2 * step):
        if age_s < at_s <= end_s - 2 * step:
            told = "before its max_age was over" if at_s < life_s[0] else "in its grace"
            await _at(claims, case, at_s - age_s, 1, f"a claim was removed {told}{clock}", **config)
            age_s = at_s
    await _at(
        claims, case, end_s + 2 * step - age_s, 0, f"a claim outlived its max_age and grace{clock}", "CC7", "expired", **config
    )


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
        before = await entries_there(claims)  # a marker, of those who mark
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
        for (s, skew), name in zip(((0.0, 0.0), (1.75, 0.0), *product([300.5], SKEWS_S)), NAMES, strict=True)
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
    config: dict[str, Any] = {"threshold": T, **mode(claims, name), "retention_after_ack_s": retention_s}
    step = _step_s(case.limits)
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, name) as consumer:
        await check_in.publish(TOPIC, BIG)
        await case.advance(50.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims)), 1, "a claim was removed that nobody acked")
        await _ack_one(consumer)
    if retention_s:
        await _at(claims, case, retention_s - step, 1, f"an acked claim was removed before its retention was over{clock}", **config)
    await _at(claims, case, 3 * step, 0, f"an acked claim outlived its retention{clock}", due="acked", **config)
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
    theirs = []
    for prefix in ("claims2", "claims/eu", "claims/eu/0", "claims_"):
        async with claims.opened(**{**config, "max_age_s": 1_000.0}, prefix=prefix) as other:
            receipt = await other.publish(TOPIC, BIG)
            theirs.append(receipt.claim.key if receipt.claim is not None else "")
    async with claims.opened(**config) as check_in:
        receipt = await check_in.publish(TOPIC, BIG)
        key = receipt.claim.key if receipt.claim is not None else ""
        alike = [f"{key}{end}" for end in (".txt", ".acks", ".acks2/c", "_", "/c", "/.acks/c", " ")]
        alike += [f"claims/ {key.removeprefix('claims/')}", key.upper().replace("CLAIMS", "claims"), f"Claims{key[6:]}", key[6:]]
        alike = [name for name in alike if name != key]  # an id of digits alone has no capitals
        if case.clock.virtual:
            await case.advance(60.0)  # they are younger than the claim that they look like, and keep it no longer
        for name in alike:
            await store.put("claim-check", name, b"precious")
        if case.clock.virtual:
            await case.advance(61.0)
        await check_in.sweep()
        if case.clock.virtual:
            same("CC7", key in await entries_there(claims), False, "a sweep left a claim that is too old")
            await case.advance(61.0)
            await check_in.sweep()
    found = {info.key async for info in store.list_objects("claim-check", "")}
    same("CC7", sorted({*STRANGERS, *alike} - found), [], "a sweep removed what is no claim")
    same(
        "CC7", sorted(set(theirs) - found), [], "a sweep removed the claims of another prefix, which are younger than their max_age"
    )


def _turned(store: Any) -> None:
    """Let listings give the last first."""
    strict = store.list_objects

    async def list_objects(bucket: str, prefix: str = "") -> AsyncIterator[Any]:
        for info in reversed([info async for info in strict(bucket, prefix)]):
            yield info

    store.list_objects = list_objects


@check("CC7")
@gauntlet(lambda limits: [{"turned": turned} for turned in (False, True)])
async def the_old_go_and_the_young_stay(claims: Bound[ClaimCheck], case: Case, turned: bool) -> None:
    """A sweep tells claims apart by their own age, in whatever order they are listed, and says how many it removed (CC-6)."""
    if beside(case, claims, time=True):
        return
    if turned:
        claims.change("store", _turned)
    config: dict[str, Any] = {**AGE, "cleanup": "sweep"}
    async with claims.opened(**config) as check_in:
        keys = []
        for _ in range(5):
            receipt = await check_in.publish(TOPIC, BIG)
            keys.append(receipt.claim.key if receipt.claim is not None else "")
            await case.advance(50.0)
            await swept(case, check_in)
        # Ages now: 250, 200, 150, 100 and 50 s; over 120 s is old.
        same("CC7", await claims_there(claims), set(keys[3:]), "a sweep left or removed claims of the wrong age")
    await case.advance(25.0)
    async with claims.opened(**config) as check_in:
        await swept(case, check_in)
    same("CC7", await claims_there(claims), set(keys[4:]), "a sweep left or removed claims of the wrong age")


@check("CC7")
async def the_markers_of_what_is_gone_go(claims: Bound[ClaimCheck], case: Case) -> None:
    """An ack that comes when its claim is gone leaves a marker until the next sweep, which counts it."""
    if beside(case, claims, acks=True, time=True):
        return
    config: dict[str, Any] = {**AGE, **mode(claims, "c")}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        claim = (await check_in.publish(TOPIC, BIG)).claim
        store = await claims.look("store")
        delivery = await take(consumer)
        await store.delete(claim.bucket if claim is not None else "", claim.key if claim is not None else "")
        await consumer.ack(delivery)
        await swept(case, check_in)
        same("CC7", await entries_there(claims), set(), "a sweep left the markers of a claim that is gone")


@check("CC4", "CC7", "lifecycle.4")
async def a_sweep_removes_all_that_is_due(claims: Bound[ClaimCheck], case: Case) -> None:
    """One sweep is enough, however much there is; if many removals fail, but not in a row, it removes the rest, and raises the
    first of the errors."""
    if beside(case, claims, time=True):
        return
    number = 300  # more than a byte counts, in one instant
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        for _ in range(number):
            await check_in.publish(TOPIC, BIG)
        same("CC4", len(await claims_there(claims)), number, "of claims that were published in one instant two share an object")
    await case.advance(121.0)
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        failing = range(0, len(await claims_there(claims)), 10)  # of none, if it sweeps at its entry
        for at in failing:
            befall(claims, "error before" if at else "refuse AccessDenied", "store.delete", actor=1, number=at)
        try:
            await check_in.sweep()
        except PrismError as error:
            same("CC7", type(error), AccessDenied, "of the errors of a sweep another one is raised than the first")
            same("lifecycle.4", (await check_in.health()).status, "degraded", "it does not say that removals failed")
        else:
            same("CC7", len(failing), 0, "a sweep in which removals failed raised nothing")
        same("CC7", len(await claims_there(claims)), len(failing), "a sweep removed a part of what is due and can be removed")
        await check_in.sweep()
        same("CC7", len(await claims_there(claims)), 0, "a sweep removed a part of what is due")
        same("lifecycle.4", (await check_in.health()).status, "healthy", "it is not healthy although its last sweep succeeded")


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
