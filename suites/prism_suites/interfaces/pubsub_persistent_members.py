"""pubsub_persistent: members of one subscription share its messages, and lose none."""

from typing import Any

from prism_suites._judging import broken, same
from prism_suites._pubsub_members import HELD_S, comes_again, nothing, received
from prism_suites._pubsub_taking import PERSISTENT, is_message, numbered, send
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Delivery, PubSubPersistent

_DELAYS_S = (0.001, 0.25, 0.999, 1, 1.5, 10.0, 59.9, 60.5, 3600.0, 86_400.0, 1e6)


@check("pubsub_persistent.7", "pubsub_persistent.4", "pubsub_persistent.13")
@gauntlet(
    lambda limits: [{"members": members, "batch": batch, "on": on} for members in (2, 3) for batch in (1, 4) for on in (0, 1)]
)
async def members_share(pubsub: PubSubPersistent, case: Case, members: int, batch: int, on: int) -> None:
    """Each message is held by one of the members, an idle one keeps nothing from others, and leaving loses nothing (PS-07)."""
    clients: list[Any] = [pubsub, await case.client()]
    managers = [clients[number % 2 * on].subscribe_durable("t", "s", "earliest") for number in range(members)]
    slots = [await manager.__aenter__() for manager in managers]
    sents = await send(clients[1], "t", numbered(12), PERSISTENT)
    since_s = case.clock.now_s()
    owner: dict[str, int] = {}
    held: dict[int, list[Delivery]] = {number: [] for number in range(members)}
    turn = 0
    while len(owner) < len(sents):
        number = turn % members if turn < 2 * members else 0  # from here on the others are idle
        deliveries = await received(case, slots[number], batch)
        if not deliveries:
            broken("pubsub_persistent.7", "a message that nobody holds is kept from a member", expected="a message", got=[])
        for delivery in deliveries:
            if delivery.message.id in owner and case.clock.now_s() - since_s < HELD_S:
                broken("pubsub_persistent.7", "two members hold one message", expected="one each", got=delivery)
            owner[delivery.message.id] = number
            held[number].append(delivery)
        turn += 1
    for slot in slots:
        await nothing(case, slot, "pubsub_persistent.7", "a message that is held comes again", held_since_s=since_s)
    await managers[0].__aexit__(None, None, None)
    theirs = [sent for sent in sents if owner[sent.id] == 0]
    counts = {each.message.id: each.delivery_count for deliveries in held.values() for each in deliveries}
    if case.clock.now_s() - since_s < HELD_S:
        again = await comes_again(case, slots[-1], theirs, counts, promise="pubsub_persistent.7", story="its member left")
        await slots[-1].ack(*again)
        for number in range(1, members):
            await slots[number].ack(*held[number])
        await nothing(case, slots[-1], "pubsub_persistent.5", "an acked message comes again")
    for manager in managers[1:]:
        await manager.__aexit__(None, None, None)


@check("pubsub_persistent.4", "pubsub_persistent.5", "pubsub_persistent.13")
@gauntlet(lambda limits: [{"messages": 60, "batch": batch} for batch in (1, 7)])
async def each_nacked_once_all_are_acked(pubsub: PubSubPersistent, case: Case, messages: int, batch: int) -> None:
    """When each of many messages is nacked once, each is acked in the end, once (PS-23)."""
    sents = {sent.id: sent for sent in await send(pubsub, "t", numbered(messages), PERSISTENT)}
    counts: dict[str, int] = {}
    acked: list[str] = []
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        while len(acked) < messages:
            deliveries = await received(case, member, batch)
            if not deliveries:
                broken("pubsub_persistent.4", "a nacked message does not come again", expected=messages - len(acked), got=[])
            for delivery in deliveries:
                identity = delivery.message.id
                is_message("pubsub_persistent.2", delivery.message, sents[identity], "a message comes again changed")
                if identity in counts:
                    await member.ack(delivery)
                    acked.append(identity)
                else:
                    await member.nack(delivery)
                counts[identity] = delivery.delivery_count
        same("pubsub_persistent.5", len(set(acked)), messages, "an acked message comes again")
        await nothing(case, member, "pubsub_persistent.5", "an acked message comes again")
