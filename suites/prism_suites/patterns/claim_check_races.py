"""Claim check under schedules: publishers, consumers, sweeps, acks and a close that meet, call by call, as a plan has it."""

from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimDelivery, ClaimExpired, ClaimNotFound, Swept
from prism_suites._claims import (
    FIELD,
    SENDS,
    TOPIC,
    T,
    befall,
    beside,
    chunked,
    claims_there,
    entries_there,
    has_acks,
    judge_told,
    mode,
    pattern_of,
    resend,
    sent_messages,
    take,
)
from prism_suites._claims_racing import BIG, Taker, planned, publish_all, raced, rest
from prism_suites._claims_references import refers
from prism_suites._judging import broken, same
from prism_suites._lifecycle import ENDED
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces.errors import QuotaExceeded
from prism_testkit.plan import Plan

RETENTION_S = 100.0
LONG: dict[str, Any] = {"threshold": T, "max_age_s": 1e5, "grace_period_s": 1e4, "retention_after_ack_s": RETENTION_S}
WAKES_S = 3_600.0
"""The most seconds between two sweeps of a background worker that sweeps at least once an hour."""


@check("CC1", "CC3", "CC4")
@planned(20)
async def publishers_at_once_mix_nothing(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """However publishes meet, of one instance and of two, each message comes with its own payload (CC-3, CC-10)."""
    config: dict[str, Any] = {"threshold": T, "compression": "gzip"}
    async with claims.opened(**config) as one, claims.opened(**config) as two, one.consume(TOPIC, "c") as consumer:
        befall(claims, "refuse QuotaExceeded", *SENDS, number=1)
        keys: dict[str, str] = {}

        async def send(check_in: ClaimCheck, name: str, payload: Any) -> None:
            with suppress(QuotaExceeded):  # one of them all
                claim = (await check_in.publish(TOPIC, payload, {"name": name})).claim
                keys[name] = "" if claim is None else claim.key

        streamed = chunked(BIG["b"][:50], BIG["b"][50:])
        await raced(case, plan, send(one, "a", BIG["a"]), send(one, "b", streamed), send(one, "c", BIG["c"]), two.sweep())
        same("CC4", len(set(keys.values())), len(BIG) - 1, "of publishes at once two share an object, or one has none")
        same("CC3", await claims_there(claims), set(keys.values()), "others have their objects than those that were not refused")
        await rest(case, Taker(consumer), names=list(keys))
        puts = [e for e in case.history.entries if e.op.startswith("store.put") and ".acks/" not in e.args[1] and e.ret is not None]
        ends = {put.args[1].rpartition("/")[2]: put.ret or 0 for put in puts}
        for message in sent_messages(case):
            if not any(end < message.call for name, end in ends.items() if refers(message.headers.get(FIELD, ""), name)):
                broken("CC3", "a message was published before the upload of its object had returned", got=dict(message.headers))


@check("CC1", "CC4")
@planned(44)
async def consumers_at_once_read_their_own(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """However consumers meet, who compete and who do not, each delivery is read as what was published (CC-1, CC-4)."""
    acks = has_acks(claims)
    config: dict[str, Any] = {**LONG, **mode(None, "c")} if acks else {"threshold": T}
    async with claims.opened(**config) as one, claims.opened(**config) as two, AsyncExitStack() as stack:
        first, second, third = [await stack.enter_async_context(each.consume(TOPIC, "c")) for each in (one, two, one)]
        takers = [Taker(consumer) for consumer in (first, second, third)]
        await publish_all(one, TOPIC)
        ahead = await take(third)

        async def reread() -> None:
            await takers[2].read(ahead)
            await one.health()
            await takers[2].finish(ahead)

        await raced(case, plan, takers[0].work(3, give_back=1), takers[1].work(2), reread(), one.sweep())
        if acks:
            await rest(case, *takers)
            same("CC4", len(await claims_there(claims)), len(BIG), "a claim was removed before its retention was over")


@check("CC4", "CC7")
@planned(36)
async def acks_at_once_all_count(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """However acks of one claim meet each other and sweeps, each is counted, and the claim goes when it is due (CC-5)."""
    if beside(case, claims, acks=True, time=True):
        return
    alone = pattern_of(claims) == "queue"
    names = ("c", "c") if alone else ("a", "b")
    config: dict[str, Any] = {**LONG, **mode(None, *sorted(set(names)))}
    async with (
        claims.opened(**config) as one,
        claims.opened(**config) as two,
        one.consume(TOPIC, names[0]) as first,
        two.consume(TOPIC, names[1]) as second,
    ):
        for name in ("a", "b"):
            await one.publish(TOPIC, BIG[name], {"name": name})
            if alone:
                await resend(claims, case, -1)
        takers = Taker(first), Taker(second)
        mine, theirs = zip(*[(await take(first), await take(second)) for _ in range(2)], strict=True)

        async def work(taker: Taker, deliveries: Sequence[ClaimDelivery], reads: int) -> None:
            for _ in range(reads):
                await taker.read(deliveries[0])
            for delivery in deliveries:
                await taker.finish(delivery)

        await raced(case, plan, work(takers[0], mine, 0), work(takers[1], theirs[::-1], 1), one.sweep())
        same("CC4", len(await claims_there(claims)), 2, "a claim was removed before its retention was over")
        await case.advance(RETENTION_S + 2 + case.limits.clock_resolution_s)
        await two.sweep()
        same("CC4", await claims_there(claims), set(), "an ack that met another did not count: a claim outlived its retention")
        same("CC7", await entries_there(claims), set(), "the markers of a removed claim were left")


async def _laid_out(claims: Bound[ClaimCheck], case: Case, config: dict[str, Any], count: int) -> set[str]:
    """Leave claims that are due by their age; whoever published them is gone, so that nothing is swept in the background."""
    async with claims.opened(**config) as check_in:
        receipts = [await check_in.publish("old", BIG["a"]) for _ in range(count)]
    await case.advance(config["max_age_s"] + config["grace_period_s"] + 2 + case.limits.clock_resolution_s)
    return {receipt.claim.key for receipt in receipts if receipt.claim is not None}


@check("CC7", "CC4")
@planned(60)
async def sweeps_beside_life_remove_what_is_due(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """However sweeps meet publishes, reads, acks and each other: what is due goes, is counted once, and nothing else (CC-6)."""
    if beside(case, claims, time=True):
        return
    acks = has_acks(claims)
    config: dict[str, Any] = {**LONG, **(mode(None, "c") if acks else {"cleanup": "sweep"})}
    old = await _laid_out(claims, case, config, 2)
    async with claims.opened(**config) as one, claims.opened(**config) as two, two.consume(TOPIC, "c") as consumer:
        await case.advance(1.0)  # a worker may sweep as soon as it is started
        old &= await claims_there(claims)  # and then nothing is left to do
        taker, swept = Taker(consumer), list[Swept]()

        async def live(*names: str) -> None:
            for name in names:
                await two.publish(TOPIC, BIG[name], {"name": name})
                await taker.work(1)

        async def sweep(check_in: ClaimCheck, *names: str) -> None:
            await live(*names)
            swept.append(await check_in.sweep())
            same("CC7", old & await claims_there(claims), set(), "a sweep returned, and a claim that was due before it is there")

        since = len(case.history.entries)
        await raced(case, plan, live("a", "b"), sweep(two), sweep(one), sweep(two, "c"))
        same("CC7", len(await claims_there(claims)), len(BIG), "sweeps beside life left or removed the wrong claims")
        judge_told(case, since, swept)
        await rest(case, taker)
        await case.advance(RETENTION_S + 2 + case.limits.clock_resolution_s)
        await two.sweep()
        left = await entries_there(claims)
        same("CC4", left if acks else set(), set(), "what was acked while sweeps ran outlived its retention")


@check("CC4", "CC7")
@planned(28)
async def the_background_worker_meets_acks(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """However the background worker meets acks, reads and sweeps, it removes what is due, and nothing that is not (CC-5, CC-6)."""
    if beside(case, claims, acks=True, time=True):
        return
    # The worker of ours wakes after half the retention; at its third turn what was acked before the first is due.
    config: dict[str, Any] = {**LONG, **mode(None, "c"), "retention_after_ack_s": 2 * WAKES_S}
    async with claims.opened(**config) as one, one.consume(TOPIC, "c") as consumer:
        await one.publish(TOPIC, BIG["a"], {"name": "a"})
        await consumer.ack(await take(consumer))
        await case.advance(3 * WAKES_S - 1)
        await resend(claims, case, 0)
        for name in ("b", "c"):
            await one.publish(TOPIC, BIG[name], {"name": name})
        again, *fresh = [await take(consumer) for _ in range(3)]
        taker = Taker(consumer)

        async def reread() -> None:
            await case.clock.sleep(1.0)
            with suppress(ClaimExpired, ClaimNotFound):  # it was due
                await taker.read(again)
            await consumer.ack(again)

        async def finish(at: int) -> None:
            await case.clock.sleep(1.0)
            await taker.finish(fresh[at])

        async def sweep() -> None:
            await case.clock.sleep(1.0)
            await one.sweep()

        await raced(case, plan, reread(), finish(0), finish(1), sweep())
        young = {f"{d.claim.key}{end}" for d in fresh if d.claim is not None for end in ("", ".acks/c")}
        same("CC4", young - await entries_there(claims), set(), "the background worker removed what is not due")
        await case.advance(2 * WAKES_S + 2 + case.limits.clock_resolution_s)
        await one.sweep()
        same("CC7", await entries_there(claims), set(), "an ack that met a sweep left what nobody removes")


@check("CC3", "CC4", "lifecycle.2")
@planned(30)
async def a_close_beside_calls_loses_nothing(claims: Bound[ClaimCheck], case: Case, plan: Plan) -> None:
    """Closed while calls are under way it ends them or lets them end; whatever was published has its payload (CC-3, G-8)."""
    store = await claims.look("store")
    done: list[str] = []
    async with claims.opened(threshold=T) as one, one.consume(TOPIC, "c") as consumer:
        await one.publish(TOPIC, BIG["a"], {"name": "a"})
        taker = Taker(consumer)

        async def unless_closed(work: Any) -> None:
            with suppress(*ENDED):  # the close came first
                await work

        async def send(name: str) -> None:
            await one.publish(TOPIC, BIG[name], {"name": name})
            done.append(name)

        async def close() -> None:
            for _ in range(3):
                await store.exists("claim-check", "claims/_config")
            await one.close()

        works = (send("b"), send("c"), taker.work(1), one.sweep())
        await raced(case, plan, *map(unless_closed, works), close())
    there = {key.rpartition("/")[2] for key in await claims_there(claims)}
    for message in sent_messages(case):
        if not any(refers(message.headers[FIELD], name) for name in there):
            broken("CC3", "a message was handed to the queue whose object is not in the store", got=dict(message.headers))
    if pattern_of(claims) == "pubsub" and not has_acks(claims):
        return
    async with claims.opened(threshold=T) as again, again.consume(TOPIC, "c") as consumer:
        left = Taker(consumer)
        while missing := {"a", *done} - taker.read_names - left.names:
            delivery = await consumer.receive(50_000.0 if case.clock.virtual else 0.2)
            if delivery is None and case.clock.virtual:
                broken("CC4", "what was published before a close did not come", expected=sorted(missing), got=None)
            if delivery is None:
                case.inconclusive("what the closed one held is not given again in time")
            await left.finish(delivery)
