"""pub/sub: connections are reset, cut, held and refused, answers are lost, and the server pauses, while clients are at work."""

import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from prism_suites._judging import broken
from prism_suites._network import Load, at_work, cut_off, passes
from prism_suites._network_faults import everything
from prism_suites._network_losing import ANSWERS, AnswersLost, answered, says_so_and_comes_back
from prism_suites._network_waits import WAITS_S, is_told_after_all
from prism_suites._pubsub_taking import entered, patience
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Conflict, PrismError, PubSubPersistent
from prism_testkit.private import PrivateServer

_TOPIC = "busy"


@dataclass
class _Ledger:
    """What became of the messages of the topic."""

    attempted: set[bytes] = field(default_factory=set)
    acknowledged: dict[bytes, str] = field(default_factory=dict)
    """Payload -> id."""
    received: dict[bytes, set[str]] = field(default_factory=lambda: defaultdict(set))
    acked: set[bytes] = field(default_factory=set)
    unknown_takes: int = 0


@check("pubsub_persistent.13", "pubsub_persistent.1", "pubsub_persistent.5", "pubsub_persistent.17", needs_server=True)
async def messages_outlive_a_failing_network(pubsub: PubSubPersistent, case: Case) -> None:
    """Around every fault of a network and pauses of the server clients recover by themselves; each acknowledged message is
    received by the subscription under its id, one whose publish was not answered once or not at all, and none comes again whose
    ack was acknowledged (PS-25, PS-50)."""
    load, ledger = Load("pubsub_persistent.17"), _Ledger()
    async with case.private_server() as private:
        slots = [await private.client(proxied=True), await private.client(proxied=True), await private.client()]
        async with slots[-1].subscribe_durable(_TOPIC, "s", "earliest"):
            pass
        for slot in slots[:2]:
            await _passes(case, private, slot)
        receivers = [_Receiver(load, slot, ledger) for slot in slots[:2]]
        steps = [*(_publisher(load, slot, ledger) for slot in slots), *(receiver.step for receiver in receivers)]
        try:
            # A server that is restarted may have forgotten an ack: whether it may is another trait, and judged by kills.
            idle = await at_work(load, steps, everything(case, private, load, restarts=False))
        finally:
            for receiver in receivers:
                await receiver.leave()
        await _judge(case, ledger, slots[-1])
    if idle:
        case.inconclusive(f"took no effect: {', '.join(idle)}")


def _publisher(load: Load, slot: Any, ledger: _Ledger) -> Callable[[int, int], Awaitable[bool]]:
    async def step(number: int, index: int) -> bool:
        if index % 4 == 3:
            return (await load.call("last_message_id", slot.last_message_id(_TOPIC)))[0]
        payload = b"%d.%d" % (number, index)
        ledger.attempted.add(payload)
        there, told = await load.call("publish_persistent", slot.publish_persistent(_TOPIC, payload))
        if there:
            ledger.acknowledged[payload] = told
        return there

    return step


class _Receiver:
    """A member of the subscription, which joins again when it was cut off: what becomes of one from before is not promised."""

    def __init__(self, load: Load, slot: Any, ledger: _Ledger) -> None:
        self._load, self._slot, self._ledger = load, slot, ledger
        self._entered: Any = None
        self._member: Any = None

    async def step(self, number: int, index: int) -> bool:
        if self._member is None:
            manager = self._slot.subscribe_durable(_TOPIC, "s", "earliest")
            there, self._member = await self._load.call("subscribe_durable", manager.__aenter__())
            self._entered = manager if there else None
            return there
        there = await self._receive()
        if not there:
            await self.leave()
        return there

    async def _receive(self) -> bool:
        there, got = await self._load.call("receive", _closed_is_away(self._member.receive(5)))
        if not there or got == "closed" or isinstance(got, Conflict):
            self._ledger.unknown_takes += 1
            return False
        for delivery in got:
            self._ledger.received[delivery.message.payload].add(delivery.message.id)
        if got:
            there, told = await self._load.call("ack", _closed_is_away(self._member.ack(*got)))
            if not there or told is not None:
                return False
            self._ledger.acked |= {delivery.message.payload for delivery in got}
        return True

    async def leave(self) -> None:
        manager, self._entered, self._member = self._entered, None, None
        if manager is not None:
            with contextlib.suppress(PrismError):
                await manager.__aexit__(None, None, None)


async def _closed_is_away(call: Awaitable[Any]) -> Any:
    """Return what a member answers; one that was ended with its connection may say so."""
    try:
        return await call
    except Closed:
        return "closed"


