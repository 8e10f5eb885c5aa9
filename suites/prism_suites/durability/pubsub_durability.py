"""What was acknowledged survives SIGKILL of the process that published and received, and of the server; the dead give back."""

from collections.abc import Sequence
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._pubsub_durable import AHEAD, HEADERS, Remembered, State, story
from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import PERSISTENT, hears, listening, patience, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Message, PubSubPersistent
from prism_testkit.killing import Survivors, Target
from prism_testkit.outcomes import law
from prism_testkit.traits import Traits

_LAW = "pubsub_persistent.16"
_MOST_S = 120.0
"""Who claims to notice the death of a member later than this is not waited for on a real clock."""
Durable = Annotated[PubSubPersistent, Traits(durability="process")]
Acking = Annotated[PubSubPersistent, Traits(durability="process", ack_survives_kill="yes")]
Noticing = Annotated[PubSubPersistent, Traits(durability="process", member_timeout_s=1e6)]
Served = Annotated[PubSubPersistent, Traits(member_timeout_s=1e6)]


async def _killed(case: Case, kills: Sequence[int], target: Target, judge: Any) -> None:
    """Let several processes write, one after another in one place, kill each, and judge what it left."""
    survivors: Survivors | None = None
    middle = False
    for number, count in enumerate(kills):
        told = story(case.limits, count + AHEAD, number)
        with case.law(_LAW):  # a store that does not open again has lost everything
            survivors = await case.kill(told.steps, count, target, after=survivors)
        middle = middle or not survivors.finished
        await judge(case, survivors.slot, told.left(survivors))
        await _goes_on(case, survivors.slot, number)
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _goes_on(case: Case, slot: Any, number: int) -> None:
    with law(_LAW):
        sents = await send(slot, f"after the kill {number}", [b"new", b"newer"], PERSISTENT, HEADERS)
        async with listening(case, slot, f"after the kill {number}", PERSISTENT) as ear:
            await hears(ear, sents, "published after the kill", lost=_LAW)


@check("pubsub_persistent.16", "pubsub_persistent.2", "pubsub_persistent.10")
@gauntlet(lambda limits: [{"kills": [150, 61]}])
async def messages_survive_the_writer(pubsub: Durable, case: Case, kills: list[int]) -> None:
    """Acknowledged publishes are there after SIGKILL of the publisher, whole, once each and in order (PS-25)."""
    await _killed(case, kills, "writer", _messages_left)


