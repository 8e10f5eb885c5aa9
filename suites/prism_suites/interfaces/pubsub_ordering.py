"""pubsub_ordering: of one key a message is delivered only when every earlier one was acked; keys do not wait for each other."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same
from prism_suites._pubsub_lines import HEADERS, OrderingAndPersistent, Step, ordered, playing, steps
from prism_suites._pubsub_members import HELD_S, lenient, promptly, received
from prism_suites._pubsub_taking import Sent, is_message, numbered, patience, quiet
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering
from prism_testkit.strategies import universes

_SCRIPTS: list[tuple[Step, ...]] = [
    (("join", 0, 1), *(("publish", 0, n % 2) for n in range(6)), ("take", 0, 2), ("ack", 0, 0), ("take", 0, 2), ("ack", 0, 1)),
    (
        ("join", 0, 1),
        ("join", 1, 1),
        *(("publish", n, 0) for n in range(4)),
        ("take", 0, 0),
        ("take", 1, 2),
        ("nack", 0, 0),
        ("take", 1, 2),
    ),
    (
        ("join", 0, 1),
        ("join", 1, 1),
        *(("publish", n, 0) for n in range(4)),
        ("take", 0, 0),
        ("leave", 0, 0),
        ("take", 0, 2),
        ("ack", 0, 0),
    ),
    (*(("publish", n, n) for n in range(9)), ("join", 0, 1), *(("take", 0, 0), ("ack", 0, 0)) * 6, ("join", 1, 0), ("take", 1, 2)),
    (("join", 0, 1), *(("publish", 0, 0),) * 3, ("take", 0, 0), ("ack", 0, 0), ("take", 0, 0), ("stale", 0, 0), ("take", 0, 2)),
    (
        ("join", 0, 1),
        *(("publish", 0, 0),) * 3,
        *(("take", 0, 0), ("nack", 0, 0)) * 5,
        ("take", 0, 0),
        ("ack", 0, 0),
        ("take", 0, 0),
    ),
    (("join", 0, 1), *(("publish", 0, n) for n in (0, 0, 1, 1, 2, 2)), ("take", 0, 2), *(("ack", 0, 0), ("take", 0, 2)) * 6),
    (
        ("join", 0, 1),
        *(("publish", 0, n % 3) for n in range(9)),
        *(("take", 0, 2), ("ack all", 0, 0), ("take", 0, 2), ("nack all", 0, 1)) * 3,
    ),
    (
        ("join", 0, 1),
        ("join", 1, 1),
        *(("publish", n % 2, 0) for n in range(8)),
        *(("take", 0, 0), ("ack", 0, 0), ("take", 1, 0), ("nack", 1, 0), ("take", 0, 2), ("ack all", 0, 0)) * 3,
    ),
    (
        ("join", 0, 0),
        ("publish", 0, 0),
        ("take", 0, 0),
        ("join", 1, 1),
        ("publish", 0, 0),
        ("leave", 0, 0),
        ("take", 0, 2),
        ("take", 0, 2),
    ),
    *(
        (
            *(("join", member, 1) for member in range(2)),
            *(("publish", 0, 0),) * 3,
            *(("take", 0, 0), (gone, 0, 0), ("stale", who, 0), ("take", 1, 2)),
        )
        for gone in ("nack", "nack all", "leave")
        for who in (0, 1)
    ),
    *(  # what another member holds now, the first time or a later one
        (
            *(("join", member, 1) for member in range(2)),
            *(("publish", 0, 0),) * 3,
            *(("take", 0, 0), ("nack", 0, 0)) * times,
            *(("take", 0, 0), ("stale", 1, how), ("take", 1, 2), ("ack", 0, 0), ("take", 1, 2)),
        )
        for times in (0, 1, 2)
        for how in (0, 1)
    ),
]
_KEYS = ("a", "b", "c")


@check(*(f"pubsub_ordering.{number}" for number in (3, 2, 4, 5, 6, 7, 9, 1)))
@gauntlet(lambda limits: [{"script": script, "keys": _KEYS} for script in _SCRIPTS])
@given(script=steps(), keys=universes(min_size=1, max_size=3))
async def programs_match_the_model(pubsub: PubSubOrdering, case: Case, script: tuple[Step, ...], keys: tuple[str, ...]) -> None:
    """Whoever publishes, receives, acks, gives back and leaves: each key goes on in its order, and at once (PS-29, PS-31)."""
    async with playing(case, pubsub, keys) as lines:
        await lines.play(script)


@check(*(f"pubsub_ordering.{number}" for number in (3, 8, 2, 4, 5, 6)))
@gauntlet(lambda limits: [{"script": script} for script in _SCRIPTS])
@given(script=steps())
async def programs_of_several_subscriptions_match_the_model(pubsub: PubSubOrdering, case: Case, script: tuple[Step, ...]) -> None:
    """Two topics with the same keys, and two subscriptions of each, hold and free nothing in each other (PS-06, PS-29)."""
    async with playing(case, pubsub, _KEYS[:2]) as lines:
        await lines.play(script, ("t", "u"), ("s", "other"))


@check(*(f"pubsub_ordering.{number}" for number in (1, 3, 6, 2, 4, 5)))
@gauntlet(lambda limits: [{"script": script, "keys": ("a", None, "b")} for script in _SCRIPTS])
@given(script=steps(), keys=st.lists(st.sampled_from((None, "a", "b")), min_size=2, max_size=3).map(tuple))
async def programs_with_messages_of_no_key_match_the_model(
    pubsub: OrderingAndPersistent, case: Case, script: tuple[Step, ...], keys: tuple[str | None, ...]
) -> None:
    """Messages without a key wait for nothing, and nothing waits for them (PS-28, PS-29)."""
    async with playing(case, pubsub, keys) as lines:
        await lines.play(script)


@check("pubsub_ordering.3", "pubsub_ordering.6")
@gauntlet(
    lambda limits: [
        *({"keys": keys, "each": each, "most": most} for keys, each in ((1, 5), (5, 3), (30, 2)) for most in (1, 3, 100)),
        {"keys": 140, "each": 2, "most": 100},
    ]
)
async def one_of_each_key_comes_and_no_more(pubsub: PubSubOrdering, case: Case, keys: int, each: int, most: int) -> None:
    """However much is asked for, and by whom: without an ack the first of every key comes, and nothing else (PS-16)."""
    async with pubsub.subscribe_durable("t", "s") as member, (await case.client()).subscribe_durable("t", "s") as other:
        firsts: set[bytes] = set()
        for place in range(each):
            for key in range(keys):
                payload = b"%d-%d" % (key, place)
                await ordered(pubsub, f"k{key}", [payload])
                firsts |= {payload} if place == 0 else set()
        began_s = case.clock.now_s()
        found: list[bytes] = []
        while len(found) < keys:
            got = await received(case, member if len(found) % 2 else other, most)
            if not got:
                broken("pubsub_ordering.6", "the first of a key is held up by another key", expected=sorted(firsts), got=found)
            if case.clock.now_s() - began_s > HELD_S:
                return  # what is held may come again, from here on
            found += [delivery.message.payload for delivery in got]
        same("pubsub_ordering.3", sorted(found), sorted(firsts), "not the first message of each key comes")
        for each_member in (member, other):
            got = await received(case, each_member, most, quiet(case))
            if got and case.clock.now_s() - began_s < HELD_S:
                broken("pubsub_ordering.3", "a message comes before an earlier one of its key was acked", expected=[], got=got)


@check("pubsub_ordering.5", "pubsub_ordering.2", "pubsub_ordering.3")
@gauntlet(lambda limits: [{"count": count, "members": members} for count in (2, 17, 130) for members in (1, 2)])
async def a_long_line_comes_in_its_order(pubsub: PubSubOrdering, case: Case, count: int, members: int) -> None:
    """Acked one after the other, all messages of a key come, in the order of their publishing, to whichever member (PS-29)."""
    other = await case.client()
    async with pubsub.subscribe_durable("t", "s") as member, other.subscribe_durable("t", "s") as second:
        sents = []
        for number in range(count):
            sents += await ordered((pubsub, other)[number % 2], "k", [b"%d" % number])
        for number, sent in enumerate(sents):
            taking = (member, second)[number % members]
            got = await promptly(case, taking, 10)
            if not got:
                broken("pubsub_ordering.5", "after an ack a key does not go on at once", expected=sent, got=[])
            same("pubsub_ordering.2", [d.message.id for d in got], [sent.id], "a key does not go on with its next message")
            await taking.ack(*got)


@check("pubsub_ordering.5")
@gauntlet(
    lambda limits: [
        {"waiter": waiter, "how": how, "others": others}
        for waiter in ("same", "another")
        for how in ("ack", "ack of several", "leave", "nack")
        for others in (0, 3)
        if how != "ack of several" or not others
    ]
)
async def who_waits_for_a_key_is_woken(pubsub: PubSubOrdering, case: Case, waiter: str, how: str, others: int) -> None:
    """A receive that waits is given what an ack frees, or what is given back, at once, whatever else was published meanwhile."""
    manager = pubsub.subscribe_durable("t", "s")
    member = await manager.__aenter__()
    async with (await case.client() if waiter == "another" else pubsub).subscribe_durable("t", "s") as second:
        first, following = await ordered(pubsub, "k", numbered(2))
        held = await received(case, member)
        if how == "ack of several":
            await ordered(pubsub, "another", [b"x"])
            held += await received(case, member)
        wait_s = 1e5 if case.clock.virtual else 10.0
        began_s = case.clock.now_s()

        async def free() -> None:
            for _ in range(others):
                await case.clock.sleep(HELD_S / 16 if case.clock.virtual else 0.005)
                await ordered(pubsub, "k", [b"behind"])
            await case.clock.sleep(HELD_S / 4 if case.clock.virtual else 0.01)
            if how == "leave":
                await manager.__aexit__(None, None, None)
            else:
                await (member.nack(*held) if how == "nack" else member.ack(*held))

        got, _ = await together(second.receive(3, wait_s), free())
        expected = following if how.startswith("ack") else first
        same("pubsub_ordering.5", [d.message.id for d in got], [expected.id], f"after {how} the key does not go on for who waits")
        if case.clock.virtual and case.clock.now_s() - began_s > wait_s / 10:
            broken(
                "pubsub_ordering.5",
                "who waits is woken at the end of its time only",
                expected="at once",
                got=f"after {case.clock.now_s() - began_s:g} s",
            )
    if how != "leave":
        await manager.__aexit__(None, None, None)


@check("pubsub_ordering.6", "pubsub_ordering.1", "pubsub_ordering.2")
@gauntlet(lambda limits: [{"line": line} for line in (1, 15, 101, 520)])
async def a_held_key_stands_in_nobodys_way(pubsub: PubSubOrdering, case: Case, line: int) -> None:
    """However many messages of a held key stand before it, one of another key comes at once (PS-28)."""
    async with pubsub.subscribe_durable("t", "s") as member:
        sents = await ordered(pubsub, "held", numbered(1 + line))
        began_s = case.clock.now_s()
        held = await received(case, member)
        for number in range(3):
            (sent,) = await ordered(pubsub, f"other {number}", [b"free"])
            got = await received(case, member)
            if got and got[0].message.id == held[0].message.id:
                return  # its deadline was over
            same("pubsub_ordering.6", [d.message.id for d in got], [sent.id], f"a key waits behind {line} messages of a held one")
            await member.ack(*got)
        if case.clock.now_s() - began_s > HELD_S:
            return
        await member.ack(*held)
        for sent in sents[1:4]:
            got = await received(case, member, 10)
            same("pubsub_ordering.2", [d.message.id for d in got], [sent.id], f"behind a long line of {line} a key loses its order")
            await member.ack(*got)


@check("pubsub_ordering.9", "pubsub_ordering.3")
@gauntlet(
    lambda limits: [{"how": how, "by": by} for how in ("nacked", "left", "acked", "acked twice") for by in ("itself", "another")]
)
async def what_is_not_held_frees_nothing(pubsub: PubSubOrdering, case: Case, how: str, by: str) -> None:
    """An ack of what was given back, or a second ack, by its member or another, lets nothing of its key come (PS-18)."""
    manager = pubsub.subscribe_durable("t", "s")
    member: Any = await manager.__aenter__()
    async with (await case.client()).subscribe_durable("t", "s") as second:
        sents = await ordered(pubsub, "k", numbered(4))
        old = await received(case, member)
        began_s = case.clock.now_s()
        if how == "left":
            await manager.__aexit__(None, None, None)
        else:
            await (member.nack(*old) if how == "nacked" else member.ack(*old, *(old if how == "acked twice" else ())))
        expected = sents[1] if how.startswith("acked") else sents[0]
        now = await received(case, second)
        same(
            "pubsub_ordering.9" if how == "acked twice" else "pubsub_ordering.4",
            [d.message.id for d in now],
            [expected.id],
            f"after it was {how} a key goes on with another message",
        )
        if how != "left" and by == "itself":
            await lenient(member.ack(*old))
            await lenient(member.nack(*old))
        else:
            await lenient(second.ack(*old))
            await lenient(second.nack(*old))
        got = await received(case, second, 10, quiet(case))
        if got and case.clock.now_s() - began_s < HELD_S:
            broken("pubsub_ordering.9", "an ack of what is not held lets the next message of its key come", expected=[], got=got)
    if how != "left":
        await manager.__aexit__(None, None, None)


@check("pubsub_ordering.1", "pubsub_ordering.7")
async def a_message_has_nothing_of_its_key(pubsub: OrderingAndPersistent, case: Case) -> None:
    """Payload, headers and id are what was published and returned; the last message of a topic may have a key (PS-01)."""
    async with pubsub.subscribe_durable("t", "s") as member:
        for headers in (None, {}, HEADERS, {"k": "k", "ordering_key": "x"}):
            for payload in (b"", b"k", b"a\x00\xffb", b"\x00" * min(5000, case.limits.max_payload)):
                identity = await pubsub.publish_ordered("t", "k", payload, headers)
                same(
                    "pubsub_ordering.1",
                    await pubsub.last_message_id("t"),
                    identity,
                    "last_message_id is not that of the last publish",
                )
                got = await received(case, member, 1, patience(case))
                same("pubsub_ordering.1", len(got), 1, "a message is not delivered")
                sent = Sent(identity, "t", payload, headers or {})
                sentence = "a message is not delivered as it was published"
                is_message("pubsub_ordering.1", got[0].message, sent, sentence, "pubsub_ordering.7")
                await member.ack(*got)
