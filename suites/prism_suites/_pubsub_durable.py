"""What a process does to durable subscriptions until it is killed, as plain data, and what each acknowledged step means."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from prism_testkit.killing import Step, Survivors
from prism_testkit.returned import Returned
from prism_testkit.strategies import gauntlet_payloads, name_groups, patterned
from prism_testkit.traits import Limits

__all__ = ["AHEAD", "HEADERS", "Remembered", "State", "Story", "story"]

AHEAD = 400
"""Steps behind the planned kill: more than a writer gets ahead before it is stopped."""
HEADERS = {"a": "b", "é\x00": "\r\n"}
_LARGE = 60_000
_LIVES = (
    "acked",
    "held",
    "left",
    "acked and held",
    "never received",
    "nacked",
    "acked and left",
    "reopened",
    "second acked",
    "second acked and left",
    "acked with holes",
)


@dataclass(slots=True)
class Remembered:
    """What a durable subscription must remember: payloads by what became of them."""

    ready: list[bytes] = field(default_factory=list)
    held: list[bytes] = field(default_factory=list)
    acked: list[bytes] = field(default_factory=list)
    doubtful: list[bytes] = field(default_factory=list)
    """The call in flight was about it."""


@dataclass(slots=True)
class State:
    """What is left after a kill: the messages of each topic, in order, and its subscriptions."""

    logs: dict[str, list[bytes]] = field(default_factory=dict)
    perhaps: dict[str, bytes] = field(default_factory=dict)
    """By topic: the message whose publish was in flight."""
    subscriptions: dict[tuple[str, str], Remembered] = field(default_factory=dict)


@dataclass
class Story:
    """Steps, and what each means: (what, topic, name, payload)."""

    steps: list[Step] = field(default_factory=list)
    meanings: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    def tell(self, step: Step, what: str, topic: str, name: str = "", payload: bytes = b"") -> int:
        """Add a step; return its number."""
        self.steps.append(step)
        self.meanings.append((what, topic, name, payload))
        return len(self.steps) - 1

    def publish(self, topic: str, payload: bytes) -> None:
        self.tell(("publish_persistent", (topic, payload, HEADERS)), "publish", topic, payload=payload)

    def join(self, topic: str, name: str, start: str) -> int:
        return self.tell(("subscribe_durable", (topic, name, start)), f"join {start}", topic, name)

    def receive(self, member: int, topic: str, name: str, payload: bytes) -> int:
        step = ("subscribe_durable.receive", (Returned(member), 1, 30.0))
        return self.tell(step, "receive", topic, name, payload)

    def settle(self, what: str, member: int, delivery: int, topic: str, name: str, payload: bytes) -> None:
        self.tell((f"subscribe_durable.{what}", (Returned(member), Returned(delivery))), what, topic, name, payload)

    def leave(self, member: int, topic: str, name: str) -> None:
        self.tell(("subscribe_durable.exit", (Returned(member),)), "leave", topic, name)

    def left(self, survivors: Survivors) -> State:
        """Return what the acknowledged steps left; the one in flight may have happened or not."""
        state = State()
        for meaning in self.meanings[: survivors.acknowledged]:
            _happen(state, *meaning)
        if not survivors.finished:
            what, topic, name, payload = self.meanings[survivors.acknowledged]
            if what == "publish":
                state.perhaps[topic] = payload
            elif what in ("receive", "ack", "nack"):
                remembered = state.subscriptions[topic, name]
                for payloads in (remembered.ready, remembered.held):
                    if payload in payloads:
                        payloads.remove(payload)
                remembered.doubtful.append(payload)
            elif what == "leave":
                remembered = state.subscriptions[topic, name]
                remembered.doubtful, remembered.held = remembered.doubtful + remembered.held, []
        return state


def _happen(state: State, what: str, topic: str, name: str, payload: bytes) -> None:
    if what == "publish":
        state.logs.setdefault(topic, []).append(payload)
        for (of, _), each in state.subscriptions.items():
            if of == topic:
                each.ready.append(payload)
        return
    if what.startswith("join"):
        earlier = state.logs.get(topic, []) if what == "join earliest" else []
        state.subscriptions.setdefault((topic, name), Remembered(list(earlier)))
        return
    remembered = state.subscriptions[topic, name]
    if what == "receive":
        remembered.ready.remove(payload)
        remembered.held.append(payload)
    elif what == "leave":
        remembered.ready, remembered.held = remembered.held + remembered.ready, []
    else:
        remembered.held.remove(payload)
        (remembered.acked if what == "ack" else remembered.ready).append(payload)


def _payloads(limits: Limits, seed: int) -> Iterator[bytes]:
    """Yield payloads that are all different: short, odd, empty-looking, and now and then a large one."""
    odd = list(gauntlet_payloads(min(300, limits.max_payload)))
    number = 0
    while True:
        token = b"%d.%d;" % (seed, number)
        if number % 8 == 7:
            yield token + patterned(min(_LARGE, limits.max_payload) - len(token), seed=number)
        else:
            yield (token + odd[(number * 7 + seed) % len(odd)])[: limits.max_payload]
        number += 1


def story(limits: Limits, length: int, seed: int) -> Story:
    """Return lives of subscriptions of every kind by turns, between publishes to topics that others listen to."""
    random = Random(seed)
    told, payloads = Story(), _payloads(limits, seed)
    names = [
        f"line-{seed}-1",
        f"line-{seed}-2",
        *(f"{seed}{group[-1]}"[: limits.max_name // 4] for group in name_groups(limits.max_name)[::25]),
    ]
    names = list(dict.fromkeys(names))
    for number, topic in enumerate(names):
        told.publish(topic, next(payloads))
        told.leave(told.join(topic, "s", ("earliest", "new")[number % 2]), topic, "s")
    number = 0
    while len(told.steps) < length:
        for _ in range(random.randrange(1, 4)):
            told.publish(random.choice(names), next(payloads))
        _live(told, f"lone-{seed}-{number}", payloads, _LIVES[number % len(_LIVES)])
        number += 1
    return told


def _live(told: Story, topic: str, payloads: Iterator[bytes], life: str) -> None:
    """One topic with two messages and one subscription, which stays open unless its life says that it is left."""
    first, second = next(payloads), next(payloads)
    told.publish(topic, first)
    member = told.join(topic, "s", "earliest")
    told.publish(topic, second)
    if life == "acked":
        told.join(topic, "beside it", "earliest")
    if life == "never received":
        return
    if life == "acked with holes":
        _with_holes(told, topic, member, [first, second], payloads)
        return
    delivery = told.receive(member, topic, "s", first)
    if life.startswith("acked"):
        told.settle("ack", member, delivery, topic, "s", first)
    if life == "nacked":
        told.settle("nack", member, delivery, topic, "s", first)
        return
    if life in ("acked and held", "acked and left", "held") or life.startswith("second"):
        later = told.receive(member, topic, "s", second)
        if life.startswith("second"):
            told.settle("ack", member, later, topic, "s", second)
    if "left" in life or life == "reopened":
        told.leave(member, topic, "s")
    if life == "reopened":
        told.join(topic, "s", "new")


def _with_holes(told: Story, topic: str, member: int, ready: list[bytes], payloads: Iterator[bytes]) -> None:
    """Of a dozen messages all are acked but three, so that neither one position nor one range says what was."""
    for _ in range(10):
        ready.append(next(payloads))
        told.publish(topic, ready[-1])
    deliveries = [told.receive(member, topic, "s", payload) for payload in ready]
    for place, (delivery, payload) in enumerate(zip(deliveries, ready, strict=True)):
        if place not in (0, 4, 9):
            told.settle("ack", member, delivery, topic, "s", payload)
