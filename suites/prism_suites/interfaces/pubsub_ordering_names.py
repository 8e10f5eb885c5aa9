"""pubsub_ordering: keys alias only if they are equal, what is illegal is refused, publishes at once and cancelled calls."""

import itertools
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._names_together import chunks
from prism_suites._pubsub_lines import HEADERS, drained, ordered
from prism_suites._pubsub_members import HELD_S, received
from prism_suites._pubsub_shared import COMMANDS, NO_NAMES, NO_PAYLOADS, NO_TRUTH, PADDED, SEPARATED, differing
from prism_suites._pubsub_taking import numbered, patience
from prism_suites._queue_cancelling import cancelled, points
from prism_suites._queue_shared import BAD_HEADERS
from prism_suites._racing import clients, together
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, PayloadTooLarge, PubSubOrdering
from prism_testkit.outcomes import law
from prism_testkit.strategies import over


@check("pubsub_ordering.7", "pubsub_ordering.6", "pubsub_ordering.3")
@gauntlet(
    lambda limits: [
        *({"keys": chunk["names"]} for chunk in chunks(limits)),
        {"keys": COMMANDS},
        {"keys": NO_TRUTH},
        {"keys": SEPARATED},
        {"keys": PADDED},
        {"keys": (*differing(32), *differing(limits.max_name // 2))},
        {"keys": ("t", "s", "a", "b", "é", "0 first", "p1", "k")},  # what topic, subscription, headers and payloads are called
        {"keys": tuple(longest_names(limits.max_name))},
        {"keys": tuple(f"key-{number}" for number in range(260))},
    ]
)
async def every_name_is_a_key_of_its_own(pubsub: PubSubOrdering, case: Case, keys: tuple[str, ...]) -> None:
    """Keys that differ in any code point do not wait for each other; and each is a key, whose second message waits (PS-05)."""
    keys = tuple(dict.fromkeys(keys))[:: 5 if case.server and len(keys) > 50 else 1]
    async with pubsub.subscribe_durable("t", "s") as member:
        for place in (b"first", b"second"):
            for number, key in enumerate(keys):
                await ordered(pubsub, key, [b"%d %s" % (number, place)])
        found: set[int] = set()
        for _ in range(3 * len(keys)):  # what is held may come again after a while
            got = await received(case, member, 100)
            payloads = [delivery.message.payload.split() for delivery in got]
            early = [keys[int(number)] for number, place in payloads if place == b"second"]
            same("pubsub_ordering.7", early, [], "a message comes before an earlier one of its key was acked")
            found |= {int(number) for number, _ in payloads}
            if not got or len(found) == len(keys):
                break
        missing = [key for number, key in enumerate(keys) if number not in found]
        same("pubsub_ordering.7", missing, [], "a key waits for another that is not equal")


_MARKS = ("", "<", ">", "-", "+", ":", "#", "key:", "id:", "last:", "next:", "before:")


@check("pubsub_ordering.7", "pubsub_ordering.6", "pubsub_ordering.2")
@gauntlet(lambda limits: [{"marks": _MARKS[::2]}, {"marks": _MARKS[1::2]}])
async def a_key_may_be_called_as_a_message(pubsub: PubSubOrdering, case: Case, marks: tuple[str, ...]) -> None:
    """Keys that are called by the number, or the id, of a message are keys like others: each message comes, in order (PS-05)."""
    for mark in marks:
        topic = f"t {mark}"
        wanted: dict[str, list[bytes]] = {}
        names = [mark + str(number) for number in (1, 2, 3)]
        for key in ("k", "k", *names, "l", *names):
            payload = b"%s %d" % (key.encode(), len(wanted.setdefault(key, [])))
            wanted[key].append(payload)
            (sent,) = await ordered(pubsub, key, [payload], topic)
            names += [mark + sent.id] * (key == "k" and mark + sent.id not in names)
        found: dict[str, list[bytes]] = {key: [] for key in wanted}
        async with pubsub.subscribe_durable(topic, "s", "earliest") as member:
            while found != wanted and (got := await received(case, member, 10)):
                for delivery in got:
                    found[delivery.message.payload.decode().rpartition(" ")[0]].append(delivery.message.payload)
                await member.ack(*got)
        same("pubsub_ordering.7", found, wanted, f"messages of keys that are called {names} do not come in their order")


@check("pubsub_ordering.7")
@gauntlet(lambda limits: [{"name": name} for name, _ in bad_names(limits.max_name)])
async def a_bad_key_is_refused(pubsub: PubSubOrdering, case: Case, name: str) -> None:
    """A key, or a topic, that is empty, too long or holds a surrogate raises `InvalidName`; nothing is stored."""
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        await refused("pubsub_ordering.7", pubsub.publish_ordered("t", name, b"x"), InvalidName, "a bad key is not refused")
        await refused("pubsub_ordering.7", pubsub.publish_ordered(name, "k", b"x"), InvalidName, "a bad topic is not refused")
        (sent,) = await ordered(pubsub, "k", [b"after"])
        got = await received(case, member, 10)
        same("pubsub_ordering.7", [d.message.id for d in got], [sent.id], "a refused publish left something")


@check("pubsub_ordering.7", "pubsub_ordering.1")
async def what_is_illegal_is_refused(pubsub: PubSubOrdering, case: Case) -> None:
    """What is no text is no key; payloads and headers are refused as everywhere, each before any effect (PS-03, PS-04)."""
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        for bad in NO_NAMES:
            for call in (pubsub.publish_ordered("t", bad, b"x"), pubsub.publish_ordered(bad, "k", b"x")):
                await refused("pubsub_ordering.7", call, TypeError, f"{bad!r} is not refused as a name")
        for data in NO_PAYLOADS:
            await refused(
                "pubsub_ordering.1", pubsub.publish_ordered("t", "k", data), TypeError, "what is no payload is not refused"
            )
        for headers, errors in BAD_HEADERS:
            await refused(
                "pubsub_ordering.1", pubsub.publish_ordered("t", "k", b"x", headers), errors, "illegal headers are not refused"
            )
        for size in over(case.limits.max_payload):
            call = pubsub.publish_ordered("t", "k", bytes(size))
            await refused("pubsub_ordering.1", call, PayloadTooLarge, "a payload over the limit is not refused")
        (sent,) = await ordered(pubsub, "k", [bytes(case.limits.max_payload)])
        got = await received(case, member, 10)
        same("pubsub_ordering.1", [d.message.id for d in got], [sent.id], "a refused publish left something")


@check("pubsub_ordering.1", "pubsub_ordering.8")
async def namespaces_are_apart(pubsub: PubSubOrdering, case: Case) -> None:
    """The same key of the same topic in another namespace is another: nothing is delivered, held or freed there."""
    sibling = await case.sibling()
    async with pubsub.subscribe_durable("t", "s") as here, sibling.subscribe_durable("t", "s") as there:
        began_s = case.clock.now_s()
        for slot, member in ((pubsub, here), (sibling, there)):
            sents = await ordered(slot, "k", numbered(2))
            got = await received(case, member, 10)
            if case.clock.now_s() - began_s > HELD_S:
                return
            same("pubsub_ordering.8", [d.message.id for d in got], [sents[0].id], "a key is held, or freed, by another namespace")


@check("pubsub_ordering.8", "pubsub_ordering.2")
@gauntlet(lambda limits: [{"before": before} for before in (1, 3, 20)])
async def a_new_subscription_waits_for_nothing_older(pubsub: PubSubOrdering, case: Case, before: int) -> None:
    """What was published before a subscription began with ``new`` neither comes nor holds its key (PS-11)."""
    await ordered(pubsub, "k", numbered(before, "before"))
    async with pubsub.subscribe_durable("t", "old", "earliest") as old:
        held = await received(case, old)
        async with pubsub.subscribe_durable("t", "new") as member:
            for sent in await ordered(pubsub, "k", numbered(3)):
                got = await received(case, member, 10)
                same(
                    "pubsub_ordering.8", [d.message.id for d in got], [sent.id], "a new subscription waits for what it does not get"
                )
                await member.ack(*got)
            await old.ack(*held)


@check("pubsub_ordering.2", "pubsub_ordering.1")
@gauntlet(lambda limits: [{"publishers": publishers, "each": each} for publishers, each in ((2, 6), (5, 4))])
async def publishers_at_once_make_one_order(pubsub: PubSubOrdering, case: Case, publishers: int, each: int) -> None:
    """Of several that publish to a key at once all subscriptions see one order, each publisher's own in it (PS-08, PS-29)."""
    slots = await clients(pubsub, case, range(publishers))
    calls: dict[bytes, tuple[int, int]] = {}
    tick = itertools.count()
    case.overlap()

    async def run(slot: Any, number: int) -> None:
        for place in range(each):
            payload, call = b"%d-%d" % (number, place), next(tick)
            await slot.publish_ordered("t", "k", payload, HEADERS)
            calls[payload] = (call, next(tick))

    async with pubsub.subscribe_durable("t", "s1", "earliest"), pubsub.subscribe_durable("t", "s2", "earliest"):
        await together(*(run(slot, number) for number, slot in enumerate(slots)))
    orders = [[sent.payload for sent in await drained(case, pubsub, "t", name, len(calls))] for name in ("s1", "s2")]
    for order in orders:
        once = list(dict.fromkeys(order))
        same("pubsub_ordering.1", sorted(once), sorted(calls), "of messages published at once one is lost, or comes from nowhere")
        for first, second in itertools.combinations(once, 2):
            if calls[second][1] < calls[first][0]:
                broken(
                    "pubsub_ordering.2", "a message comes before one whose publish had returned before", expected=second, got=first
                )
    same(
        "pubsub_ordering.2",
        list(dict.fromkeys(orders[0])),
        list(dict.fromkeys(orders[1])),
        "two subscriptions see two orders of a key",
    )


@check("pubsub_ordering.10", "pubsub_ordering.2")
@gauntlet(points(("receive", "publish", "ack")))
async def a_cancelled_call_leaves_the_key_whole(pubsub: PubSubOrdering, case: Case, kind: str, point: int) -> None:
    """A receive, a publish or an ack that is cancelled at any point: its key goes on, in its order, and loses nothing (PS-40)."""
    async with pubsub.subscribe_durable("t", "s", "earliest") as member:
        sents = await ordered(pubsub, "k", numbered(2))
        expected = [sent.payload for sent in sents]
        if kind == "receive":
            ended, got = await cancelled(member.receive(2, 0), point)
            if ended and got:
                same("pubsub_ordering.2", [d.message.payload for d in got], expected[:1], "a receive gives another than the first")
                await member.ack(*got)
                del expected[0]
        elif kind == "ack":
            held = await received(case, member)
            ended, _ = await cancelled(member.ack(*held), point)
            if not ended:
                await member.ack(*held)
            del expected[0]
        else:
            await cancelled(pubsub.publish_ordered("t", "k", b"in doubt", HEADERS), point)
        expected += [sent.payload for sent in await ordered(pubsub, "k", [b"after"])]
        found: list[bytes] = []
        with law("pubsub_ordering.10"):
            while expected[-1] not in found:
                got = await received(case, member, 2, patience(case))
                if not got:
                    broken("pubsub_ordering.10", f"after a cancelled {kind} a key does not go on", expected=expected, got=found)
                found += [delivery.message.payload for delivery in got]
                await member.ack(*got)
    certain = [payload for payload in dict.fromkeys(found) if payload != b"in doubt"]
    same("pubsub_ordering.10", certain, expected, f"after a cancelled {kind} a key is not whole, or not in its order")
