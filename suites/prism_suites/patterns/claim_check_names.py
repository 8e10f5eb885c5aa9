"""Claim check, promise 4: a claim waits for everybody who is named, whatever the names, and leaves a marker of each."""

from contextlib import AsyncExitStack
from typing import Any

from prism_patterns.claim_check import ClaimCheck
from prism_suites._claims import TOPIC, T, beside, claims_there, entries_there, mode, swept, take
from prism_suites._judging import same
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.traits import Limits

BIG = b"x" * (T + 1)


def _alike(limits: Limits) -> list[tuple[str, ...]]:
    """Return long names that somebody may take for one."""
    stem = "n" * (min(limits.max_name, 500) - 1)
    wide = "\u00e9" * 50
    return [
        (f"{stem}1", f"{stem}2"),
        (f"1{stem}", f"2{stem}"),
        (f"{wide}\u00e8", f"{wide}\u00e9"),
        (wide, f"{wide}x"),
    ]


PREFIXES = ("claims", "c.acks/d", "\u00e9/_x", "a+(b)*[c]?%_\\{")


@check("CC4")
@gauntlet(
    lambda limits: [
        {"order": order, "prefix": PREFIXES[number % 4]}
        for number, order in enumerate((("a", "b"), ("b", "a"), ("a", "b", "c"), ("c", "a", "b"), *_alike(limits)))
    ]
)
async def every_named_consumer_must_ack(claims: Bound[ClaimCheck], case: Case, order: tuple[str, ...], prefix: str) -> None:
    """A claim waits for all that are named, each of whom leaves its marker, and its retention begins with the last of them
    (CC-5)."""
    if beside(case, claims, acks=True, names=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, *sorted(order)), "retention_after_ack_s": 10.0, "prefix": prefix}
    step = max(0.01, 2 * case.limits.clock_resolution_s)  # what every clock can tell
    async with claims.opened(**config) as check_in, AsyncExitStack() as stack:
        *first, last = [await stack.enter_async_context(check_in.consume(TOPIC, name)) for name in order]
        receipt = await check_in.publish(TOPIC, BIG)
        key = receipt.claim.key if receipt.claim is not None else ""
        for number, consumer in enumerate(first):
            await consumer.ack(await take(consumer))
            marked = {name.removeprefix(f"{key}.acks/") for name in await entries_there(claims, prefix=prefix)} - {key}
            short = {name for name in order[: number + 1] if len(name.encode()) <= 100 and not name.startswith("#")}
            told = "the markers of acks are not the names of the consumers, long ones by # and a hash"
            same("CC4", {name for name in marked if not name.startswith("#")}, short, told)
            same("CC4", len(marked), number + 1, "there are others than one marker for each ack")
        await case.advance(60.0)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims, prefix=prefix)), 1, f"a claim was removed without the ack of {order[-1]!r:.60}")
        delivery = await take(last, "CC4")
        same("CC4", await last.read(delivery), BIG, "the last consumer does not find the payload")
        await last.ack(delivery)
        await case.advance(10.0 - step)
        await check_in.sweep()
        same("CC4", len(await claims_there(claims, prefix=prefix)), 1, "the retention was counted from another ack than the last")
    await case.advance(3 * step)
    async with claims.opened(**config) as check_in:
        await swept(case, check_in, prefix)
    same("CC4", await claims_there(claims, prefix=prefix), set(), "a claim that everybody acked outlived its retention")


CROWD = (
    *("a", "A", "a/b", "b.acks/a", "a.acks/", ".acks", "\u00e9", "e\u0301", "#", "##", "x", "x "),
    *("n#1", "n#2", "n?1", "n?2", "n%41", "nA", "n\x001", "n\x002", "n;1"),
)
"""Names that somebody may take for one: of folders, of markers, and with what ends or means something elsewhere."""


@check("CC4", "CC7")
async def nobody_acks_for_another(claims: Bound[ClaimCheck], case: Case) -> None:
    """Of as many claims as there are names each lacks the ack of another one, and stays until that comes (CC-5)."""
    if beside(case, claims, acks=True, names=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, **mode(claims, *sorted(CROWD)), "retention_after_ack_s": 10.0}
    async with claims.opened(**config) as check_in, AsyncExitStack() as stack:
        keys = []
        for _ in CROWD:
            receipt = await check_in.publish(TOPIC, BIG)
            keys.append(receipt.claim.key if receipt.claim is not None else "")
        consumers = [await stack.enter_async_context(check_in.consume(TOPIC, name)) for name in CROWD]
        for consumer, key in zip(consumers, keys, strict=True):
            for _ in CROWD:
                delivery = await take(consumer)
                if delivery.claim is not None and delivery.claim.key == key:
                    await consumer.nack(delivery, 61.0)
                else:
                    await consumer.ack(delivery)
        await case.advance(60.0)
        await check_in.sweep()
        there = await claims_there(claims)
        gone = [name for name, key in zip(CROWD, keys, strict=True) if key not in there]
        same("CC4", gone, [], "claims were removed without the acks of these")
        for consumer in consumers:
            delivery = await take(consumer, "CC4")
            same("CC4", await consumer.read(delivery), BIG, "the last consumer does not find the payload")
            await consumer.ack(delivery)
    await case.advance(10.5)
    async with claims.opened(**config) as check_in:
        await swept(case, check_in)
    same("CC7", await entries_there(claims), set(), "claims that everybody acked, or their markers, outlived their retention")


@check("CC4")
@gauntlet(lambda limits: [{"name": name} for name in ("n" * (min(limits.max_name, 500) - 1), "#", "a/b")])
async def who_is_called_as_a_marker_acks_for_himself(claims: Bound[ClaimCheck], case: Case, name: str) -> None:
    """A consumer may be called as the marker of another one is written: his ack is not that one's."""
    if beside(case, claims, acks=True, names=True, time=True):
        return
    config: dict[str, Any] = {"threshold": T, "retention_after_ack_s": 10.0}
    async with claims.opened(**config, **mode(claims, name)) as check_in, check_in.consume(TOPIC, name) as consumer:
        receipt = await check_in.publish(TOPIC, BIG)
        await consumer.ack(await take(consumer))
        key = receipt.claim.key if receipt.claim is not None else ""
        twin = next((each.removeprefix(f"{key}.acks/") for each in await entries_there(claims) if each != key), name)
    if twin == name:
        twin = f"#{name}"  # nothing stands for it: it is its own marker
    async with claims.opened(**config, **mode(claims, name, twin)) as check_in, AsyncExitStack() as stack:
        await case.advance(60.0)
        await check_in.sweep()
        consumer = await stack.enter_async_context(check_in.consume("again", twin))
        receipt = await check_in.publish("again", BIG)
        key = receipt.claim.key if receipt.claim is not None else ""
        await consumer.ack(await take(consumer))
        await case.advance(60.0)
        await check_in.sweep()
        told = f"a claim was removed without the ack of {name!r:.60}: that of {twin!r:.80} was taken for it"
        same("CC4", key in await claims_there(claims), True, told)
