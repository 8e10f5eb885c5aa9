"""Ordering keys survive SIGKILL of the process that published, and of the server; and drivers outlive their server."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from prism_suites._judging import broken
from prism_suites._outage import Outage
from prism_suites._pubsub_lines import HEADERS, ordered
from prism_suites._pubsub_members import received
from prism_suites._pubsub_taking import patience
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import PubSubOrdering
from prism_testkit.killing import Step, Survivors, Target
from prism_testkit.returned import Returned
from prism_testkit.traits import Traits

_LAW = "pubsub_ordering.11"
_AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
_MOST_S = 120.0
"""Who claims to notice the death of a member later than this is not waited for on a real clock."""
Durable = Annotated[PubSubOrdering, Traits(durability="process")]
_Published = tuple[str, bytes]
"""A key and a payload."""


@dataclass(slots=True)
class _Topic:
    """What is in a topic, in order, and what its subscription did with it."""

    log: list[_Published] = field(default_factory=list)
    perhaps: list[_Published] = field(default_factory=list)
    acked: set[bytes] = field(default_factory=set)
    doubtful: set[bytes] = field(default_factory=set)
    is_open: bool = False


@dataclass
class _Story:
    """Steps, and what each means: (what, topic, key, payload)."""

    steps: list[Step] = field(default_factory=list)
    meanings: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    def tell(self, step: Step, what: str, topic: str, key: str = "", payload: bytes = b"") -> int:
        self.steps.append(step)
        self.meanings.append((what, topic, key, payload))
        return len(self.steps) - 1

    def publish(self, topic: str, key: str, payload: bytes) -> None:
        self.tell(("publish_ordered", (topic, key, payload, HEADERS)), "publish", topic, key, payload)

    def live(self, topic: str, life: int) -> None:
        """One topic with two keys, whose subscription holds, acks or gives back the first message of one."""
        member = self.tell(("subscribe_durable", (topic, "s", "earliest")), "join", topic)
        for key, payload in (("k", b"1"), ("k", b"2"), ("other", b"3"), ("k", b"4")):
            self.publish(topic, key, payload)
        delivery = self.tell(("subscribe_durable.receive", (Returned(member), 1, 30.0)), "receive", topic, "k", b"1")
        if life in (1, 2):
            self.tell(("subscribe_durable.ack", (Returned(member), Returned(delivery))), "ack", topic, "k", b"1")
        if life == 3:
            self.tell(("subscribe_durable.nack", (Returned(member), Returned(delivery))), "nack", topic, "k", b"1")
        if life in (2, 3):
            self.publish(topic, "other", b"5")
            self.publish(topic, "k", b"6")

    def left(self, survivors: Survivors) -> dict[str, _Topic]:
        """Return what the acknowledged steps left; the one in flight may have happened or not."""
        topics: dict[str, _Topic] = {}
        for what, name, key, payload in self.meanings[: survivors.acknowledged]:
            topic = topics.setdefault(name, _Topic())
            topic.is_open = topic.is_open or what == "join"
            topic.log += [(key, payload)] if what == "publish" else []
            topic.acked |= {payload} if what == "ack" else set()
        if not survivors.finished:
            what, name, key, payload = self.meanings[survivors.acknowledged]
            topic = topics.setdefault(name, _Topic())
            topic.perhaps += [(key, payload)] if what == "publish" else []
            topic.doubtful |= {payload} if what == "ack" else set()
        return topics


async def _killed(case: Case, kills: Sequence[int], target: Target) -> None:
    survivors: Survivors | None = None
    middle = False
    for number, count in enumerate(kills):
        told = _Story()
        while len(told.steps) < count + _AHEAD:
            told.live(f"{number}-{len(told.steps)}", len(told.steps) % 4)
        with case.law(_LAW):  # a store that does not open again has lost everything
            survivors = await case.kill(told.steps, count, target, after=survivors)
        middle = middle or not survivors.finished
        for name, topic in told.left(survivors).items():
            await _judged(case, survivors.slot, name, topic, "made after the kill", set())
            if topic.is_open and case.traits.member_timeout_s is not None and case.traits.member_timeout_s <= _MOST_S:
                await _published_later(survivors.slot, name, topic)
                await _judged(case, survivors.slot, name, topic, "s", topic.acked)
        async with survivors.slot.subscribe_durable("after", f"{number}") as member:
            for sent in await ordered(survivors.slot, "k", [b"new", b"newer"], "after"):
                got = await received(case, member, 5)
                if [delivery.message.id for delivery in got] != [sent.id]:
                    broken(_LAW, "after the kill a key does not go on in its order", expected=sent, got=got)
                await member.ack(*got)
    if not middle:
        case.inconclusive("the writer had finished before it was killed")


async def _published_later(slot: Any, name: str, topic: _Topic) -> None:
    """Publish more of the same keys after the kill: it stands behind what was there before."""
    for key, payload in (("k", b"7"), ("other", b"8")):
        await ordered(slot, key, [payload], name)
        topic.log.append((key, payload))


async def _judged(case: Case, slot: Any, name: str, topic: _Topic, subscription: str, acked: set[bytes]) -> None:
    """Open a subscription, receive all there is, and judge that each key comes in its order, one message at a time."""
    wanted = {payload for _, payload in topic.log} - acked - (topic.doubtful if acked or subscription == "s" else set())
    keys = {payload: key for key, payload in (*topic.log, *topic.perhaps)}
    wait_s = patience(case) + (case.traits.member_timeout_s or 0.0)
    found: list[bytes] = []
    async with slot.subscribe_durable(name, subscription, "earliest") as member:
        while got := await received(case, member, 5, wait_s if wanted - set(found) else 0):
            here = [delivery.message.payload for delivery in got]
            if len({keys.get(payload) for payload in here}) < len(here):
                broken("pubsub_ordering.3", "after the kill two messages of one key are held at a time", expected="one", got=here)
            found += here
            await member.ack(*got)
    if wanted - set(found) or not set(found) <= set(keys):
        broken(_LAW, "after the kill a message with a key is lost, or comes from nowhere", expected=sorted(wanted), got=found)
    for key in ("k", "other"):
        order = [payload for payload in dict.fromkeys(found) if keys[payload] == key]
        if order != sorted(order):  # each is published after those with lower numbers
            broken(_LAW, "after the kill the messages of a key do not come in their order", expected=sorted(order), got=order)
    if case.traits.ack_survives_kill == "yes" and acked & set(found):
        broken("pubsub_ordering.1", "after the kill a message comes that was acked", expected=sorted(wanted), got=found)


@check("pubsub_ordering.11", "pubsub_ordering.3", "pubsub_ordering.1")
@gauntlet(lambda limits: [{"kills": [90, 41]}])
async def keys_survive_the_writer(pubsub: Durable, case: Case, kills: list[int]) -> None:
    """After SIGKILL of who published and held messages each key comes in its order, one at a time (PS-29, PS-31)."""
    await _killed(case, kills, "writer")


@check("pubsub_ordering.11", "pubsub_ordering.3", "pubsub_ordering.1", needs_server=True)
@gauntlet(lambda limits: [{"kills": [90]}])
async def keys_survive_the_server(pubsub: Durable, case: Case, kills: list[int]) -> None:
    """The same after SIGKILL of the server and its restart (PS-29, PS-31)."""
    await _killed(case, kills, "server")


@check("pubsub_ordering.12", needs_server=True)
async def publishers_outlive_their_server(pubsub: PubSubOrdering, case: Case) -> None:
    """While the server is away `publish_ordered` says so; once it is back the same driver works (PS-25)."""
    async with case.private_server() as private:
        one = await private.client()
        await ordered(one, "k", [b"before"])
        outage = Outage("pubsub_ordering.12", often=())
        calls = {"publish_ordered": lambda: one.publish_ordered("u", "k", b"x")}
        await private.kill()
        await outage.none_answered(calls)
        await private.restart()
        await outage.all_answered(calls)
        async with one.subscribe_durable("t", "s") as member:
            (sent,) = await ordered(one, "k", [b"after"])
            got = await received(case, member)
            if [delivery.message.id for delivery in got] != [sent.id]:
                broken("pubsub_ordering.12", "after an outage a key does not go on", expected=sent, got=got)
