"""A server goes away and comes back: publishes say so meanwhile, drivers work again, plain subscriptions go on and count it."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._outage import Calls, Outage
from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import BASIC, PERSISTENT, Ear, Sent, entered, hears, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import BackendUnavailable, OperationTimeout, PrismError, PubSubBasic, PubSubPersistent
from prism_testkit.outcomes import Violation

_AWAY = (BackendUnavailable, OperationTimeout)
_TRIES = 300
"""How often something is published until a subscription from before counts as not coming back."""
_BETWEEN_S = 0.02


@check("pubsub_basic.13", "pubsub_basic.12", "pubsub_basic.2", "pubsub_basic.3", needs_server=True)
async def plain_subscriptions_outlive_their_server(pubsub: PubSubBasic, case: Case) -> None:
    """They go on once it is back, ``gaps`` tells that something may be missing, and nothing comes twice (PS-25)."""
    outage = Outage("pubsub_basic.13", often=())
    async with case.private_server() as private:
        one, other = await private.client(), await private.client()
        slots = (one, other, one)
        managers = [slot.subscribe("t") for slot in slots]
        ears = [Ear(case, await manager.__aenter__(), BASIC) for manager in managers]
        sents = await send(one, "t", numbered(2), BASIC)
        for ear in ears:
            await hears(ear, sents, more=True)
        waiting = asyncio.ensure_future(ears[2].inner.receive(60.0))
        await asyncio.sleep(_BETWEEN_S)
        await private.kill()
        await outage.none_answered(
            {"publish": lambda: one.publish("t", b"x"), "publish by another": lambda: other.publish("u", b"x")}
        )
        for ear in ears[:2]:
            await outage.answered("receive", ear.inner.receive(_BETWEEN_S))
        await private.restart()
        await outage.all_answered(
            {
                "publish": lambda: one.publish("u", b"x"),
                "publish by another": lambda: other.publish("u", b"x"),
                "subscribe": lambda: entered(one.subscribe("u")),
            },
        )
        heard = [await _goes_on(ear, one, number, waiting if number == 2 else None) for number, ear in enumerate(ears)]
        for ear in ears:
            if not ear.inner.gaps:
                broken("pubsub_basic.13", "gaps does not count an outage of the server", expected="1 or more", got=ear.inner.gaps)
        sents = await send(other, "t", numbered(4, "after"), BASIC, {"h": "v"})
        for ear, last in zip(ears, heard, strict=True):
            await _only(ear, sents, last)
        async with one.subscribe("t") as fresh:
            same("pubsub_basic.12", fresh.gaps, 0, "gaps of a subscription that was entered after an outage is not 0")
        for manager in managers:
            await manager.__aexit__(None, None, None)


async def _goes_on(ear: Ear, slot: Any, number: int, waiting: "asyncio.Future[Any] | None") -> str:
    """Publish until a subscription from before is given something; return the payload.

    ``waiting``: a receive from before. What is published before the subscription is back may pass it by: one is not enough.
    """
    for turn in range(_TRIES):
        await slot.publish("t", b"probe %d.%d" % (number, turn))
        receiving = waiting or asyncio.ensure_future(ear.inner.receive(5 * _BETWEEN_S))
        done, _ = await asyncio.wait({receiving}, timeout=5 * _BETWEEN_S if waiting else None)
        if not done:
            continue
        waiting = None
        try:
            got = receiving.result()
        except _AWAY:
            continue
        if got is not None:
            return str(got.payload)
    if waiting is not None:
        waiting.cancel()
    raise Violation.of("pubsub_basic.13", "the server is back, and a subscription from before the outage is given nothing")


async def _only(ear: Ear, sents: list[Sent], last: str) -> None:
    """Receive up to the last of these: probes, each once, then these, in order."""
    seen: list[str] = [last]
    ids: list[str] = []
    while len(ids) < len(sents):
        got = await ear.next()
        if got is None:
            broken("pubsub_basic.13", "after an outage a subscription does not get everything", expected=sents, got=ids)
        if got.payload.startswith(b"probe "):
            if str(got.payload) in seen or ids:
                broken("pubsub_basic.2", "after an outage a message is received twice, or late", expected=sents, got=got)
            seen.append(str(got.payload))
        else:
            ids.append(got.id)
    same("pubsub_basic.3", ids, [sent.id for sent in sents], "after an outage messages come twice, or not in order")


@check("pubsub_persistent.17", "pubsub_persistent.16", needs_server=True)
async def durable_drivers_outlive_their_server(pubsub: PubSubPersistent, case: Case) -> None:
    """While the server is away calls say so; once it is back the same drivers work, and lose nothing that was stored (PS-25)."""
    outage = Outage("pubsub_persistent.17", often=("last_message_id",))
    async with case.private_server() as private:
        one, other = await private.client(), await private.client()
        manager = one.subscribe_durable("t", "s", "earliest")
        member = await manager.__aenter__()
        sents = await send(other, "t", numbered(4), PERSISTENT)
        held = [*await received(case, member, 1), *await received(case, member, 1)]
        await member.ack(held[0])
        await private.kill()
        calls: dict[str, Callable[[], Awaitable[Any]]] = {}
        for who, slot in (("one", one), ("another", other)):
            calls[f"publish_persistent of {who}"] = lambda slot=slot: slot.publish_persistent("u", b"x")  # type: ignore[misc]
            calls[f"last_message_id of {who}"] = lambda slot=slot: slot.last_message_id("u")  # type: ignore[misc]
            calls[f"subscribe_durable of {who}"] = lambda slot=slot: entered(slot.subscribe_durable("u", "s"))  # type: ignore[misc]
        members: Calls = {
            "receive": lambda: member.receive(1, _BETWEEN_S),
            "nack": lambda: member.nack(held[1], delay_s=1.0),
            "ack": lambda: member.ack(held[1]),
        }
        await outage.none_answered({**calls, **members})
        await private.restart()
        await outage.all_answered(calls)
        with contextlib.suppress(PrismError):  # what becomes of a member from before is not said
            await manager.__aexit__(None, None, None)
        await _works(case, one, other)
        if case.traits.durability != "none":
            await _kept(case, other, sents)


async def _works(case: Case, one: Any, other: Any) -> None:
    async with one.subscribe_durable("new", "s") as member, other.subscribe_durable("new", "other") as second:
        sents = await send(one, "new", numbered(3, "after"), PERSISTENT, {"h": "v"})
        for each in (member, second):
            ear = Ear(case, each, PERSISTENT)
            await hears(ear, sents, "drivers from before an outage", lost="pubsub_persistent.17")


async def _kept(case: Case, slot: Any, sents: list[Sent]) -> None:
    """Judge what the subscription still has: all but what was acked, and the one in doubt either way."""
    certain = {sent.id for sent in sents[2:]}
    found: set[str] = set()
    async with slot.subscribe_durable("t", "s") as member:
        while got := await received(case, member, 2, None if certain - found else 0):
            found |= {delivery.message.id for delivery in got}
            await member.ack(*got)
    if certain - found:
        broken("pubsub_persistent.16", "what was stored before an outage is lost", expected=sorted(certain), got=sorted(found))
    if sents[0].id in found and case.traits.ack_survives_kill == "yes":
        broken("pubsub_persistent.5", "what was acked before an outage comes again", expected=sorted(certain), got=sorted(found))
