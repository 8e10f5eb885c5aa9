"""Runs the steps of a program against topics and subscriptions, and judges each against the model."""

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, refused, same
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._pubsub_judge import Judge
from prism_suites._pubsub_members import HELD_S, received
from prism_suites._pubsub_model import Given, Joined, Listener, Published, Space
from prism_suites._pubsub_taking import Sent, patience
from prism_testkit.case import Case
from prism_testkit.interfaces import Closed, Conflict, Delivery
from prism_testkit.programs import Program, Step

__all__ = ["OPERATIONS", "Actor", "run_program"]

OPERATIONS = {
    "pubsub_basic": ("publish", "subscribe", "hear", "unsubscribe"),
    "pubsub_persistent": ("publish_persistent", "join", "take", "ack", "nack", "quit", "last"),
}

_TOPICS = (0, 0, 0, 1, 1, 0, 2, 3)
_MOST_OPEN = 4
_MOST = (1, 2, 3, 10)
_HEADERS: tuple[dict[str, str] | None, ...] = (None, {"a": "b"}, {"A": "", "a": "é\x00"}, {})
_DELAYS_S = (0.0, 0.25, 5.0, 0.0, -1.0, 60.5, 0.5, 3600.0)
_REAL_S = (0.0, 3600.0)
_ADVANCES_S = (0.25, 0.1, 1.0, 30.0, 3600.0)


async def run_program(case: Case, first: Any, program: Program, *, whole: bool = False) -> None:
    """Run a program on two clients of one namespace and a sibling; at the end everything is given that is left."""
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9)
    here, there = Space(), Space()
    slots = [first, await case.client(whole=whole), await case.sibling(whole=whole)]
    spaces = ((here, there), (here, there), (there, here))
    actors = [
        Actor(case, slot, number, Judge(case, *pair, slack), program)
        for number, (slot, pair) in enumerate(zip(slots, spaces, strict=True))
    ]
    try:
        for step in program.steps:
            await actors[step.client].do(step)
        for actor in actors:
            await actor.listen_to_the_end()
        for actor in actors:
            await actor.quit_all()
        for actor in actors[1:]:
            await actor.receive_to_the_end()
    except BaseException:
        with contextlib.suppress(Exception):  # what went wrong first is the story
            for actor in actors:
                await actor.leave_all()
        raise
    for actor in actors:
        await actor.leave_all()


