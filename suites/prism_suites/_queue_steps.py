"""Runs the steps of a program against queues, and judges each against the model."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import broken, same
from prism_suites._keyvalue_model import Window
from prism_suites._queue_judge import Judge
from prism_suites._queue_model import DeadLetters, Delivery, Item, Model
from prism_suites._queue_taking import Put
from prism_suites._queue_times import Times
from prism_testkit.case import Case
from prism_testkit.interfaces import INTERFACES, Conflict, Lease, QueueBasic, QueueDeadLetter, QueueVisibility
from prism_testkit.outcomes import law
from prism_testkit.programs import Program, Step
from prism_testkit.tap import offers

__all__ = ["OPERATIONS", "Actor", "does", "operations", "run_program"]

OPERATIONS = {
    "queue_basic": ("enqueue", "dequeue", "peek", "advance"),
    "queue_visibility": ("receive", "ack", "release", "extend"),
    "queue_priority": ("enqueue_with_priority",),
    "queue_delayed": ("enqueue_delayed", "scheduled_count"),
    "queue_dead_letter": ("configure_dead_letter", "dead_letters", "redrive", "wear_out"),
}
_HOME = {op: interface for interface, ops in OPERATIONS.items() for op in ops if op not in ("enqueue", "advance")}

_QUEUES = (0, 0, 0, 0, 0, 1, 1, 2)
"""Few queues, so that calls meet."""
_VISIBLE_S = (30.0, 1, 60.0, 0.5, 3600, 43_200.0, 7.25, 10.0)
_DELAYS_S = (1.0, 0, 30, 0.25, -1.0, 3600.0, 5.0, 60.5, 1e6)
_REAL_S = (3600.0, 43_200.0, 1000.0)
_ADVANCES_S = (1.0, 0.25, 30.0, 3600.0)
_PRIORITIES = (0, 9, 5, 1, 8, 4, 3, 7, 2, 6)
_HEADERS: tuple[dict[str, str] | None, ...] = (None, {"a": "b"}, {"A": "", "a": "é\x00"}, {})
_CONFLICTS = {"ack": "queue_visibility.4", "extend": "queue_visibility.6", "release": "queue_visibility.7"}


def operations(*interfaces: str) -> tuple[str, ...]:
    """Return the operations of some interfaces, the plainest first."""
    ops = [op for interface in interfaces for op in OPERATIONS[interface]]
    return tuple(dict.fromkeys(["enqueue", *ops, "advance"]))


async def run_program(case: Case, first: Any, program: Program, *, whole: bool = False) -> None:
    """Run a program on two clients of one namespace and a sibling, then let every deadline pass and take what is left."""
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9)
    here, there = Model(slack), Model(slack)
    clients = [first, await case.client(whole=whole), await case.sibling(whole=whole)]
    judges = [Judge(here, there), Judge(here, there), Judge(there, here)]
    actors = [Actor(case, slot, judge, program) for slot, judge in zip(clients, judges, strict=True)]
    for step in program.steps:
        actor = actors[step.client]
        if does(actor.slot, step):
            await actor.do(step)
    for actor in actors[1:]:
        await actor.finish()


def does(slot: Any, step: Step) -> bool:
    """Say whether a slot offers what a step calls."""
    return step.op not in _HOME or offers(slot, INTERFACES[_HOME[step.op]])


class Actor:
    """One client of a program."""

    def __init__(self, case: Case, slot: Any, judge: Judge, program: Program) -> None:
        self.case, self.slot, self.judge, self.model, self.program = case, slot, judge, judge.model, program
        self.times = Times(case)

    def queue(self, step: Step) -> str:
        return self.program.name(_QUEUES[step.name])

    async def do(self, step: Step) -> None:
        """Make the call of a step, unless it is open what it would have to say."""
        queue = self.queue(step)
        if step.op in ("ack", "release", "extend"):
            await self.use(step)
        elif step.op == "advance":
            await self.advance(step)
        elif step.op == "scheduled_count":
            await self.count(queue)
        elif step.op[:7] == "enqueue":
            await self.enqueue(step, queue)
        elif await self.settled(step.op, queue):
            await getattr(self, step.op)(queue, step)

    async def settled(self, op: str, queue: str) -> bool:
        """Look where messages may be dying, so that nothing is open that the next call depends on; say whether that helped."""
        sources = [name for name, dead in self.model.configured.items() if dead.target == queue]
        if op not in ("receive", "peek", "dead_letters"):
            sources.append(queue)
        for name in sources:
            now = Window(self.times.now_ns(), self.times.now_ns())
            if self.model.limbo(name, now):
                await self.dead_letters(name, None)
            if self.model.limbo(name, Window(now.start, self.times.now_ns())):
                return False
        return True

    # -- enqueue ---------------------------------------------------------------------------------------------------------------

    async def enqueue(self, step: Step, queue: str) -> None:
        payload, headers = self.program.value(step.value), _HEADERS[step.extra % 4]
        priority, delay_s = 0, 0.0
        call: Callable[[], Awaitable[str]] = lambda: self.slot.enqueue(queue, payload, headers)  # noqa: E731
        if step.op == "enqueue_with_priority":
            priority = _PRIORITIES[step.extra % 10]
            call = lambda: self.slot.enqueue_with_priority(queue, payload, headers, priority=priority)  # noqa: E731
        elif step.op == "enqueue_delayed":
            ladder = _DELAYS_S if self.times.virtual else (*_REAL_S, 0.0, -1.0)
            delay_s = ladder[step.extra % len(ladder)]
            call = lambda: self.slot.enqueue_delayed(queue, payload, headers, delay_s=delay_s)  # noqa: E731
        identity, now = await self.times.during(call())
        put = Put(identity, payload, headers or {})
        self.judge.enqueued(queue, put)
        self.model.add(queue, put, priority, now.after(delay_s) if delay_s > 0 else None)

    async def count(self, queue: str) -> None:
        got, now = await self.times.during(self.slot.scheduled_count(queue))
        states = [self.model.delayed(item, now) for item in self.model.of(queue)]
        least, most = states.count("yes"), states.count("yes") + states.count("either")
        if not isinstance(got, int) or not least <= got <= most:
            broken(
                "queue_delayed.2", "scheduled_count is not the number of messages whose delay is not over", expected=least, got=got
            )

    # -- looks and takes -------------------------------------------------------------------------------------------------------

    def arrive(self, queue: str, message: Any, now: Window) -> None:
        """If a message is given that may have died during the call, it did."""
        for name, dead in list(self.model.configured.items()):
            for item in self.model.limbo(name, now) if dead.target == queue else ():
                if message is not None and item.put.id == getattr(message, "id", None):
                    self.model.fail(item, "deadline")
                    self.model.kill(item)

    async def peek(self, queue: str, step: Step) -> None:
        got, now = await self.times.during(self.slot.peek(queue))
        self.arrive(queue, got, now)
        self.model.bury(queue, now)
        if got is None:
            if not self.model.open_leases(queue, now):
                self.judge.nothing(queue, now, "peek")
            return
        item = self.judge.shown(queue, got, now)
        quiet = all(self.model.free(other, now) == "yes" for other in self.model.of(queue))
        if step.extra % 2 and quiet and not self.model.limbo(queue, now):
            taken, now = await self.times.during(self.slot.dequeue(queue))
            given = self.judge.known(queue, taken, "dequeue") if taken is not None else None
            same("queue_basic.5", given and given.put, item.put, "a dequeue does not give what peek showed")
            self.model.remove(item, "dequeued")

    def patience(self, queue: str, step: Step | None) -> float:
        """Return how long a take may wait: where there is something it does not, and every second one says that it would."""
        if step is None or not step.value % 2:
            return 0.0
        now = Window(self.times.now_ns(), self.times.now_ns())
        dying = [id(item) for item in self.model.limbo(queue, now)]
        there = any(self.model.free(item, now) == "yes" and id(item) not in dying for item in self.model.of(queue))
        return (7200.0 if self.times.virtual else 10.0) if there else 0.0

    def did_not_wait(self, kind: str, now: Window) -> None:
        if self.times.virtual and now.end - now.start > 3600e9:
            promise = "queue_visibility.9" if kind == "receive" else "queue_basic.4"
            passed = f"after {(now.end - now.start) / 1e9:g} s"
            broken(promise, f"{kind} waits, though a message is available", expected="a message, at once", got=passed)

    async def dequeue(self, queue: str, step: Step | None) -> bool:
        got, now = await self.times.during(self.slot.dequeue(queue, self.patience(queue, step)))
        self.did_not_wait("dequeue", now)
        self.arrive(queue, got, now)
        self.model.expire(queue, now)
        if got is None:
            self.judge.nothing(queue, now, "dequeue")
            return False
        item = self.judge.known(queue, got, "dequeue")
        self.judge.taken(item, now, "dequeue")
        self.model.remove(item, "dequeued")
        return True

    async def receive(self, queue: str, step: Step | None) -> Delivery | None:
        ladder = _VISIBLE_S if self.times.virtual else _REAL_S
        seconds = ladder[step.extra % len(ladder)] if step is not None else 43_200.0
        got, now = await self.times.during(self.slot.receive(queue, seconds, self.patience(queue, step)))
        self.did_not_wait("receive", now)
        self.arrive(queue, getattr(got, "message", None), now)
        self.model.bury(queue, now)
        if got is None:
            self.judge.nothing(queue, now, "receive")
            return None
        if not isinstance(got, Lease):
            broken("queue_visibility.1", "receive gives no lease", expected="a Lease", got=got)
        item = self.judge.known(queue, got.message, "receive")
        self.judge.taken(item, now, "receive")
        if got.attempt != item.attempts + 1:
            promise = "queue_dead_letter.2" if item.maybe else "queue_visibility.3" if item.attempts else "queue_visibility.1"
            broken(promise, "a lease does not count its deliveries", expected=item.attempts + 1, got=got.attempt)
        if item.delivery is not None:
            self.model.fail(item, "deadline")
        item.attempts, item.delivery = item.attempts + 1, Delivery(got, item, now.after(seconds))
        self.model.deliveries.append(item.delivery)
        return item.delivery

    async def use(self, step: Step) -> None:
        """Ack, release or extend one of the last leases, valid or not."""
        if self.model.deliveries:
            recent = self.model.deliveries[-6:]
            await self.call(step.op, recent[-1 - step.extra % len(recent)], step.value)

    async def call(self, op: str, delivery: Delivery, number: int) -> None:
        ladder = _VISIBLE_S if self.times.virtual else _REAL_S
        seconds = ladder[(number + 3) % len(ladder)]
        start = self.times.now_ns()
        item = delivery.item
        try:
            await (self.slot.extend(delivery.lease, seconds) if op == "extend" else getattr(self.slot, op)(delivery.lease))
        except Conflict:
            now = Window(start, self.times.now_ns())
            if not delivery.ended and self.model.held(item, now) == "yes":
                last = op == "ack" and item.queue in self.model.configured
                promise = "queue_dead_letter.7" if last and self._last(item) else _CONFLICTS[op]
                broken(promise, f"{op} of a valid lease raises Conflict", expected=f"{op} succeeds", got="Conflict")
            # For its holder it has ended; within the slack the message may come to others now, or later.
            delivery.ended = delivery.ended or "deadline"
            return
        now = Window(start, self.times.now_ns())
        if delivery.ended or self.model.held(item, now) == "no":
            why = delivery.ended or "deadline"
            broken("queue_visibility.5", f"{op} of a lease that has ended ({why}) succeeds", expected="Conflict", got=None)
        if op == "ack":
            self.model.remove(item, "acked")
        elif op == "extend":
            delivery.deadline = now.after(seconds)
        else:
            item.sure = self.model.looks
            self.model.fail(item, "released")

    def _last(self, item: Item) -> bool:
        return item.attempts >= self.model.configured[item.queue].most

    # -- dead letters ----------------------------------------------------------------------------------------------------------

    async def configure_dead_letter(self, queue: str, step: Step) -> None:
        target = next((name for name in self.program.names[1:] + self.program.names[:1] if name != queue), queue)
        target = self.model.configured[queue].target if queue in self.model.configured else target
        most = (1, 2, 3, 2, 1, 5)[step.extra % 6]
        await self.slot.configure_dead_letter(queue, target, most)
        for item in self.model.of(queue):
            item.sure = 0  # by how many attempts it dies has changed, and so may have when
        self.model.configured[queue] = DeadLetters(target, most)

    async def dead_letters(self, queue: str, step: Step | None) -> list[Item]:
        got, now = await self.times.during(self.slot.dead_letters(queue))
        self.model.bury(queue, now)
        return self.judge.listed(queue, got, now)

    async def wear_out(self, queue: str, step: Step) -> None:
        """Let deliveries fail, as often as it takes for one message to die: alone, calls hardly ever come so far."""
        configured = self.model.configured.get(queue)
        for _ in range(configured.most if configured is not None else 1 + step.extra % 3):
            ready = offers(self.slot, QueueVisibility) and await self.settled("wear_out", queue)
            delivery = await self.receive(queue, None) if ready else None
            if delivery is None:
                return
            await self.call("release", delivery, 0)

    async def redrive(self, queue: str, step: Step) -> None:
        listed = await self.dead_letters(queue, step)
        configured = self.model.configured.get(queue)
        now = Window(self.times.now_ns(), self.times.now_ns())
        target = self.model.of(configured.target) if configured is not None else []
        if any(queue in item.maybe and item.died_in != queue for item in target):
            return
        if configured is not None and self.model.limbo(configured.target, now):
            return
        if any(self.model.held(item, now) != "no" for item in target if item.died_in == queue) and not self.times.virtual:
            return
        moving = [item for item in listed if self.model.held(item, now) == "no"]
        got, then = await self.times.during(self.slot.redrive(queue))
        wide = Window(now.start, then.end)
        if self.model.limbo(queue, wide) or any(self.model.held(item, wide) == "either" for item in target):
            self.case.inconclusive("a lease may have ended during a redrive")
        same("queue_dead_letter.5", got, len(moving), "redrive does not return the number of messages that it moved")
        for item in moving:
            self.model.revive(item, queue)

    # -- time ------------------------------------------------------------------------------------------------------------------

    async def advance(self, step: Step) -> None:
        if not self.times.virtual:
            return
        ahead = [window for window in self.model.instants() if window.start > self.times.now_ns()]
        kind = step.extra % 8
        if kind < len(_ADVANCES_S) or not ahead:
            await self.case.advance(_ADVANCES_S[kind % len(_ADVANCES_S)])
            return
        nearest = ahead[step.value % 2 if len(ahead) > 1 else 0]
        past = nearest.end + self.model.slack_ns
        target = (nearest.start - self.times.margin_ns, past, past, past + 250_000_000)[kind - len(_ADVANCES_S)]
        await self.case.advance(max(0, target - self.times.now_ns()) / 1e9)

    async def finish(self) -> None:
        """Let every deadline pass, then take everything: nothing is lost, nothing comes that is gone."""
        if self.times.virtual:
            for window in self.model.instants()[-1:]:
                await self.case.advance(max(0.0, (window.end + self.model.slack_ns - self.times.now_ns()) / 1e9) + 50_000.0)
        names = dict.fromkeys(self.program.name(number) for number in _QUEUES)
        targets = dict.fromkeys(dead.target for dead in self.model.configured.values())
        for name in [*names, *targets] if offers(self.slot, QueueDeadLetter) else ():
            await self.dead_letters(name, None)
        for name in dict.fromkeys([*names, *targets]):
            with law("queue_visibility.11" if offers(self.slot, QueueVisibility) else "queue_basic.2"):
                while await self.take(name):
                    pass

    async def take(self, queue: str) -> bool:
        if offers(self.slot, QueueVisibility):
            delivery = await self.receive(queue, None)
            if delivery is not None:
                await self.call("ack", delivery, 0)
            return delivery is not None
        return offers(self.slot, QueueBasic) and await self.dequeue(queue, None)
