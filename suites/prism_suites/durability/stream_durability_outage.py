"""A server goes away and comes back: calls say so meanwhile, drivers from before work again, and nothing acknowledged is lost."""

from contextlib import AsyncExitStack, suppress
from typing import Any

from prism_suites._judging import broken
from prism_suites._racing import together
from prism_suites._stream_outage import StreamOutage, every_call
from prism_suites._stream_shared import read
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import AlreadyExists, StreamBasic, StreamConsumerGroups
from prism_testkit.private import PrivateServer


@check("stream_basic.16", "stream_basic.15", needs_server=True)
async def drivers_outlive_their_server(stream: StreamBasic, case: Case) -> None:
    """While the server is away calls say so; once it is back the drivers from before work again (ST-25, ST-29)."""
    outage = StreamOutage("stream_basic.16")
    async with case.private_server() as private:
        one, other = await private.client(), await private.client()
        await one.append("kept", b"kept")
        *misses, _ = await together(outage.busy(one, 0), outage.busy(other, 1), _strike(private, outage))
        await outage.none_answered(every_call(one))
        await private.restart()
        for slot in (one, other):
            await outage.all_answered(every_call(slot))
            await _works(slot, outage.promise)
        await _judge(case, outage, other, "stream_basic.15")
    if not all(misses):
        case.inconclusive("no call met the server while it was away")


@check("stream_consumer_groups.17", "stream_consumer_groups.16", needs_server=True)
async def members_outlive_their_server(stream: StreamConsumerGroups, case: Case) -> None:
    """The same of members: after the outage they receive again, and every record of their group comes (ST-11)."""
    promise = "stream_consumer_groups.17"
    outage = StreamOutage(promise)
    async with case.private_server() as private, AsyncExitStack() as stack:
        one, other = await private.client(), await private.client()
        await _have_groups(one)
        kept = await stack.enter_async_context(other.join("kept", "g", "c"))
        member = await stack.enter_async_context(one.join("busy", "g", "c"))
        await one.append("kept", b"kept")
        *misses, _ = await together(outage.busy(one, 0, member), outage.busy(other, 1), _strike(private, outage))
        await outage.none_answered(every_call(one, member))
        await private.restart()
        if case.traits.durability == "none":
            await _have_groups(one)  # for what is not promised to outlive the server
        for slot, joined in ((one, member), (other, kept)):
            await outage.all_answered(every_call(slot, joined))
            await _works(slot, promise)
        if case.traits.durability != "none":
            await _judge(case, outage, other, "stream_consumer_groups.16")
            await _all_come(case, one, outage)
    if not all(misses):
        case.inconclusive("no call met the server while it was away")


async def _have_groups(slot: Any) -> None:
    for name in ("kept", "busy"):
        with suppress(AlreadyExists):
            await slot.create_group(name, "g")


async def _all_come(case: Case, slot: Any, outage: StreamOutage) -> None:
    """Judge that what was acknowledged comes to a group that is made now, and nothing blocks it."""
    await slot.create_group("busy", "after")
    wanted = {payload for _, payload in outage.acknowledged}
    found: set[bytes] = set()
    async with slot.join("busy", "after", "c") as member:
        while wanted - found and (got := await member.receive(100, 5.0)):
            found |= {delivery.record.payload for delivery in got}
            await member.ack(*got)
    lost = sorted(wanted - found)
    if lost:
        broken("stream_consumer_groups.16", "after an outage an acknowledged record does not come", expected=lost[0], got=None)


async def _works(slot: Any, promise: str) -> None:
    offset = await slot.append("new", b"new")
    found = [record.payload for record in await read(slot, "new", offset)]
    if found != [b"new"]:
        broken(promise, "a driver from before the outage works wrongly after it", expected=[b"new"], got=found)


async def _strike(private: PrivateServer, outage: StreamOutage) -> None:
    await outage.reach(60)
    await private.kill()


async def _judge(case: Case, outage: StreamOutage, slot: Any, durable: str) -> None:
    """Judge that an acknowledged append is at its offset, and that an unanswered one happened once or not at all."""
    found = await read(slot, "busy")
    payloads = [record.payload for record in found]
    if len(set(payloads)) < len(payloads):
        broken(outage.promise, "a record whose append was not answered is doubled", expected="each once", got=payloads)
    if not set(payloads) <= set(outage.attempted):
        broken(outage.promise, "a record is there that nobody appended", expected="those of the clients", got=payloads)
    places = {record.offset: record.payload for record in found}
    for offset, payload in outage.acknowledged if case.traits.durability != "none" else ():
        if places.get(offset) != payload:
            broken(
                durable,
                "what was acknowledged before the outage is lost, or elsewhere",
                expected=(offset, payload),
                got=places.get(offset),
            )
