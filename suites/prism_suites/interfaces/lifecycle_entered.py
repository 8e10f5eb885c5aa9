"""What was entered or begun before a driver was closed or drained: transactions, subscriptions, members, iterators."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

from prism_suites._judging import broken, refused, same
from prism_suites._lifecycle import ENDED, ENDINGS, end, in_vain
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import (
    AlreadyExists,
    Closed,
    Drained,
    KeyValueScan,
    KeyValueTransactional,
    Lifecycle,
    ObjectStorage,
    PubSubBasic,
    PubSubPersistent,
    StreamBasic,
    StreamConsumerGroups,
)
from prism_testkit.tap import offers


class LivingTransactions(KeyValueTransactional, Lifecycle, Protocol):
    """With transactions to be open."""


class LivingSubscriptions(PubSubBasic, Lifecycle, Protocol):
    """With subscriptions to be entered."""


class LivingDurable(PubSubPersistent, Lifecycle, Protocol):
    """With members that hold messages."""


class LivingGroups(StreamConsumerGroups, Lifecycle, Protocol):
    """With members that hold records."""


class LivingScan(KeyValueScan, Lifecycle, Protocol):
    """With scans."""


class LivingReads(StreamBasic, Lifecycle, Protocol):
    """With reads."""


class LivingListings(ObjectStorage, Lifecycle, Protocol):
    """With listings, and downloads."""


@check("lifecycle.2")
@gauntlet(lambda limits: [{"fails": fails, "reads": reads} for fails in (False, True) for reads in (False, True)])
async def an_open_transaction_ends_without_effect(kv: LivingTransactions, case: Case, fails: bool, reads: bool) -> None:
    """A transaction whose driver is closed applies nothing; its calls and its end raise Closed; nothing stays locked."""
    living = await case.whole()
    await kv.set("old", b"0")

    async def body() -> None:
        async with living.transaction() as tx:
            if reads:
                await tx.get("old")
            await tx.set("old", b"1")
            await tx.set("new", b"1")
            await living.close()
            for name, call in {"get": tx.get("old"), "set": tx.set("more", b"1"), "delete": tx.delete("old")}.items():
                await refused("lifecycle.2", call, Closed, f"{name} of a transaction whose driver was closed is not refused")
            if fails:
                raise KeyError("its own error")

    wanted: Any = (Closed, KeyError) if fails else Closed
    await refused("lifecycle.2", body(), wanted, "a transaction whose driver was closed ends without Closed")
    found = [await kv.get("old"), await kv.get("new"), await kv.get("more")]
    same("lifecycle.2", found, [b"0", None, None], "a transaction whose driver was closed took effect")
    await kv.set("old", b"2")
    same("lifecycle.2", await kv.get("old"), b"2", "what a transaction of a closed driver wrote stays locked")


@check("lifecycle.3")
async def an_open_transaction_is_no_call_in_hand(kv: LivingTransactions, case: Case) -> None:
    """A drain does not count it; afterwards it is committed, or refused with Closed and without effect."""
    living = await case.whole()
    committed = False
    try:
        async with living.transaction() as tx:
            await tx.set("k", b"1")
            same("lifecycle.3", await living.drain(1.0), Drained(0, 0), "a drain counts an open transaction as a call in hand")
        committed = True
    except Closed:
        pass
    wanted = b"1" if committed else None
    same("lifecycle.3", await kv.get("k"), wanted, "a drained transaction says otherwise than it did")


@check("lifecycle.2")
@gauntlet(
    lambda limits: [
        {"waiting": waiting, "buffered": buffered, "how": how}
        for waiting in (False, True)
        for buffered in (False, True)
        for how in ENDINGS
    ]
)
async def a_subscription_is_left_with_its_driver(
    pubsub: LivingSubscriptions, case: Case, waiting: bool, buffered: bool, how: str
) -> None:
    """A receive of a subscription whose driver was closed raises Closed, iteration ends, and leaving it raises nothing."""
    living = await case.whole()
    async with AsyncExitStack() as stack:
        subscription = await stack.enter_async_context(living.subscribe("t"))
        other = await stack.enter_async_context(pubsub.subscribe("t"))
        iterating = asyncio.ensure_future(_numbers(subscription)) if waiting else None
        await asyncio.sleep(0)
        if buffered:
            await pubsub.publish("t", b"1")
        await end(living, how)
        if iterating is not None and await iterating not in ([], [b"1"]):
            broken(
                "lifecycle.2", "an iteration that its close ended gave something else", expected="what came", got=await iterating
            )
        await refused("lifecycle.2", subscription.receive(0), Closed, "a receive after close is not refused with Closed")
        await refused("lifecycle.2", subscription.receive(5.0), Closed, "a receive that would wait, after close, is not refused")
        rest: object
        try:
            rest = [message.payload async for message in subscription]
        except Closed:
            rest = []  # one that begins later may say so
        except ENDED as error:
            rest = repr(error)
        same("lifecycle.2", rest, [], "an iteration after close does not just end")
        await pubsub.publish("t", b"2")
        got = [await other.receive(5.0) for _ in range(1 + buffered)]
        same("lifecycle.2", [m and m.payload for m in got], [b"1", b"2"][1 - buffered :], "others miss what was published")
        await in_vain("lifecycle.2", stack.aclose(), "leaving a subscription whose driver was closed raises an error")


async def _numbers(subscription: Any) -> list[bytes]:
    try:
        return [message.payload async for message in subscription]
    except ENDED:
        return []


@check("lifecycle.2")
@gauntlet(lambda limits: [{"held": held, "how": how} for held in (0, 1, 3) for how in ENDINGS])
async def a_member_is_left_with_its_driver(slot: LivingDurable | LivingGroups, case: Case, held: int, how: str) -> None:
    """What a member held whose driver was closed comes to another one; its own calls raise Closed, and leaving raises nothing."""
    living = await case.whole()
    payloads = [b"%d" % number for number in range(held)]
    member_s = case.traits.member_timeout_s or 0.0
    async with AsyncExitStack() as stack:
        member = await stack.enter_async_context(await _joined(living))
        for payload in payloads:
            await _put(slot, payload)
        mine: list[Any] = []
        while len(mine) < held and (some := await member.receive(3, 5.0)):
            mine += some
        await end(living, how)
        for name, given in {"receive": (1, 0), "ack": mine, "nack": mine}.items():
            call = getattr(member, name)(*given)
            await refused("lifecycle.2", call, Closed, f"{name} of a member whose driver was closed is not refused with Closed")
        async with await _joined(slot) as other:
            again: list[bytes] = []
            while len(again) < held and (some := await other.receive(3, member_s + (100.0 if case.clock.virtual else 5.0))):
                again += [(each.message if offers(slot, PubSubPersistent) else each.record).payload for each in some]
                await other.ack(*some)
            same("lifecycle.2", sorted(again), payloads, "what a member held does not come again when its driver is closed")
        await in_vain("lifecycle.2", stack.aclose(), "leaving, after the driver was closed, raises an error")


async def _put(slot: Any, payload: bytes) -> None:
    await (slot.publish_persistent if offers(slot, PubSubPersistent) else slot.append)("t", payload)


async def _joined(slot: Any) -> Any:
    if offers(slot, PubSubPersistent):
        return slot.subscribe_durable("t", "n", "earliest")
    with suppress(AlreadyExists):
        await slot.create_group("t", "g")
    return slot.join("t", "g", "c")


@check("lifecycle.2")
@gauntlet(lambda limits: [{"items": items, "steps": steps} for items, steps in ((2, 1), (50, 1), (50, 30), (250, 10))])
async def a_further_step_is_refused(slot: LivingScan | LivingReads | LivingListings, case: Case, items: int, steps: int) -> None:
    """An iterator that was begun before its driver was closed gives nothing more: the next step raises Closed."""
    await _filled(slot, items)
    for name, begin in _iterators(slot).items():
        living = await case.whole()
        iterator = begin(living)
        for _ in range(steps):
            await anext(iterator)
        await living.close()
        await refused("lifecycle.2", _step(iterator), Closed, f"a step of {name} after close is not refused with Closed")
        await in_vain("lifecycle.2", iterator.aclose(), f"ending {name} after close raises an error")


@check("lifecycle.3")
@gauntlet(lambda limits: [{"items": 30, "steps": 3}])
async def between_two_steps_nothing_is_in_hand(
    slot: LivingScan | LivingReads | LivingListings, case: Case, items: int, steps: int
) -> None:
    """An iterator that was begun is no call in hand; it goes on while the driver is drained, whole, or is refused with Closed."""
    await _filled(slot, items)
    for name, begin in _iterators(slot).items():
        living = await case.whole()
        iterator = begin(living)
        given = [await anext(iterator) for _ in range(steps)]
        same("lifecycle.3", await living.drain(1.0), Drained(0, 0), f"a drain counts {name} between two steps as in hand")
        try:
            given += [item async for item in iterator]
        except Closed:
            continue
        same("lifecycle.3", len(given), items, f"{name} ends early, without an error, because its driver was drained")


async def _filled(slot: Any, items: int) -> None:
    if offers(slot, ObjectStorage):
        await slot.create_bucket("b")
    for number in range(items):
        if offers(slot, KeyValueScan):
            await slot.set(f"k{number}", b"v")
        elif offers(slot, ObjectStorage):
            await slot.put("b", f"k{number}", b"v")
        else:
            await slot.append("s", b"v")


def _iterators(slot: Any) -> dict[str, Callable[[Any], AsyncGenerator[Any, None]]]:
    if offers(slot, KeyValueScan):
        return {"a scan": lambda living: living.scan(), "a scan of keys": lambda living: living.scan_keys()}
    if offers(slot, ObjectStorage):
        return {"a listing": lambda living: living.list_objects("b")}
    return {"a read": lambda living: living.read("s")}


async def _step(iterator: AsyncIterator[Any]) -> Any:
    return await anext(iterator)
