"""pub/sub without a memory: connections of publishers and of subscriptions are held, reset and refused, and answers are lost."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._network import PATIENCE, TRIES, Load, cut_off, until
from prism_suites._network_losing import ANSWERS, AnswersLost, answered, says_so_and_comes_back
from prism_suites._pubsub_taking import BASIC, Ear, entered, hears, numbered, patience, send
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import PubSubBasic
from prism_testkit.private import PrivateServer, ToldProxy

_SOON_S = 1.0
"""A message comes to who listens beside the proxy within this, as a rule; one that does not is only judged less closely."""
_PROBE_S = 0.1


@check("pubsub_basic.2", "pubsub_basic.1", "pubsub_basic.12", "pubsub_basic.13", needs_server=True)
async def a_plain_message_whose_answer_was_lost_is_one(pubsub: PubSubBasic, case: Case) -> None:
    """The server sends a message on, its answer is swallowed, and the publisher's connection is reset: a subscription of another
    client, whose connection lasts, receives one message, not two (PS-50)."""
    load = Load("pubsub_basic.13")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one, other)
        losing = AnswersLost(private.proxy, load)
        for after in range(ANSWERS):
            topic = f"publish {after}"
            async with other.subscribe(topic) as inner:
                await answered(load, "publish", lambda: one.publish("warm", b"v"))
                payloads: list[bytes] = []

                async def happened(inner: Any = inner, payloads: list[bytes] = payloads) -> bool:
                    return await _next(inner, payloads, _SOON_S)

                fate = await losing.lose("publish", one.publish(topic, b"m"), after, happened)
                # Of one publisher messages come in order: behind this one there is no second of the first.
                await answered(load, "publish", lambda topic=topic: one.publish(topic, b"end"))  # type: ignore[misc]
                while b"end" not in payloads and await _next(inner, payloads, patience(case)):
                    pass
                same("pubsub_basic.12", inner.gaps, 0, "gaps counts what happened to another client's connection")
            if payloads.count(b"m") > 1:
                sentence = "a publish whose answer was lost is received as two messages"
                broken("pubsub_basic.2", sentence, expected=[b"m", b"end"], got=payloads)
            if b"end" not in payloads or ((fate.seen or fate.answered) and b"m" not in payloads):
                sentence = "a message of a publisher whose connection failed before is not received"
                broken("pubsub_basic.1", sentence, expected=[b"m", b"end"], got=payloads)
            if fate.finished:
                break
    if not losing.effects:
        case.inconclusive("no message was received before its answer was lost")


async def _next(inner: Any, payloads: list[bytes], timeout_s: float) -> bool:
    message = await inner.receive(timeout_s)
    if message is not None:
        payloads.append(message.payload)
    return message is not None


@check("pubsub_basic.13", "pubsub_basic.1", needs_server=True)
async def who_is_cut_off_reaches_nobody(pubsub: PubSubBasic, case: Case) -> None:
    """A publish that is acknowledged while nothing passes between its client and the server is received; while the connections of a
    client are refused its publishes and new subscriptions say so; afterwards both work (PS-25)."""
    load = Load("pubsub_basic.13")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one, other)
        async with other.subscribe("mine") as inner:

            async def is_there() -> bool:
                return await inner.receive(_SOON_S) is not None

            met = await cut_off(load, private.proxy, one.publish("mine", b"m"), is_there, "pubsub_basic.1")
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "publish": lambda: one.publish("u", b"x"),
            "subscribe": lambda: entered(one.subscribe("u")),
        }
        met = await says_so_and_comes_back(load, private.proxy, calls) and met
    if not met:
        case.inconclusive("the client was not cut off")


@check("pubsub_basic.12", "pubsub_basic.1", "pubsub_basic.2", "pubsub_basic.3", "pubsub_basic.13", needs_server=True)
async def what_a_failing_network_takes_shows(pubsub: PubSubBasic, case: Case) -> None:
    """While the connection of a subscription is held nothing is lost; one that is reset, or refused for a while, goes on, receives
    nothing twice, and ``gaps`` tells of it before it gives what lies behind the hole (PS-25)."""
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one, other)
        proxy = private.proxy
        async with one.subscribe("t") as inner:
            ear = Ear(case, inner, BASIC)
            await hears(ear, await send(other, "t", numbered(2), BASIC), more=True)
            await proxy.hold()
            sents = await send(other, "t", numbered(3, "held"), BASIC)
            await proxy.pass_on()
            await hears(ear, sents, "its connection was held for a while", more=True)
            same("pubsub_basic.12", inner.gaps, 0, "gaps counts a connection that was slow, and not lost")
            for name, fail in (("reset", _reset), ("refused for a while", _refuse)):
                await _shows(ear, other, proxy, name, fail)


async def _reset(proxy: ToldProxy) -> None:
    await proxy.reset()


async def _refuse(proxy: ToldProxy) -> None:
    await proxy.refuse()
    await proxy.reset()


async def _shows(ear: Ear, publisher: Any, proxy: ToldProxy, name: str, fail: Callable[[ToldProxy], Awaitable[None]]) -> None:
    """Let a connection fail with messages on their way; publish until one comes again, and judge which have come."""
    inner, before = ear.inner, ear.inner.gaps
    sents = await send(publisher, "t", numbered(2, f"before it was {name}"), BASIC)
    await proxy.hold("down")
    sents += await send(publisher, "t", numbered(2, f"when it was {name}"), BASIC)
    await fail(proxy)
    sents += await send(publisher, "t", numbered(2, f"while it was {name}"), BASIC)
    await proxy.pass_on()
    ids: list[str] = []
    for turn in range(TRIES):
        sents += await send(publisher, "t", [b"%s probe %d" % (name.encode(), turn)], BASIC)
        while ids[-1:] != [sents[-1].id] and (got := await ear.next(_PROBE_S)) is not None:
            ids.append(got.id)
            missed = [sent for sent in sents[: _place(sents, got)] if sent.id not in ids]
            if missed and inner.gaps == before:
                sentence = f"messages were missed as the connection was {name}, one behind them comes, and gaps does not say so"
                broken("pubsub_basic.12", sentence, expected=missed, got=got)
        if ids[-1:] == [sents[-1].id]:
            break
    else:
        sentence = f"the network is whole again, and a subscription whose connection was {name} is given nothing"
        broken("pubsub_basic.13", sentence, expected=sents[-1], got=None)
    if len(set(ids)) < len(ids):
        broken("pubsub_basic.2", f"a message comes twice, as the connection was {name}", expected="each once", got=ids)
    wanted = [sent.id for sent in sents if sent.id in ids]
    same("pubsub_basic.3", ids, wanted, f"messages are not received in order, as the connection was {name}")


def _place(sents: list[Any], got: Any) -> int:
    """Return where a message stands among those that were published; judge that it is one of them."""
    places = [number for number, sent in enumerate(sents) if (sent.id, sent.payload) == (got.id, got.payload)]
    if not places:
        broken("pubsub_basic.2", "a message is received that was not published since the last one", expected=sents, got=got)
    return places[0]


async def _passes(case: Case, private: PrivateServer, one: Any, other: Any) -> None:
    """Give up unless the calls of ``one`` go through the proxy: a server may tell its clients an address that leads past it.

    What an entry or a publish says while nothing passes is no sign of that, for either may say so falsely: only what arrives is.
    """
    proxy = private.proxy
    async with one.subscribe("unseen") as near, other.subscribe("unheard") as far:
        await one.publish("warm", b"v")
        held = proxy.counts.held
        await proxy.hold()
        writing = asyncio.ensure_future(one.publish("unheard", b"v"))
        await other.publish("unseen", b"v")
        arriving = [asyncio.ensure_future(inner.receive(_SOON_S)) for inner in (near, far)]
        await until(lambda: proxy.counts.held > held)
        await until(lambda: any(receive.done() for receive in arriving), PATIENCE // 4)
        past = any(receive.done() for receive in arriving)
        seen = proxy.counts.held > held
        await proxy.pass_on()
        for call in (writing, *arriving):
            await asyncio.wait([call])
            call.exception()  # a driver may have given up meanwhile
    if past or not seen:
        case.inconclusive("calls do not pass the proxy: the server tells its clients another address")
