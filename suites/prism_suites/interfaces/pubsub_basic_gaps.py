"""pubsub_basic: ``gaps`` says what was missed, keeps saying it, and says nothing else."""

import asyncio
from collections.abc import Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._pubsub_taking import BASIC, Ear, hears, listening, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubBasic


@check("pubsub_basic.12", "pubsub_basic.11")
@gauntlet(lambda limits: [{"how": how} for how in ("receive", "iteration", "publish", "timeout")])
async def giving_up_is_no_gap(pubsub: PubSubBasic, case: Case, how: str) -> None:
    """Calls that are cancelled or time out miss nothing, so ``gaps`` stays 0, on this and on other subscriptions."""
    async with listening(case, pubsub, "t", BASIC) as ear, listening(case, await case.client(), "t", BASIC) as second:
        for number in range(4):
            calls: dict[str, Callable[[], Any]] = {
                "receive": lambda: ear.inner.receive(3600.0),
                "iteration": lambda: ear.inner.__anext__(),
                "publish": lambda: pubsub.publish("elsewhere", b"x"),
                "timeout": lambda: ear.inner.receive(0.01),
            }
            task = asyncio.ensure_future(calls[how]())
            for _ in range(number):
                await asyncio.sleep(0)
            if how != "timeout":
                task.cancel()
            await asyncio.wait([task])
            await hears(ear, await send(pubsub, "t", [b"%d" % number], BASIC), "after a call that gave up", more=True)
            same("pubsub_basic.12", (ear.inner.gaps, second.inner.gaps), (0, 0), f"gaps counts a {how} that gave up")


@check("pubsub_basic.12", "pubsub_basic.1", "pubsub_basic.3")
@gauntlet(lambda limits: [{"count": count} for count in (20, 150, 1100, 4200)])
async def gaps_are_not_forgotten(pubsub: PubSubBasic, case: Case, count: int) -> None:
    """Where a buffer overflowed ``gaps`` has grown when all that is left was received, the next time, too, and it never falls."""
    count = min(count, 1100) if case.server else count
    async with listening(case, pubsub, "t", BASIC) as ear:
        for turn in range(2):
            if not await _overflows(pubsub, case, ear, count, f"turn-{turn}"):
                break


async def _overflows(pubsub: PubSubBasic, case: Case, ear: Ear, count: int, mark: str) -> bool:
    """Publish so many, receive what is left of them, and return whether some were missed, of which ``gaps`` must tell."""
    before = highest = ear.inner.gaps
    sents = await send(pubsub, "t", numbered(count, mark), BASIC)
    came = 0
    while (await ear.next(5.0 if case.clock.virtual and came < count else 0.1)) is not None:
        came += 1
        if ear.inner.gaps < highest:
            broken("pubsub_basic.12", "gaps falls, as if nothing had been missed", expected=highest, got=ear.inner.gaps)
        highest = ear.inner.gaps
    if came < len(sents) and highest == before:
        sentence = f"{len(sents) - came} of {len(sents)} messages are missed, and gaps does not say so: it is what it was before"
        broken("pubsub_basic.12", sentence, expected=f"gaps above {before}", got=ear.inner.gaps)
    return came < len(sents)


@check("pubsub_basic.12", "pubsub_basic.1")
@gauntlet(lambda limits: [{"before": before} for before in (0, 1, 16)])
async def sixteen_may_wait(pubsub: PubSubBasic, case: Case, before: int) -> None:
    """However small its buffer, a subscription keeps sixteen messages that nobody receives, at any time (PS-25)."""
    async with listening(case, pubsub, "t", BASIC) as ear:
        await hears(ear, await send(pubsub, "t", numbered(before, "before"), BASIC), more=True)
        sents = await send(pubsub, "t", numbered(16), BASIC)
        await case.clock.sleep(1.0 if case.clock.virtual else 0.1)
        await hears(ear, sents, "when sixteen wait, which any buffer holds")
        same("pubsub_basic.12", ear.inner.gaps, 0, "gaps counts something though no more than sixteen waited")
