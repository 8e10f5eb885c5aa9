"""Claim check: in the midst of the chunks of one claim, and beside a receive that waits, everything else goes on."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimConsumer, ClaimDelivery
from prism_suites._claims import TOPIC, T, has_acks, mode, take, taken
from prism_suites._claims_sending import payload_of
from prism_suites._judging import broken, same
from prism_suites._racing import together
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet

BIG = payload_of(3 * T)
_PATIENCE_S = 600.0
"""So long, of virtual time, a call may take; on a real clock, a tenth of a minute."""


async def _nacks(check_in: ClaimCheck, consumer: ClaimConsumer, other: ClaimDelivery) -> None:
    await consumer.nack(other)
    await consumer.ack(await take(consumer))


_WITHIN: dict[str, Callable[[ClaimCheck, ClaimConsumer, ClaimDelivery], Awaitable[Any]]] = {
    "a publish": lambda check_in, consumer, other: check_in.publish("elsewhere", BIG, {"of": "within"}),
    "a publish of a stream": lambda check_in, consumer, other: check_in.publish("elsewhere", _parts(BIG)),
    "an inline publish": lambda check_in, consumer, other: check_in.publish("elsewhere", b"short"),
    "a read of another": lambda check_in, consumer, other: consumer.read(other),
    "chunks of another": lambda check_in, consumer, other: taken(consumer, other),
    "an ack of another": lambda check_in, consumer, other: consumer.ack(other),
    "a nack of another": _nacks,
    "a receive": lambda check_in, consumer, other: consumer.receive(0),
    "a sweep": lambda check_in, consumer, other: check_in.sweep(),
    "a look": lambda check_in, consumer, other: check_in.health(),
}


async def _parts(payload: bytes) -> AsyncIterator[bytes]:
    for at in range(0, len(payload), T):
        yield payload[at : at + T]


async def _ends(case: Case, call: Awaitable[Any], what: str, when: str = "in the midst of chunks") -> None:
    """Judge that a call ends though what is under way does not."""
    task = asyncio.ensure_future(call)
    await asyncio.wait([task, sleeping := asyncio.ensure_future(_later(case))], return_when=asyncio.FIRST_COMPLETED)
    sleeping.cancel()
    if not task.done():
        task.cancel()
        broken("CC1", f"{what} {when} waits for its end", expected="it ends by itself", got="it waits")
    task.result()


async def _later(case: Case) -> None:
    await case.clock.sleep(_PATIENCE_S if case.clock.virtual else 6.0)


@check("CC1", "CC2", "CC4", "CC7")
@gauntlet(lambda limits: [{"within": within} for within in _WITHIN])
async def in_the_midst_of_chunks_all_goes_on(claims: Bound[ClaimCheck], case: Case, within: str) -> None:
    """Behind the first chunk of a claim another call of the same instance, or of the same consumer for another delivery, does not
    wait for the last one; and the chunks go on behind it."""
    if within in ("an ack of another", "a nack of another") and not has_acks(claims):
        return
    config: dict[str, Any] = {"threshold": T, **(mode(claims, "c") if has_acks(claims) else {"cleanup": "sweep"})}
    async with claims.opened(**config) as check_in, check_in.consume(TOPIC, "c") as consumer:
        for _ in range(2):
            await check_in.publish(TOPIC, BIG)
        one, other = await take(consumer), await take(consumer)
        found, asked = b"", False
        async for chunk in consumer.chunks(one):
            found += chunk
            if not asked:
                asked = True
                await _ends(case, _WITHIN[within](check_in, consumer, other), within)
        same("CC1", found, BIG, f"chunks in whose midst there was {within} are not the payload")


@check("CC1", "CC2")
@gauntlet(lambda limits: [{"compression": compression} for compression in ("none", "gzip")])
async def chunks_are_passed_on(claims: Bound[ClaimCheck], case: Case, compression: str) -> None:
    """The chunks of a claim are what another one is published of, as they come: it comes back as it was."""
    payload = payload_of(300_000)
    async with (
        claims.opened(threshold=T, compression=compression) as check_in,
        check_in.consume(TOPIC, "c") as consumer,
        check_in.consume("passed on", "c") as last,
    ):
        await check_in.publish(TOPIC, payload)
        delivery = await take(consumer)
        publishing = asyncio.ensure_future(check_in.publish("passed on", consumer.chunks(delivery)))
        await asyncio.wait([publishing, sleeping := asyncio.ensure_future(_later(case))], return_when=asyncio.FIRST_COMPLETED)
        sleeping.cancel()
        if not publishing.done():
            publishing.cancel()
            broken("CC1", "a publish of the chunks of another claim does not end", expected="a receipt", got="it waits")
        await publishing
        same("CC1", await last.read(await take(last)), payload, "what was passed on as it came does not come back")


@check("CC1", "CC4", "CC7", "lifecycle.4")
@gauntlet(lambda limits: [{"beside": beside} for beside in _WITHIN])
async def beside_a_receive_that_waits_all_goes_on(claims: Bound[ClaimCheck], case: Case, beside: str) -> None:
    """While a consumer waits for what does not come, other calls of the instance end, and what is published for it then comes at
    once."""
    if beside in ("an ack of another", "a nack of another") and not has_acks(claims):
        return
    config: dict[str, Any] = {"threshold": T, **(mode(claims, "c") if has_acks(claims) else {"cleanup": "sweep"})}
    async with (
        claims.opened(**config) as check_in,
        check_in.consume(TOPIC, "c") as consumer,
        check_in.consume("quiet", "c") as quiet,
    ):
        await check_in.publish(TOPIC, BIG)
        other = await take(consumer)
        waiting = asyncio.ensure_future(quiet.receive(_WAITS_S))
        try:
            await case.clock.sleep(1.0 if case.clock.virtual else 0.05)
            await _ends(case, _WITHIN[beside](check_in, consumer, other), beside, "beside a receive that waits")
            await check_in.publish("quiet", BIG)
            delivery = await _soon(case, waiting)
            same("CC1", await quiet.read(delivery), BIG, "what a receive waited for does not come back")
        finally:
            waiting.cancel()
            await asyncio.wait([waiting])


_WAITS_S = 50_000.0


async def _soon(case: Case, waiting: "asyncio.Future[ClaimDelivery | None]") -> ClaimDelivery:
    """Return what a receive is given that waits, long before its time is over."""
    both: list[asyncio.Future[Any]] = [waiting, asyncio.ensure_future(_later(case))]
    await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    both[1].cancel()
    found = waiting.result() if waiting.done() else None
    if found is None:
        broken("CC1", "a receive that waits is not given what was published", expected="a delivery", got=found)
    return found


@check("CC1", "CC5")
@gauntlet(lambda limits: [{"turned": turned, "streamed": streamed} for turned in (False, True) for streamed in (False, True)])
async def of_two_calls_at_once_each_does_its_own(claims: Bound[ClaimCheck], case: Case, turned: bool, streamed: bool) -> None:
    """Two publishes of one instance are under way, to topics of their own, then two reads: each has its own topic, headers, payload
    and claim."""
    sent = {"a": payload_of(3 * T), "b": payload_of(5 * T)[::-1]}
    case.overlap()
    async with (
        claims.opened(threshold=T) as check_in,
        check_in.consume("a", "c") as first,
        check_in.consume("b", "c") as second,
    ):
        names = ("b", "a") if turned else ("a", "b")
        await together(*(check_in.publish(name, _parts(sent[name]) if streamed else sent[name], {"of": name}) for name in names))
        given = {"a": await take(first), "b": await take(second)}
        told = {name: (delivery.topic, dict(delivery.headers)) for name, delivery in given.items()}
        same("CC1", told, {name: (name, {"of": name}) for name in sent}, "of two publishes at once one has what is the other's")
        consumers = {"a": first, "b": second}
        for fetch in ("read", "chunks"):
            calls = [
                consumers[name].read(given[name]) if fetch == "read" else taken(consumers[name], given[name]) for name in names
            ]
            found = dict(zip(names, await together(*calls), strict=True))
            same("CC5", found, sent, f"of two claims that are read at once ({fetch}) one gives what is the other's")


@check("CC5", "CC4")
@gauntlet(lambda limits: [{"turned": turned} for turned in (False, True)])
async def of_two_calls_of_a_consumer_each_does_its_own(claims: Bound[ClaimCheck], case: Case, turned: bool) -> None:
    """Two reads of one consumer are under way, then two nacks with delays of their own: each payload is its own, and each message
    comes again when its own time is over."""
    case.overlap()
    async with claims.opened(threshold=T) as check_in, check_in.consume(TOPIC, "c") as consumer:
        sent = {"a": payload_of(3 * T), "b": payload_of(5 * T)[::-1]}
        for name, payload in sent.items():
            await check_in.publish(TOPIC, payload, {"of": name})
        held = {delivery.headers["of"]: delivery for delivery in [await take(consumer), await take(consumer)]}
        names = ("b", "a") if turned else ("a", "b")
        found = dict(zip(names, await together(*(consumer.read(held[name]) for name in names)), strict=True))
        same("CC5", found, sent, "of two claims that one consumer reads at once one gives what is the other's")
        if not case.clock.virtual or not has_acks(claims):
            return
        delays_s = {"a": 100.0, "b": 20_000.0}
        await together(*(consumer.nack(held[name], delays_s[name]) for name in names))
        await case.advance(5_000.0)
        got = await consumer.receive(0)
        same("CC4", got and got.headers.get("of"), "a", "of two nacks at once one has the delay of the other: what comes first")
        same("CC4", await consumer.receive(0), None, "of two nacks at once one has the delay of the other: what comes then")
