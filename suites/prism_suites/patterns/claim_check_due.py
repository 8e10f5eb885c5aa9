"""Claim check, promises 4 and 7: a sweep removes all that is due, and nothing else ever."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import (
    AGE,
    TOPIC,
    T,
    beside,
    claims_there,
    entries_there,
    mode,
    sent_messages,
    swept,
    take,
    worker_rests,
)
from prism_suites._judging import same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectInfo
from prism_testkit.interfaces.errors import AccessDenied, BackendUnavailable, PrismError

BIG = b"x" * (T + 1)
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


_CROWD = 1_200
"""More than servers list in one answer."""


def _turned(store: Any) -> None:
    """Let listings give the last first, behind a crowd of what is somebody's."""
    strict = store.list_objects

    async def list_objects(bucket: str, prefix: str = "") -> AsyncIterator[Any]:
        infos = [info async for info in strict(bucket, prefix)]
        for number in range(_CROWD if "claims/!".startswith(prefix) else 0):
            yield ObjectInfo(f"claims/!{number}", 1, min(info.last_modified_ms for info in infos) if infos else 0)
        for info in reversed(infos):
            yield info

    store.list_objects = list_objects


@check("CC4", "CC7")
@gauntlet(lambda limits: [{"by": by} for by in ("its age", "its acks")])
async def at_its_limit_a_claim_stays(claims: Bound[ClaimCheck], case: Case, by: str) -> None:
    """Over its age, or longer than its retention, is more than exactly as old, by what the store's clock tells the sweep (CC-6)."""
    if beside(case, claims, acks=by == "its acks", time=True):
        return
    acked = by == "its acks"
    limit_s = 50.0 if acked else 120.0
    config: dict[str, Any] = {**AGE, "cleanup": "sweep"}
    if acked:
        config = {"threshold": T, **mode(claims, "c"), "max_age_s": 1e6, "retention_after_ack_s": limit_s}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        receipt = await check_in.publish(TOPIC, BIG)
        assert receipt.claim is not None
        key, store = receipt.claim.key, await claims.look("store")
        if acked:
            await consumer.ack(await take(consumer))
        listed = {info.key: info.last_modified_ms async for info in store.list_objects("claim-check", "claims/")}
        since_ms = listed[f"{key}.acks/c"] if acked else listed[key]
        for wait_s in (limit_s, 0.002):
            await case.advance(wait_s)
            await check_in.sweep()
            clock = await store.metadata("claim-check", "claims/_clock")
            if clock is None:
                return  # nobody asked what time it is
            age_ms = clock.last_modified_ms - since_ms
            stays = age_ms <= limit_s * 1000
            sentence = f"a claim is {'removed' if stays else 'left'} by a sweep {age_ms} ms after what it goes by, of {limit_s:g} s"
            same("CC4", await store.exists("claim-check", key), stays, sentence)


@check("CC7")
@gauntlet(lambda limits: [{"turned": turned} for turned in (False, True)])
async def the_old_go_and_the_young_stay(claims: Bound[ClaimCheck], case: Case, turned: bool) -> None:
    """A sweep tells claims apart by their own age, in whatever order they are listed, and says how many it removed (CC-6)."""
    if beside(case, claims, time=True):
        return
    told = f", where a listing gives the last first, behind {_CROWD:,} objects of somebody else" if turned else ""
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
        same("CC7", await claims_there(claims), set(keys[3:]), f"a sweep left or removed claims of the wrong age{told}")
    await case.advance(25.0)
    async with claims.opened(**config) as check_in:
        await swept(case, check_in)
    same("CC7", await claims_there(claims), set(keys[4:]), f"a sweep left or removed claims of the wrong age{told}")


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


def _stuck(keys: set[str]) -> Callable[[Any], None]:
    """Return a change of a store: what is among the keys cannot be removed, however often that is tried."""
    asked: list[str] = []

    def change(store: Any) -> None:
        delete = store.delete

        async def guarded(bucket: str, key: str) -> bool:
            if key in keys:
                asked.append(key)
                raise (AccessDenied if key == asked[0] else BackendUnavailable)(f"{key[-12:]!a} cannot be removed now")
            removed: bool = await delete(bucket, key)
            return removed

        store.delete = guarded

    return change


_STUCK = 7
"""As many removals as may fail in a row and hold up no other."""


@check("CC7")
@gauntlet(lambda limits: [{"spared": spared} for spared in ("first listed", "last listed", "oldest", "youngest")])
async def some_that_fail_in_a_row_hold_up_no_other(claims: Bound[ClaimCheck], case: Case, spared: str) -> None:
    """A sweep that cannot remove seven claims removes the eighth, in whatever order it goes, and the seven when it can."""
    if beside(case, claims, time=True):
        return
    keys: list[str] = []
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        for _ in range(_STUCK + 1):
            receipt = await check_in.publish(TOPIC, BIG)
            keys.append(receipt.claim.key if receipt.claim is not None else "")
            await case.advance(0.01)
    well = {"first listed": min(keys), "last listed": max(keys), "oldest": keys[0], "youngest": keys[-1]}[spared]
    stuck: set[str] = set()
    await case.advance(121.0)
    claims.change("store", _stuck(stuck))
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        await worker_rests(case)  # one that sweeps at its entry leaves nothing to do
        stuck.update({*keys} - {well})
        with suppress(PrismError):  # what is raised is judged elsewhere
            await check_in.sweep()
        sentence = f"of {_STUCK + 1} claims that are due, the {spared} alone can be removed, and a sweep left it"
        same("CC7", well in await claims_there(claims), False, sentence)
        stuck.clear()
        await check_in.sweep()
        same("CC7", await claims_there(claims), set(), "what could not be removed at first was not removed by the next sweep")


@check("CC4", "CC7", "CC2", "lifecycle.4")
async def a_sweep_removes_all_that_is_due(claims: Bound[ClaimCheck], case: Case) -> None:
    """One sweep is enough, however much there is; if many removals fail, but not in a row, it removes the rest, and raises the
    first of the errors."""
    if beside(case, claims, time=True):
        return
    number = 1030 if case.clock.virtual else 300  # more than a page holds, or a byte counts, in one instant
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        for _ in range(number):
            await check_in.publish(TOPIC, BIG)
        odd = sorted(key for key in await claims_there(claims) if not re.fullmatch("claims/[0-9a-z]+", key))
        same("CC7", odd[:3], [], "the id of a claim has other characters than 0-9a-z")
        same("CC4", len(await claims_there(claims)), number, "of claims that were published in one instant two share an object")
        last = sent_messages(case)[-1]
        size = sum(len(text.encode()) for pair in last.headers.items() for text in pair) + len(last.payload)
        same("CC2", size < 2048, True, f"the message of the {number}th claim of an instance comes to {size} bytes")
    await case.advance(121.0)
    failing: set[str] = set()
    claims.change("store", _stuck(failing))
    async with claims.opened(**AGE, cleanup="sweep") as check_in:
        await worker_rests(case, 20.0)
        failing.update(sorted(await claims_there(claims))[::20])  # of none, if it sweeps at its entry
        try:
            await check_in.sweep()
        except PrismError as error:
            same("CC7", type(error), AccessDenied, "of the errors of a sweep another one is raised than the first")
            same("lifecycle.4", (await check_in.health()).status, "degraded", "it does not say that removals failed")
        else:
            same("CC7", len(failing), 0, "a sweep in which removals failed raised nothing")
        same(
            "CC7",
            len(await claims_there(claims)),
            len(failing),
            "a sweep leaves more, or fewer, claims than it could not remove",
        )
        failing.clear()
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
