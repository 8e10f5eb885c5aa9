"""pubsub: the first messages of a store that nobody has used: what is counted from the beginning, and passes 9, 10, 99 and 100."""

from prism_suites._judging import same
from prism_suites._moments import fresh_client, keeps_files
from prism_suites._pubsub_members import received
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering, PubSubPersistent
from prism_testkit.tap import offers

_COUNT = 130
"""More than a hundred, so that what is a text of digits has one, two and three of them."""


@check("pubsub_persistent.10", "pubsub_persistent.2", "pubsub_persistent.3")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("plain", "keyed", "by turns")])
async def the_first_messages_are_told_in_their_order(pubsub: PubSubPersistent, case: Case, kind: str) -> None:
    """From the very first one on the last id is that of the last publish, and messages come in their order (PS-53)."""
    if not keeps_files(case):
        return  # a server is not new for each check
    slot = await fresh_client(case)
    if kind != "plain" and not offers(slot, PubSubOrdering):
        return
    ids: list[str] = []
    for number in range(_COUNT):
        if kind == "plain" or (kind == "by turns" and number % 2):
            ids.append(await slot.publish_persistent("t", b"%d" % number))
        else:
            ids.append(await slot.publish_ordered("t", f"key {number}", b"%d" % number))
        last = await slot.last_message_id("t")
        same("pubsub_persistent.10", last, ids[-1], f"behind message {number + 1} of a store last_message_id is not its id")
    same("pubsub_persistent.2", len(set(ids)), _COUNT, f"of the first {_COUNT} messages of a store two have the same id")
    async with slot.subscribe_durable("t", "s", "earliest") as member:
        found: list[str] = []
        while len(found) < _COUNT and (got := await received(case, member, 7)):
            found += [delivery.message.id for delivery in got]
            await member.ack(*got)
    if kind == "plain":
        same("pubsub_persistent.3", found, ids, f"the first {_COUNT} messages of a store do not come in their order")
    same("pubsub_persistent.1", sorted(found), sorted(ids), f"the first {_COUNT} messages of a store do not all come")