class Actor:
    """One client, with the subscriptions it has entered."""

    def __init__(self, case: Case, slot: Any, number: int, judge: Judge, program: Program) -> None:
        self.case = case
        self.slot = slot
        self.by = number
        """Of whose messages it publishes one more: a new publisher has a number of its own."""
        self.judge = judge
        self.space = judge.space
        self.program = program
        self.times = Times(case)
        self.listeners: list[Listener] = []
        self.members: list[Joined] = []

    async def do(self, step: Step) -> None:
        """Make one step; one that has nothing to work on does nothing."""
        operation: Callable[[Step], Awaitable[None]] = getattr(self, step.op)
        await operation(step)

    def topic(self, step: Step) -> str:
        """Return the topic of a step."""
        return self.program.name(_TOPICS[step.name])

    # -- plain -----------------------------------------------------------------------------------------------------------------

    async def publish(self, step: Step) -> None:
        self.space.publish(await self._published(step, self.slot.publish))

    async def _published(self, step: Step, call: Any) -> Published:
        topic, payload, headers = self.topic(step), self.program.value(step.value), _HEADERS[step.extra % 4]
        identity = await call(topic, payload, headers)
        return Published(Sent(identity, topic, payload, headers or {}), self.by)

    async def subscribe(self, step: Step) -> None:
        if len(self.listeners) < _MOST_OPEN:
            manager = self.slot.subscribe(self.topic(step))
            listener = Listener(manager, await manager.__aenter__(), self.topic(step))
            self.listeners.append(listener)
            self.space.listeners.append(listener)

    async def hear(self, step: Step) -> None:
        if self.listeners:
            await self._hear(self.listeners[step.extra % len(self.listeners)], step.value % 4 == 3)

    async def _hear(self, listener: Listener, by_iteration: bool = False) -> None:
        if by_iteration and listener.due:
            got = await anext(listener.inner)
        else:
            got = await listener.inner.receive(patience(self.case) if listener.due else 0)
        self.judge.heard(listener, got)
        same("pubsub_basic.12", listener.inner.gaps, 0, "gaps is not 0, though nothing was lost")

    async def unsubscribe(self, step: Step) -> None:
        if self.listeners:
            await self._unsubscribe(self.listeners.pop(step.extra % len(self.listeners)))

    async def _unsubscribe(self, listener: Listener) -> None:
        self.space.listeners.remove(listener)
        await listener.manager.__aexit__(None, None, None)
        await refused("pubsub_basic.10", listener.inner.receive(), Closed, "receive of a subscription that was left goes on")

    # -- durable ---------------------------------------------------------------------------------------------------------------

    async def publish_persistent(self, step: Step) -> None:
        published = await self._published(step, self.slot.publish_persistent)
        if any(published.sent.id == other.sent.id for other in self.space.logs.get(published.sent.topic, [])):
            broken("pubsub_persistent.2", "two messages of one topic have the same id", expected="another", got=published.sent.id)
        self.space.store(published)

    async def join(self, step: Step) -> None:
        if len(self.members) < _MOST_OPEN:
            await self.enter(self.topic(step), self.program.name(step.extra % 3), "earliest" if step.value % 2 else "new")

    async def enter(self, topic: str, name: str, start: str) -> Joined:
        """Become one more member of a durable subscription."""
        manager = self.slot.subscribe_durable(topic, name, start)
        inner = await manager.__aenter__()
        durable = self.space.durable(topic, name, start)
        for other in durable.members:
            other.alone = False
        member = Joined(manager, inner, durable, alone=not durable.members)
        durable.members.append(member)
        self.members.append(member)
        return member

    async def take(self, step: Step) -> None:
        if self.members:
            await self._take(self.members[step.extra % len(self.members)], _MOST[step.value % 4])

    async def _take(self, member: Joined, most: int) -> list[Delivery]:
        start = self.times.now_ns()
        there = member.durable.there(Window(start, start), self.judge.slack_ns)
        got = await received(self.case, member.inner, most, patience(self.case) if there else 0)
        self.judge.given(member, got, there, Window(start, self.times.now_ns()))
        return got

    async def ack(self, step: Step) -> None:
        await self._settle(step, None)

    async def nack(self, step: Step) -> None:
        ladder = _DELAYS_S if self.times.virtual else _REAL_S
        await self._settle(step, ladder[step.value % len(ladder)])

    async def _settle(self, step: Step, delay_s: float | None) -> None:
        """Ack or nack one of the last deliveries, by its member or by another one."""
        recent = self.space.given[-6:]
        if not recent:
            return
        given = recent[-1 - step.extra % len(recent)]
        member = given.member
        if step.extra >= 48 and self.members:
            member = self.members[step.extra % len(self.members)]
        start = self.times.now_ns()
        call = member.inner.ack(given.delivery) if delay_s is None else member.inner.nack(given.delivery, delay_s=delay_s)
        what = "ack" if delay_s is None else "nack"
        if not member.open:
            await refused("pubsub_persistent.15", call, Closed, f"{what} by a member that was left is not refused")
            return
        item = given.item
        holds = item.last is given and member is given.member and item.state == "held"
        certain = holds and start - item.since < HELD_S * 1e9
        try:
            await call
        except Conflict:
            if certain and self.times.now_ns() - item.since < HELD_S * 1e9:
                broken(
                    "pubsub_persistent.15", f"{what} of what is held raises Conflict", expected=f"{what} succeeds", got="Conflict"
                )
            if holds:
                item.state = "ready"
            return
        if holds:
            self._settled(given, delay_s, Window(start, self.times.now_ns()))

    def _settled(self, given: Given, delay_s: float | None, now: Window) -> None:
        item = given.item
        if now.end - item.since >= HELD_S * 1e9:  # a deadline may have been over, and then nothing changed
            item.state = "unsure" if delay_s is None or delay_s > 0 else "ready"
        elif delay_s is None:
            item.state = "acked"
        elif delay_s > 0:
            item.state, item.due, item.loose = "delayed", now.after(delay_s), False
        else:
            item.state = "ready"

    async def quit(self, step: Step) -> None:
        if self.members:
            await self._quit(self.members.pop(step.extra % len(self.members)))

    async def _quit(self, member: Joined) -> None:
        await member.manager.__aexit__(None, None, None)
        member.durable.leave(member)

    async def last(self, step: Step) -> None:
        topic = self.topic(step)
        log = self.space.logs.get(topic)
        got = await self.slot.last_message_id(topic)
        same("pubsub_persistent.10", got, log[-1].sent.id if log else None, "last_message_id is not that of the last publish")

    # -- time, and the end -----------------------------------------------------------------------------------------------------

    async def advance(self, step: Step) -> None:
        if not self.times.virtual:
            return
        ahead = [window for window in self.space.instants() if window.start > self.times.now_ns()]
        kind = step.extra % 8
        if kind < len(_ADVANCES_S) or not ahead:
            await self.case.advance(_ADVANCES_S[kind % len(_ADVANCES_S)])
            return
        past = ahead[0].end + self.judge.slack_ns
        target = (ahead[0].start - self.times.margin_ns, past, past + 250_000_000)[kind - len(_ADVANCES_S)]
        await self.case.advance(max(0, target - self.times.now_ns()) / 1e9)

    async def listen_to_the_end(self) -> None:
        """Receive what is due on every plain subscription, and then nothing."""
        for listener in self.listeners:
            while listener.due:
                await self._hear(listener)
            await self._hear(listener)

    async def quit_all(self) -> None:
        while self.members:
            await self._quit(self.members.pop())

    async def receive_to_the_end(self) -> None:
        """Open each durable subscription again, and receive and ack what is left, and then nothing."""
        for window in self.space.instants()[-1:] if self.times.virtual else ():
            await self.case.advance(max(0.0, (window.end + self.judge.slack_ns - self.times.now_ns()) / 1e9))
        for durable in list(self.space.durables.values()):
            member = await self.enter(durable.topic, durable.name, "new")
            while got := await self._take(member, 5):
                start = min(item.since for item in durable.items.values() if item.state == "held")
                await member.inner.ack(*got)
                for item in durable.items.values():
                    if item.state == "held":
                        item.state = "acked" if self.times.now_ns() - start < HELD_S * 1e9 else "unsure"
            await self._quit(self.members.pop())

    async def leave_all(self) -> None:
        """Leave what is still entered, whatever happened."""
        for listener in self.listeners:
            await listener.manager.__aexit__(None, None, None)
        await self.quit_all()
