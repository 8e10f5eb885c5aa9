"""Claim check: behind a call that was refused, failed or was cancelled, whatever comes next does what it does else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._claims import ACKS, SENDS, TOPIC, T, befall, chunked, claims_there, entries_there, has_acks, mode, take, taken
from prism_suites._judging import broken, same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PrismError

BIG = b"x" * (3 * T)
RETENTION_S = 100.0
_PUTS = ("store.put", "store.put_stream", "store.put_if_absent")
_OTHERS = 20
_HOUR_S = 4000.0
_TURNS = 4
"""Turns of the loop after which a call is cancelled: it waits for something then."""


class _World:
    """One instance, its consumer, and what may befall them."""

    def __init__(self, claims: Bound[ClaimCheck], case: Case, check_in: ClaimCheck, consumer: ClaimConsumer) -> None:
        self.claims, self.case, self.check_in, self.consumer = claims, case, check_in, consumer

    def befall(self, what: str, *operations: str) -> None:
        befall(self.claims, what, *operations)

    async def given(self) -> ClaimDelivery:
        """Publish a claim, and take it."""
        await self.check_in.publish(TOPIC, BIG, {"name": "before"})
        return await take(self.consumer)

    async def cut(self, call: Awaitable[Any]) -> None:
        """Begin a call and cancel it."""
        task = asyncio.ensure_future(call)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError, PrismError):
            await task

    async def fail(self, first: str) -> None:
        """Let the call fail; what is planned and did not happen is planned no more."""
        with suppress(PrismError, ValueError):
            await _FIRSTS[first](self)
        for address in self.claims.faults.missed:
            del self.claims.faults.plan[address]


async def _breaks_off() -> AsyncIterator[bytes]:
    yield BIG
    raise ValueError("the source fails")


async def _never_ends() -> AsyncIterator[bytes]:
    yield BIG
    await asyncio.Event().wait()


async def _damaged(world: _World) -> None:
    delivery, store = await world.given(), await world.claims.look("store")
    for key in await claims_there(world.claims):
        await store.put("claim-check", key, b"damaged")
    await world.consumer.read(delivery)


async def _absent(world: _World) -> None:
    delivery, store = await world.given(), await world.claims.look("store")
    for key in await claims_there(world.claims):
        await store.delete("claim-check", key)
    await world.consumer.read(delivery)


async def _marker_fails(world: _World) -> None:
    delivery = await world.given()
    world.befall("error before", *_PUTS)
    await world.consumer.ack(delivery)


async def _ack_fails(world: _World) -> None:
    delivery = await world.given()
    if has_acks(world.claims):
        world.befall("refuse BackendUnavailable", ACKS[world.claims.interfaces["queue"]])
        await world.consumer.ack(delivery)


async def _left_early(world: _World) -> None:
    async for _ in world.consumer.chunks(await world.given()):
        break


async def _upload_fails(world: _World) -> None:
    world.befall("error before", *_PUTS)
    await world.check_in.publish(TOPIC, BIG, {"name": "before"})


async def _publish_refused(world: _World) -> None:
    world.befall("refuse QuotaExceeded", *SENDS)
    await world.check_in.publish(TOPIC, BIG, {"name": "before"})


async def _sweep_fails(world: _World) -> None:
    world.befall("error before", "store.list_objects")
    await world.check_in.sweep()


async def _given_back(world: _World) -> None:
    await world.cut(world.consumer.nack(await world.given()))


async def _cut_read(world: _World) -> None:
    await world.cut(world.consumer.read(await world.given()))


async def _cut_ack(world: _World) -> None:
    await world.cut(world.consumer.ack(await world.given()))


_FIRSTS: dict[str, Callable[[_World], Awaitable[Any]]] = {
    "a publish without room": lambda world: world.check_in.publish(TOPIC, BIG, {"name": "before", "h": "v" * 8000}),
    "a publish under no name": lambda world: world.check_in.publish("", BIG, {"name": "before"}),
    "a publish that is refused": _publish_refused,
    "a publish whose upload fails": _upload_fails,
    "a publish whose source fails": lambda world: world.check_in.publish(TOPIC, _breaks_off(), {"name": "before"}),
    "a publish that is cancelled": lambda world: world.cut(world.check_in.publish(TOPIC, _never_ends(), {"name": "before"})),
    "a read of what is damaged": _damaged,
    "a read of what is absent": _absent,
    "a read that is cancelled": _cut_read,
    "chunks that are left": _left_early,
    "an ack whose marker fails": _marker_fails,
    "an ack that fails": _ack_fails,
    "an ack that is cancelled": _cut_ack,
    "a nack that is cancelled": _given_back,
    "a receive of nothing": lambda world: world.consumer.receive(0),
    "a receive that is cancelled": lambda world: world.cut(world.consumer.receive(50.0)),
    "a sweep that fails": _sweep_fails,
    "a sweep that is cancelled": lambda world: world.cut(world.check_in.sweep()),
}


@check("CC1", "CC4", "CC5")
@gauntlet(lambda limits: [{"first": first} for first in _FIRSTS])
async def what_failed_changes_nothing_of_the_next(claims: Bound[ClaimCheck], case: Case, first: str) -> None:
    """A call fails, is refused or cancelled, and those of the same instance and consumer that come next do what they do else: each
    payload comes back with its headers, an ack is one, with its marker, and what is acked goes when it is due."""
    acks, told = has_acks(claims), f"behind {first} "
    config: dict[str, Any] = {"threshold": T, "retention_after_ack_s": RETENTION_S, "cleanup": "sweep"}
    config |= mode(claims, "c") if acks else {}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        world = _World(claims, case, check_in, consumer)
        for turn, parts in enumerate(((b"inline",), (BIG,), (BIG, b"and more"))):
            await world.fail(first)
            name, payload = f"next {turn}", b"".join(parts)
            await check_in.publish(TOPIC, payload if len(parts) == 1 else chunked(*parts), {"name": name})
            delivery = await _named(consumer, name, told)
            same("CC1", await consumer.read(delivery), payload, f"{told}a payload does not come back byte for byte")
            same("CC1", await taken(consumer, delivery), payload, f"{told}the chunks of a payload are not the payload")
            same("CC1", dict(delivery.headers), {"name": name}, f"{told}headers do not come back as they were given")
            if acks:
                await world.fail(first)
                await consumer.ack(delivery)
                await _acked(world, delivery, told)


async def _acked(world: _World, delivery: ClaimDelivery, told: str) -> None:
    """Judge that what was acked has its marker, does not come again, and goes when it is due."""
    claims, case = world.claims, world.case
    key = "" if delivery.claim is None else delivery.claim.key
    if key:
        same("CC4", f"{key}.acks/c" in await entries_there(claims), True, f"{told}an ack puts no marker")
    if not case.clock.virtual:
        return
    await case.advance(RETENTION_S + 2 + case.limits.clock_resolution_s)
    with suppress(PrismError):  # what failed before is judged elsewhere
        await world.check_in.sweep()
    same("CC4", key in await claims_there(claims), False, f"{told}what was acked outlives its retention")
    await case.advance(_HOUR_S)  # what nobody acked comes again
    for _ in range(_OTHERS):
        other = await world.consumer.receive(0)
        if other is None:
            break
        same("CC1", other.message_id != delivery.message_id, True, f"{told}what was acked comes again")


async def _named(consumer: ClaimConsumer, name: str, told: str) -> ClaimDelivery:
    """Return the delivery of this name; what failed before may come before it, and again."""
    for _ in range(_OTHERS):
        delivery = await take(consumer)
        if delivery.headers.get("name") == name:
            break
    else:
        broken("CC1", f"{told}a message does not come", expected=name, got="others, over and over")
    return delivery
