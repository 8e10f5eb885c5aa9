"""Claim check: opened, asked how it is, drained, closed, and opened again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import TOPIC, T, beside, take, taken
from prism_suites._judging import broken, refused, same
from prism_suites._lifecycle import ENDED
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import BackendUnavailable, Closed

BIG = b"x" * (T + 1)
HOUR_S = 3_600.0
_INSTANT_S, _WHILE_S = 1e-3, 0.5
"""By so much a drain may wait less, by the rounding of a clock, or longer, until what it cancelled has ended."""


@check("lifecycle.2")
async def closed_it_stays_closed(claims: Bound[ClaimCheck], case: Case) -> None:
    """A close ends the background worker; a second one does nothing, and what is called after the first raises Closed (G-8)."""
    before = asyncio.all_tasks()
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        for data in (BIG, b"x"):
            await check_in.publish(TOPIC, data)
        held = [await take(consumer), await take(consumer)]
        await check_in.close()
        left = [each for each in asyncio.all_tasks() - before if not each.done()]
        if case.clock.virtual:  # else some may be a driver's
            same("lifecycle.2", left, [], "a close left tasks running")
        await check_in.close()
        await refused("lifecycle.2", check_in.publish(TOPIC, b"x"), Closed, "a publish after close is not refused with Closed")
        await refused("lifecycle.2", check_in.sweep(), Closed, "a sweep after close is not refused with Closed")
        await refused("lifecycle.2", consumer.receive(0), Closed, "a receive after close is not refused with Closed")
        for kind, delivery in zip(("a claimed", "an inline"), held, strict=True):
            said = f"of {kind} message after close is not refused with Closed"
            for call in (consumer.read, consumer.nack, consumer.ack):
                await refused("lifecycle.2", call(delivery), Closed, f"{call.__name__} {said}")
            await refused("lifecycle.2", taken(consumer, delivery), Closed, f"chunks {said}")
        await refused("lifecycle.2", _entered(check_in), Closed, "a consume after close is not refused with Closed")
        await check_in.health()


async def _entered(check_in: ClaimCheck) -> None:
    async with check_in.consume(TOPIC, "c"):
        pass


@check("lifecycle.1")
@gauntlet(lambda limits: [{"steps": steps} for steps in range(12)])
async def opening_may_be_cancelled(claims: Bound[ClaimCheck], case: Case, steps: int) -> None:
    """Cancelled anywhere inside its opening it leaves nothing running, and opens the next time (G-9)."""
    case.overlap()
    before = asyncio.all_tasks()
    opening = claims.opened(threshold=T)
    task = asyncio.create_task(opening.__aenter__())
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
        await opening.__aexit__(None, None, None)
    left = [each for each in asyncio.all_tasks() - before if not each.done()]
    same("lifecycle.1", left, [], "a cancelled opening left tasks running")
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        await check_in.publish(TOPIC, BIG)
        same("CC1", await consumer.read(await take(consumer)), BIG, "after a cancelled opening a payload does not come back")


@check("lifecycle.3")
@gauntlet(lambda limits: [{"fast": fast, "stuck": stuck} for fast, stuck in ((0, 0), (1, 0), (0, 1), (2, 3))])
async def a_drain_counts_what_it_finished(claims: Bound[ClaimCheck], case: Case, fast: int, stuck: int) -> None:
    """Drained with work in hand it finishes what can be finished, cancels the rest, and tells both (PR1, G-9)."""
    opened = asyncio.Event()

    async def source(released: asyncio.Event) -> AsyncIterator[bytes]:
        yield BIG
        await released.wait()
        yield BIG

    never = asyncio.Event()
    async with claims.opened(threshold=T) as check_in:
        begun_s = case.clock.now_s()
        await check_in.publish(TOPIC, BIG)  # makes what there has to be, and shows how long one takes
        patience_s = 5.0 if case.clock.virtual else 0.2 + 10 * (case.clock.now_s() - begun_s)
        calls = [check_in.publish(TOPIC, source(opened)) for _ in range(fast)]
        calls += [check_in.publish(TOPIC, source(never)) for _ in range(stuck)]
        tasks = [asyncio.create_task(call) for call in calls]
        await case.clock.sleep(0.01)
        draining = asyncio.create_task(check_in.drain(patience_s))
        await asyncio.sleep(0)
        await refused("lifecycle.3", check_in.publish(TOPIC, BIG), Closed, "a publish during a drain is not refused with Closed")
        opened.set()
        drained = await draining
        same("lifecycle.3", (drained.completed, drained.aborted), (fast, stuck), "a drain counts otherwise than it finished")
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        aborted = sum(isinstance(outcome, ENDED) for outcome in outcomes)
        same("lifecycle.3", aborted, stuck, "other publishes were aborted than those that could not be finished")
        await refused("lifecycle.3", check_in.publish(TOPIC, BIG), Closed, "a publish after a drain is not refused with Closed")
        again = await check_in.drain(0)
        same("lifecycle.3", (again.completed, again.aborted), (0, 0), "a second drain finds work in hand")


@check("lifecycle.3")
@gauntlet(lambda limits: [{"stuck": stuck, "timeout_s": timeout_s} for stuck in (1, 3) for timeout_s in (0, -1.0, 0.25, 9.0)])
async def a_drain_waits_no_longer_than_asked(claims: Bound[ClaimCheck], case: Case, stuck: int, timeout_s: float) -> None:
    """What cannot be finished is given its time and no more: none, if there is none; then it is cancelled and counted."""
    if not case.clock.virtual:
        case.note("how long a drain waits is judged where time is virtual")
        return
    never = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield BIG
        await never.wait()

    async with claims.opened(threshold=T) as check_in:
        tasks = [asyncio.create_task(check_in.publish(TOPIC, source())) for _ in range(stuck)]
        await case.clock.sleep(1.0)
        began_s = case.clock.now_s()
        drained = await check_in.drain(timeout_s)
        passed_s = case.clock.now_s() - began_s
        await asyncio.gather(*tasks, return_exceptions=True)
        same("lifecycle.3", (drained.completed, drained.aborted), (0, stuck), "a drain counts otherwise than it finished")
        asked_s = max(0.0, timeout_s)
        if not asked_s - _INSTANT_S <= passed_s <= asked_s + _WHILE_S:
            sentence = "a drain waits another time than it was asked to for what cannot be finished"
            broken("lifecycle.3", sentence, expected=f"{asked_s:g} s", got=f"{passed_s:g} s")


@check("lifecycle.3", "CC1")
async def a_drain_is_of_one_alone(claims: Bound[ClaimCheck], case: Case) -> None:
    """Draining and closing one instance neither waits for the publishes of another one of its process, nor counts or ends them."""
    released = asyncio.Event()

    async def source() -> AsyncIterator[bytes]:
        yield BIG
        await released.wait()
        yield BIG

    async with claims.opened(threshold=T) as other, other.consume(TOPIC, "c") as consumer:
        task = asyncio.create_task(other.publish(TOPIC, source()))
        try:
            async with claims.opened(threshold=T) as check_in:
                await check_in.publish("elsewhere", BIG)
                await case.clock.sleep(0.01)
                began_s = case.clock.now_s()
                drained = await check_in.drain(1.0)
                passed_s = case.clock.now_s() - began_s
                found = (drained.completed, drained.aborted)
                same("lifecycle.3", found, (0, 0), "a drain counts the publishes of another instance")
                if case.clock.virtual:
                    same("lifecycle.3", passed_s <= _WHILE_S, True, "a drain waits for the publishes of another instance")
        finally:
            released.set()
            await asyncio.wait([task])
        if task.cancelled() or task.exception() is not None:
            told = "a publish was ended with another instance than its own"
            broken("lifecycle.3", told, expected="a receipt", got="cancelled" if task.cancelled() else task.exception())
        same("CC1", await consumer.read(await take(consumer)), 2 * BIG, "a payload does not come back")


class _Mine(Exception):
    """An error of whoever uses it."""


@check("lifecycle.2")
@gauntlet(
    lambda limits: [
        {"error": error}
        for error in (_Mine, OSError, TimeoutError, ValueError, KeyError, Closed, BackendUnavailable, asyncio.CancelledError)
    ]
)
async def an_error_of_its_user_goes_on(claims: Bound[ClaimCheck], case: Case, error: type[BaseException]) -> None:
    """Left by an error it is closed, and that error is raised; so is a consumer (G-9)."""
    raised = error("mine")
    for consuming in (False, True):
        left = False
        try:
            async with claims.opened(threshold=T) as check_in:
                await check_in.publish(TOPIC, BIG)
                if consuming:
                    async with check_in.consume(TOPIC, "c"):
                        raise raised
                raise raised
            left = True
        except BaseException as got:
            if got is not raised:
                raise
        same("lifecycle.2", left, False, f"an error of the user of a {'consumer' if consuming else 'claim check'} is lost")
        await refused("lifecycle.2", check_in.publish(TOPIC, BIG), Closed, "left by an error it is not closed")


@check("lifecycle.4")
async def it_says_how_it_is(claims: Bound[ClaimCheck], case: Case) -> None:
    """Healthy while all is well; degraded, in words, while its sweeps fail; healthy again afterwards."""
    async with claims.opened(threshold=T, cleanup="sweep", max_age_s=1e3, grace_period_s=1e3) as check_in:
        same("lifecycle.4", (await check_in.health()).status, "healthy", "it says it is not healthy")
        if beside(case, claims, time=True):
            return
        for turn in range(1, 4):
            claims.faults.cut(0, 7 * HOUR_S)
            await case.advance(2 * HOUR_S)  # it may sweep once an hour
            health = await check_in.health()
            told = f"it does not say that its sweeps fail, for the {turn}. time"
            same("lifecycle.4", (health.status, bool(health.detail)), ("degraded", True), told)
            await case.advance(7 * HOUR_S)  # it goes on, however often it failed
            told = f"it is not healthy again although its sweeps succeed, for the {turn}. time"
            same("lifecycle.4", (await check_in.health()).status, "healthy", told)