async def _judge(case: Case, ledger: _Ledger, slot: Any) -> None:
    """Receive what is left, then judge all that was received.

    A member that was cut off may not have told that it left: what it held comes when it counts as dead.
    """
    wait_s = patience(case) + (case.traits.member_timeout_s or 0.0)
    wanted = set(ledger.acknowledged) - set(ledger.received)
    found: set[bytes] = set()
    async with slot.subscribe_durable(_TOPIC, "s") as member:
        while got := await member.receive(100, wait_s if wanted - found else 0):
            for delivery in got:
                ledger.received[delivery.message.payload].add(delivery.message.id)
                found.add(delivery.message.payload)
            await member.ack(*got)
    if wanted - found and ledger.unknown_takes and case.traits.member_timeout_s is None:
        case.inconclusive("what a member held that was cut off has not come again, and nobody says when it must")
    if wanted - found:
        sentence = "an acknowledged message is not received after faults of the network"
        broken("pubsub_persistent.13", sentence, expected=min(wanted - found), got=None)
    for payload, ids in ledger.received.items():
        if payload not in ledger.attempted:
            broken("pubsub_persistent.1", "a message is received that nobody published", expected=[], got=payload)
        if len(ids) > 1:
            sentence = "around a fault of the network a message that was published once is received under two ids"
            broken("pubsub_persistent.1", sentence, expected=payload, got=sorted(ids))
        if payload in ledger.acknowledged and ids != {ledger.acknowledged[payload]}:
            sentence = "a message is received under another id than its publish returned"
            broken("pubsub_persistent.1", sentence, expected=ledger.acknowledged[payload], got=sorted(ids))
    again = sorted(found & ledger.acked)
    if again:
        broken("pubsub_persistent.5", "a message whose ack was acknowledged comes again", expected=[], got=again)


@check("pubsub_persistent.1", "pubsub_persistent.13", "pubsub_persistent.17", needs_server=True)
async def a_message_whose_answer_was_lost_is_one(pubsub: PubSubPersistent, case: Case) -> None:
    """The server stores a message, its answer is swallowed, and the connection is reset: a subscription receives one message, not
    two (PS-50)."""
    load = Load("pubsub_persistent.17")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        losing = AnswersLost(private.proxy, load)
        for after in range(ANSWERS):
            topic = f"publish {after}"
            async with other.subscribe_durable(topic, "s") as member:
                await answered(load, "publish_persistent", lambda: one.publish_persistent("warm", b"v"))

                async def happened(topic: str = topic) -> bool:
                    return await other.last_message_id(topic) is not None

                fate = await losing.lose("publish_persistent", one.publish_persistent(topic, b"m"), after, happened)
                # Of one publisher messages come in order: behind this one there is no second of the first.
                await answered(load, "publish_persistent", lambda topic=topic: one.publish_persistent(topic, b"end"))  # type: ignore[misc]
                payloads = await _up_to_the_end(case, member)
            if payloads.count(b"m") > 1:
                sentence = "a publish whose answer was lost stored two messages"
                broken("pubsub_persistent.1", sentence, expected=[b"m", b"end"], got=payloads)
            if (fate.seen or fate.answered) and b"m" not in payloads:
                broken("pubsub_persistent.13", "a message that was stored is not received", expected=[b"m", b"end"], got=payloads)
            if fate.finished:
                break
    if not losing.effects:
        case.inconclusive("no call took effect before its answer was lost")


async def _up_to_the_end(case: Case, member: Any) -> list[bytes]:
    """Receive until the message that ends it; each message, by its id, counts once."""
    found: dict[str, bytes] = {}
    while b"end" not in found.values() and (got := await member.receive(10, patience(case))):
        found |= {delivery.message.id: delivery.message.payload for delivery in got}
        await member.ack(*got)
    return list(found.values())


@check("pubsub_persistent.13", "pubsub_persistent.17", needs_server=True)
async def who_is_cut_off_publishes_nothing(pubsub: PubSubPersistent, case: Case) -> None:
    """No publish is acknowledged while nothing passes between a client and its server; while its connections are refused every call
    says so; afterwards every call works (PS-25)."""
    load = Load("pubsub_persistent.17")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)

        async def is_there() -> bool:
            return await other.last_message_id("mine") is not None

        met = await cut_off(load, private.proxy, one.publish_persistent("mine", b"m"), is_there, "pubsub_persistent.13")
        calls: dict[str, Callable[[], Awaitable[Any]]] = {
            "publish_persistent": lambda: one.publish_persistent("u", b"x"),
            "last_message_id": lambda: one.last_message_id("u"),
            "subscribe_durable": lambda: entered(one.subscribe_durable("u", "s")),
        }
        met = await says_so_and_comes_back(load, private.proxy, calls) and met
    if not met:
        case.inconclusive("the client was not cut off")


async def _passes(case: Case, private: PrivateServer, slot: Any) -> None:
    await passes(case, private, lambda: slot.publish_persistent("warm", b"v"), lambda: slot.last_message_id("unseen"))


@check("pubsub_persistent.17", needs_server=True)
@gauntlet(lambda limits: [{"refused": refused} for refused in (True, False)])
async def a_subscriber_that_waits_outlives_its_connection(pubsub: PubSubPersistent, case: Case, refused: bool) -> None:
    """The only member of a durable subscription waits, and is given what another client publishes while it is cut off, or after its
    connections were reset; where it says that the server is away it is asked anew (PS-25)."""
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await passes(case, private, lambda: one.publish_persistent("warm", b"v"), lambda: one.last_message_id("unseen"))
        async with one.subscribe_durable("t", "s") as member:
            await is_told_after_all(
                private.proxy,
                "pubsub_persistent.17",
                "pubsub_persistent.17",
                lambda: member.receive(1, WAITS_S),
                lambda: other.publish_persistent("t", b"m"),
                refused=refused,
            )
