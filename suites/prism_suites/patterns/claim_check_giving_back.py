"""Claim check, promise 4: what is given back, or left behind, comes again with its payload, and not before its time."""

from contextlib import suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import TOPIC, T, beside, has_acks, mode, take
from prism_suites._judging import broken, same
from prism_suites._left_out import takes_as_long
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import PrismError

BIG = b"x" * (T + 1)


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
            since = len(case.history.entries)
            await consumer.nack(delivery)
            name = delivery.claim.key if delivery.claim is not None else ""
            touched = [entry.op for entry in case.history.entries[since:] if name in str(entry.args[1:2])]
            same("CC4", [op for op in touched if op.startswith("store.")], [], "a nack fetched or marked something")
            if case.clock.virtual:
                await case.advance(5.0)
            await check_in.sweep()
        same("CC4", await consumer.read(await take(consumer, "CC4")), BIG, "a message came again without its payload")


_PATIENCE_S = 10_000.0
_LATER_S = 2.0
"""By how much one message is given back for longer than others: less than any lease."""


@check("CC1")
@gauntlet(lambda limits: [{"timeout_s": timeout_s} for timeout_s in (0, -1.0, 0.25, 1.5, 59.9)])
async def nothing_is_waited_for_as_long_as_asked(claims: Bound[ClaimCheck], case: Case, timeout_s: float) -> None:
    """`receive` of nothing returns None, not before its time has passed, and not long after; a time below 0 is none."""
    if not case.clock.virtual:
        case.note("how long a receive of nothing takes is judged where time is virtual")
        return
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        began_s, asked_s = case.clock.now_s(), max(0.0, timeout_s)
        same("CC1", await consumer.receive(timeout_s), None, "something came that nobody published")
        passed_s = case.clock.now_s() - began_s
        if not asked_s - 1e-3 <= passed_s <= 2 * asked_s + 2.0:
            sentence = "a receive of nothing takes another time than it was asked to"
            broken("CC1", sentence, expected=f"{asked_s:g} s", got=f"{passed_s:g} s")


@check("CC1", "CC4")
async def a_consumer_that_names_no_time_means_none(claims: Bound[ClaimCheck], case: Case) -> None:
    """`receive()` is `receive(0)`, and `nack(delivery)` is `nack(delivery, 0)`: the message is there as soon."""
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await takes_as_long(case, "CC1", lambda: consumer.receive(0), consumer.receive, "receive() and receive(0)")
        if beside(case, claims, acks=True):
            return
        await check_in.publish(TOPIC, BIG)
        held = await take(consumer)

        async def comes_back(*delay_s: float) -> None:
            nonlocal held
            await consumer.nack(held, *delay_s)
            held = await take(consumer, "CC4")

        what = "nack(delivery) and nack(delivery, 0), until it comes again,"
        await takes_as_long(case, "CC4", lambda: comes_back(0), comes_back, what)


@check("CC4")
@gauntlet(lambda limits: [{"delay_s": delay_s} for delay_s in (0.5, 40.0, 4_000.0)])
async def a_nacked_message_waits_for_its_delay(claims: Bound[ClaimCheck], case: Case, delay_s: float) -> None:
    """What is given back for a while, of which nothing was lost, comes again when that is over, not before, with its payload: to
    whoever gave it back, and to nobody who shares with it either."""
    if beside(case, claims, time=True):
        return
    sent = [BIG, b"inline", BIG[1:]]
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        for payload in sent:
            await check_in.publish(TOPIC, payload)
        held = [await take(consumer, "CC4") for _ in sent]
        for turn in ("", " again"):
            late = await consumer.read(held[1])
            reading = next(delivery for delivery in held if delivery.claim is not None)
            text = await consumer.read(reading)
            for delivery, more_s in zip(held, (0.0, _LATER_S, 0.0), strict=True):
                await consumer.nack(delivery, delay_s + more_s)
            began_s = case.clock.now_s()
            for part in (0.0, 0.4, 0.9):
                await case.advance(max(0.0, began_s + part * delay_s - case.clock.now_s()))
                with suppress(PrismError):  # whoever was still reading when it was given back reads on: no reason to bring it back
                    same("CC1", await consumer.read(reading), text, "what was given back is read otherwise")
                if (early := await consumer.receive(0.05 * min(delay_s, 40.0))) is not None:
                    broken("CC4", f"a message that was given back for {delay_s:g} s{turn} comes before", expected=None, got=early)
            if has_acks(claims):
                async with check_in.consume(TOPIC, "c") as other:
                    if (early := await other.receive(0)) is not None:
                        told = f"a message that was given back for {delay_s:g} s comes before, to another consumer of that name"
                        broken("CC4", told, expected=None, got=early)
            await case.advance(max(0.0, began_s + delay_s - 0.05 - case.clock.now_s()))
            held = [await take(consumer, "CC4") for _ in sent]
            payloads = [await consumer.read(delivery) for delivery in held]
            same("CC4", sorted(payloads), sorted(sent), "messages came again without their payloads")
            same("CC4", payloads[-1], late, "a message that was given back for longer than others came before them")
            early_s = began_s + delay_s + _LATER_S - case.clock.now_s()
            same("CC4", early_s <= case.limits.clock_resolution_s, True, f"a message that was given back came {early_s:g} s early")


@check("CC4", "CC1")
@gauntlet(lambda limits: [{"delays_s": delays_s} for delays_s in ((40.0,), (40.0, 5.0))])
async def who_waits_is_given_what_is_due(claims: Bound[ClaimCheck], case: Case, delays_s: tuple[float, ...]) -> None:
    """A receive that waits gives what was given back for later as soon as that is over, not when its own time is."""
    if beside(case, claims, time=True) or not case.clock.virtual:
        return
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        for number in range(len(delays_s)):
            await check_in.publish(TOPIC, BIG + b"%d" % number)
        held = [await take(consumer, "CC4") for _ in delays_s]
        began_s = case.clock.now_s()
        for delivery, delay_s in zip(held, delays_s, strict=True):
            await consumer.nack(delivery, delay_s)
        for delay_s in sorted(delays_s):
            if await consumer.receive(_PATIENCE_S) is None:
                broken("CC4", f"a message that was given back for {delay_s:g} s does not come", expected="it comes", got=None)
            passed_s = case.clock.now_s() - began_s
            if passed_s > delay_s + _PATIENCE_S / 2:
                sentence = f"a receive that waits is given what was given back for {delay_s:g} s at the end of its time only"
                broken("CC1", sentence, expected=f"after {delay_s:g} s", got=f"after {passed_s:g} s")


@check("CC4")
async def a_message_that_was_held_too_long_finds_its_payload(claims: Bound[ClaimCheck], case: Case) -> None:
    """What a consumer read and left behind comes to the next one with its payload (CC-4)."""
    if beside(case, claims, acks=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, "c"), "retention_after_ack_s": 1_800.0}
    async with claims.opened(**config) as check_in:
        async with check_in.consume(TOPIC, "c") as consumer:
            await check_in.publish(TOPIC, BIG)
            same("CC1", await consumer.read(await take(consumer)), BIG, "a payload does not come back")
        await case.advance(4_000.0)
        await check_in.sweep()
        async with check_in.consume(TOPIC, "c") as consumer:
            same("CC4", await consumer.read(await take(consumer, "CC4")), BIG, "a message came again without its payload")
