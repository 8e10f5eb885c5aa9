"""Closing one driver: what others hold stays theirs, and what it held itself goes to them, or stays until its time is over."""

from contextlib import AsyncExitStack
from typing import Any, Protocol

from prism_suites._judging import same
from prism_suites._lifecycle import LivingGroups, in_vain
from prism_suites._pubsub_members import HELD_S as DEADLINE_S
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Lifecycle, PubSubPersistent, QueueVisibility
from prism_testkit.tap import offers

_HELD_S = 30_000.0
_SHORTLY_S = 1.0


class LivingLeases(QueueVisibility, Lifecycle, Protocol):
    """A queue driver with leases."""


class LivingDurable(PubSubPersistent, Lifecycle, Protocol):
    """A publish and subscribe driver with durable subscriptions."""


class _Held:
    """Three things of which others hold two, and the driver that is closed one."""

    def __init__(self, case: Case, slot: Any) -> None:
        self.case, self.slot = case, slot
        self.kind = "lease" if offers(slot, QueueVisibility) else "record" if hasattr(slot, "append") else "message"
        self.patience_s = 100.0 if case.clock.virtual else 10.0

    async def put(self, number: int) -> None:
        payload = b"%d" % number
        match self.kind:
            case "lease":
                await self.slot.enqueue("q", payload)
            case "record":
                await self.slot.append("q", payload)
            case _:
                await self.slot.publish_persistent("q", payload)

    async def enter(self, driver: Any, stack: AsyncExitStack) -> Any:
        """Let a driver take part; return what it takes with."""
        match self.kind:
            case "lease":
                return driver
            case "record":
                return await stack.enter_async_context(driver.join("q", "g", "c"))
            case _:
                return await stack.enter_async_context(driver.subscribe_durable("q", "s", "earliest"))

    async def take(self, who: Any, wait_s: float) -> Any:
        """Take one, or nothing."""
        if self.kind == "lease":
            return await who.receive("q", _HELD_S, wait_s)
        got = await who.receive(1, wait_s)
        return got[0] if got else None

    def payload(self, held: Any) -> bytes | None:
        if held is None:
            return None
        found: bytes = (held.record if self.kind == "record" else held.message).payload
        return found


@check("lifecycle.2", "lifecycle.3")
@gauntlet(
    lambda limits: [
        {"where": where, "drained": drained, "holds": holds}
        for where in ("a client", "the same connection")
        for drained in (False, True)
        for holds in (False, True)
    ]
)
async def what_others_hold_stays_theirs(
    slot: LivingLeases | LivingGroups | LivingDurable, case: Case, where: str, drained: bool, holds: bool
) -> None:
    """What another driver holds, of the same connection too, goes to nobody else when one is closed, and can be acked afterwards;
    what that one held of a group or subscription comes again.
    """
    closed = await (case.whole() if where == "the same connection" else case.client(whole=True))
    held = _Held(case, await case.whole())
    told = f"{where} was {'drained and ' if drained else ''}closed"
    async with AsyncExitStack() as stack, AsyncExitStack() as leaving:
        if held.kind == "record":
            await held.slot.create_group("q", "g")
        mine, third = await held.enter(slot, stack), await held.enter(await case.client(whole=True), stack)
        theirs = await held.enter(closed, leaving)
        takes, began_s = [mine, third, *([theirs] if holds else [])], case.clock.now_s()
        taken = []
        for number, who in enumerate(takes):
            await held.put(number)
            taken.append(await held.take(who, held.patience_s))
        if None in taken or (held.kind == "record" and case.traits.group_parallelism == "partition"):
            case.note("members may stay idle, so not each of them holds one")
            return
        if drained:
            await closed.drain(_SHORTLY_S)
        await closed.close()
        wait_s = _SHORTLY_S / (4 if case.clock.virtual else 10)
        again = {held.payload(await held.take(who, wait_s)) for who in (mine, third)} - {None}
        if held.kind == "message" and case.clock.now_s() - began_s >= DEADLINE_S:
            case.note("what is held of a subscription may have come again by its deadline")
            return
        same("lifecycle.2", again & {b"0", b"1"}, set(), f"{told}: what others hold is given again")
        for who, one in zip(takes[:2], taken, strict=False):
            await in_vain("lifecycle.2", who.ack(one), f"{told}: what another driver holds can no longer be acked")
        await in_vain("lifecycle.2", leaving.aclose(), f"{told}: leaving what was entered raises an error")