@check("pubsub_persistent.16", "pubsub_persistent.2", "pubsub_persistent.10", needs_server=True)
@gauntlet(lambda limits: [{"kills": [150]}])
async def messages_survive_the_server(pubsub: Durable, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (PS-25)."""
    await _killed(case, kills, "server", _messages_left)


async def _messages_left(case: Case, slot: Any, state: State) -> None:
    for topic in dict.fromkeys([*state.logs, *state.perhaps]):
        log = state.logs.get(topic, [])
        ways = [log, *([[*log, state.perhaps[topic]]] if topic in state.perhaps else [])]
        found: list[Message] = []
        async with slot.subscribe_durable(topic, "made after the kill", "earliest") as member:
            while len(found) < len(log) + 3:
                got = await received(case, member, 20, patience(case) if len(found) < len(log) else 0)
                if not got:
                    break
                found += [delivery.message for delivery in got]
                await member.ack(*got)
        payloads = [message.payload for message in found]
        if payloads not in ways:
            what = "lost" if set(log) - set(payloads) else "doubled, or not in order, or nobody's"
            broken(_LAW, f"after the kill messages of {topic[:30]!a} are {what}", expected=log, got=payloads)
        for message in found:
            if message.topic != topic or dict(message.headers) != HEADERS or not isinstance(message.payload, bytes):
                seen = (message.topic, dict(message.headers), type(message.payload).__name__)
                broken(_LAW, "a message is changed after the kill", expected=(topic, HEADERS, "bytes"), got=seen)
        same(_LAW, len({message.id for message in found}), len(found), "after the kill two messages have the same id")
        last = found[-1].id if found else None
        same("pubsub_persistent.10", await slot.last_message_id(topic), last, "after the kill the last id is another")
        new = (await send(slot, topic, [b"behind it"], PERSISTENT))[0]
        if new.id in {message.id for message in found}:
            broken(_LAW, "after the kill an id is given a second time", expected="an id of its own", got=new.id)


@check("pubsub_persistent.16")
@gauntlet(lambda limits: [{"kills": [150, 62]}])
async def subscriptions_survive_the_writer(pubsub: Durable, case: Case, kills: list[int]) -> None:
    """Subscriptions are there after SIGKILL of who made them, with all that was neither acked nor held (PS-17, PS-25)."""
    await _killed(case, kills, "writer", _subscriptions_left)


@check("pubsub_persistent.16", needs_server=True)
@gauntlet(lambda limits: [{"kills": [150]}])
async def subscriptions_survive_the_server(pubsub: Durable, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (PS-17, PS-25)."""
    await _killed(case, kills, "server", _subscriptions_left)


async def _subscriptions_left(case: Case, slot: Any, state: State) -> None:
    """What is published before a subscription is opened again is for it, as for one that is open."""
    for topic in list(dict.fromkeys(topic for topic, _ in state.subscriptions))[::3]:
        (sent,) = await send(slot, topic, [b"before it is opened"], PERSISTENT, HEADERS)
        for (of, _), remembered in state.subscriptions.items():
            if of == topic:
                remembered.ready.append(sent.payload)
    for (topic, name), remembered in state.subscriptions.items():
        await _remembers(case, slot, topic, name, remembered, state.perhaps.get(topic))


async def _remembers(
    case: Case,
    slot: Any,
    topic: str,
    name: str,
    remembered: Remembered,
    perhaps: bytes | None,
    *,
    acks: bool = False,
    held: bool = False,
) -> None:
    """Open a subscription again, receive what is there, and judge it; ``acks``, ``held``: these are claimed to be known."""
    wanted = {*remembered.ready, *(remembered.held if held else ())}
    allowed = wanted | {*remembered.held, *remembered.doubtful, *([perhaps] if perhaps is not None else [])}
    allowed |= set() if acks else set(remembered.acked)
    found: list[bytes] = []
    async with slot.subscribe_durable(topic, name, "new") as member:
        while True:
            missing = wanted - set(found)
            timeout_s = (case.traits.member_timeout_s or 0.0) + patience(case) if missing & set(remembered.held) else patience(case)
            got = await received(case, member, 5, timeout_s if missing else 0)
            if not got:
                break
            found += [delivery.message.payload for delivery in got]
            await member.ack(*got)
    lost = [payload for payload in wanted if payload not in found]
    if lost:
        promise = "pubsub_persistent.4" if set(lost) <= set(remembered.held) else _LAW
        what = "held by the dead does not come to others" if promise != _LAW else "a subscription must have is lost"
        broken(promise, f"after the kill a message that {what}", expected=lost, got=found)
    for payload in found:
        if payload not in allowed:
            acked = payload in remembered.acked
            promise, what = ("pubsub_persistent.5", "acked") if acked else (_LAW, "not for this subscription")
            broken(promise, f"after the kill a message comes that was {what}", expected=sorted(wanted), got=payload)
    if len(set(found)) < len(found):
        broken("pubsub_persistent.5", "after the kill a message comes twice, though it was acked", expected="once", got=found)


@check("pubsub_persistent.5")
@gauntlet(lambda limits: [{"kills": [150, 63]}])
async def acks_survive_the_writer(pubsub: Acking, case: Case, kills: list[int]) -> None:
    """With ``ack_survives_kill`` what was acked does not come again after SIGKILL of who acked it (PS-17)."""
    await _killed(case, kills, "writer", _acks_left)


@check("pubsub_persistent.5", needs_server=True)
@gauntlet(lambda limits: [{"kills": [150]}])
async def acks_survive_the_server(pubsub: Acking, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (PS-17)."""
    await _killed(case, kills, "server", _acks_left)


async def _acks_left(case: Case, slot: Any, state: State) -> None:
    for (topic, name), remembered in state.subscriptions.items():
        await _remembers(case, slot, topic, name, remembered, state.perhaps.get(topic), acks=True)


@check("pubsub_persistent.4", "pubsub_persistent.7")
@gauntlet(lambda limits: [{"kills": [100]}])
async def the_dead_hand_over(pubsub: Noticing, case: Case, kills: list[int]) -> None:
    """What members of a killed process held comes to another member, within the time that is claimed (PS-24)."""
    await _handed_over(case, kills, "writer")


@check("pubsub_persistent.4", "pubsub_persistent.7", needs_server=True)
@gauntlet(lambda limits: [{"kills": [100]}])
async def the_dead_hand_over_on_a_server(pubsub: Served, case: Case, kills: list[int]) -> None:
    """The same where a server lives on that need not be durable (PS-24)."""
    if case.traits.durability != "none":
        case.note("the_dead_hand_over judges the same of what is durable")
        return
    await _handed_over(case, kills, "writer")


@check("pubsub_persistent.4", "pubsub_persistent.7", needs_server=True)
@gauntlet(lambda limits: [{"kills": [100]}])
async def the_dead_hand_over_after_the_server_died(pubsub: Noticing, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of both, and the restart of the server (PS-24)."""
    await _handed_over(case, kills, "server")


async def _handed_over(case: Case, kills: list[int], target: Target) -> None:
    timeout_s = case.traits.member_timeout_s or 0.0
    if not case.clock.virtual and timeout_s > _MOST_S:
        case.inconclusive(f"the death of a member may be noticed after {timeout_s:g} s, and nothing waits that long")
    await _killed(case, kills, target, _held_left)


async def _held_left(case: Case, slot: Any, state: State) -> None:
    for (topic, name), remembered in state.subscriptions.items():
        if remembered.held:
            await _remembers(case, slot, topic, name, remembered, state.perhaps.get(topic), held=True)
