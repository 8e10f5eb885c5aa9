"""Claim check, promise 4: what an ack leaves when one of its two halves fails, or comes too late."""

from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import ACKS, TOPIC, T, befall, beside, claims_there, entries_there, judge_markers, mode, take
from prism_suites._judging import refused, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import Conflict, OperationTimeout, PrismError

BIG = b"y" * (T + 1)
PUTS = ("store.put", "store.put_stream", "store.put_if_absent")
SOON: dict[str, Any] = {"threshold": T, **mode(None, "c"), "retention_after_ack_s": 1.0}


async def _left(claims: Bound[ClaimCheck], case: Case, check_in: ClaimCheck) -> int:
    """Let the retention pass, sweep, and count the claims."""
    await case.advance(2.0)
    await check_in.sweep()
    return len(await claims_there(claims))


@check("CC4")
@gauntlet(lambda limits: [{"what": what} for what in ("error before", "refuse AccessDenied")])
async def without_the_brokers_ack_there_is_no_marker(claims: Bound[ClaimCheck], case: Case, what: str) -> None:
    """An ack that the broker did not take raises, marks nothing, and may be repeated."""
    if beside(case, claims, acks=True, time=True):
        return
    async with claims.opened(**SOON) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        delivery, before = await take(consumer), await entries_there(claims)
        befall(claims, what, ACKS[claims.interfaces["queue"]])
        await refused("CC4", consumer.ack(delivery), PrismError, "an ack that the broker did not take is reported as done")
        same("CC4", await entries_there(claims), before, "an ack that the broker did not take left a marker")
        same("CC4", await _left(claims, case, check_in), 1, "an ack that the broker did not take removed a claim")
        await consumer.ack(delivery)
        judge_markers(case)
        same("CC4", await _left(claims, case, check_in), 0, "an ack that was repeated did not count")


@check("CC4")
@gauntlet(lambda limits: [{"what": what} for what in ("error before", "error after", "refuse QuotaExceeded")])
async def an_ack_without_its_marker_may_be_repeated(claims: Bound[ClaimCheck], case: Case, what: str) -> None:
    """If the marker cannot be written the ack raises, or tries it again; a repeat writes it, and the claim goes when it is due."""
    if beside(case, claims, acks=True, time=True):
        return
    async with claims.opened(**SOON) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        delivery = await take(consumer)
        befall(claims, what, *PUTS)
        try:
            await consumer.ack(delivery)
        except PrismError:
            claims.heal()
            await consumer.ack(delivery)
            sentence = "an ack that was repeated for its marker did not count"
        else:
            claims.heal()
            sentence = "an ack whose marker could not be written is reported as done"
        same("CC4", await _left(claims, case, check_in), 0, sentence)


@check("CC4")
async def an_ack_that_comes_too_late_marks_nothing(claims: Bound[ClaimCheck], case: Case) -> None:
    """Once a message has gone to somebody else, the ack of the one that held it before counts for nothing. Its lease ends while it
    is cut off: who is not may renew it for as long as he likes."""
    if claims.interfaces["queue"] != "queue_visibility" or beside(case, claims, time=True):
        return
    async with (
        claims.opened(**SOON) as lonely,
        claims.opened(**SOON) as check_in,
        lonely.consume(TOPIC, "c") as slow,
        check_in.consume(TOPIC, "c") as quick,
    ):
        await check_in.publish(TOPIC, BIG)
        held = await take(slow)
        claims.faults.cut(0, 50_000.0)
        again = await quick.receive(50_000.0)
        if again is None:
            case.inconclusive("a message is leased for longer than half a day")
            return
        claims.heal()
        before = await entries_there(claims)
        await refused("CC4", slow.ack(held), (Conflict, OperationTimeout), "an ack that came too late is reported as done")
        same("CC4", await entries_there(claims), before, "an ack that came too late left a marker")
        same("CC4", await _left(claims, case, check_in), 1, "an ack that came too late removed a claim")
        same("CC4", await quick.read(again), BIG, "a message came again without its payload")
        await quick.ack(again)
        same("CC4", await _left(claims, case, check_in), 0, "the ack of the one that held the message did not count")


@check("CC4", "CC1")
async def every_ack_of_many_counts(claims: Bound[ClaimCheck], case: Case) -> None:
    """Whatever was acked before, and forgotten since, each ack of a delivery confirms that one: none of them comes again."""
    if beside(case, claims, acks=True):
        return
    many = 3 if case.server else 40
    async with claims.opened(threshold=T) as check_in:
        async with check_in.consume(TOPIC, "c") as consumer:
            for _ in range(3 * many):
                await check_in.publish(TOPIC, b"inline")
            for _ in range(3):
                deliveries = [await take(consumer) for _ in range(many)]
                for delivery in deliveries:
                    await consumer.ack(delivery)
                del deliveries[:], delivery  # so that what comes next may lie where one lay that was acked
        if case.clock.virtual:
            await case.advance(86_400.0)
        async with check_in.consume(TOPIC, "c") as consumer:
            same("CC4", await consumer.receive(0), None, "a message comes again although its delivery was acked")
