"""Runs a program against queues whose clients are killed in between, and names what did not survive."""

from dataclasses import replace
from functools import partial
from typing import Any

from prism_suites._keyvalue_model import Window
from prism_suites._mortal import KILL, Clients, run_with_kills
from prism_suites._queue_judge import Judge
from prism_suites._queue_model import Model
from prism_suites._queue_steps import Actor, does
from prism_testkit.case import Case
from prism_testkit.interfaces import QueueBasic, QueueVisibility
from prism_testkit.programs import Program, Step
from prism_testkit.strategies import patterned
from prism_testkit.tap import offers

__all__ = ["LIVES", "life", "lived", "run_mortal"]

_AT_ONCE = 32
"""Half of the calls that change something, those whose ``extra`` is at least this, are followed by a kill at once."""
_LOOKS = ("peek", "dead_letters", "scheduled_count", "advance")

_LONGEST_NS = 50_000 * 10**9
"""No lease is longer."""
_INSPECT = "inspect"
"""The step that looks at every queue right before and right after all that time will end."""

LIVES = (
    "enqueue",
    "enqueue enqueue_with_priority:1",
    "enqueue_delayed",
    "enqueue enqueue enqueue enqueue dequeue dequeue",
    "enqueue_delayed advance:2 dequeue",
    "enqueue receive",
    "enqueue receive ack",
    "enqueue receive release",
    "enqueue receive release dequeue",
    "enqueue receive release receive",
    "enqueue receive release receive ack",
    "enqueue receive release receive release",
    "enqueue receive extend",
    "enqueue receive extend ack",
    "enqueue receive extend release",
    "configure_dead_letter",
    "enqueue receive configure_dead_letter",
    "configure_dead_letter enqueue wear_out",
    "configure_dead_letter enqueue wear_out dead_letters",
    "configure_dead_letter enqueue wear_out dead_letters dequeue@target",
    "configure_dead_letter enqueue wear_out dead_letters receive@target",
    "configure_dead_letter enqueue wear_out dead_letters receive@target release@target",
    "configure_dead_letter enqueue wear_out dead_letters receive@target ack@target",
    "configure_dead_letter enqueue wear_out redrive",
    "configure_dead_letter enqueue wear_out redrive receive",
    "configure_dead_letter:5 enqueue receive release configure_dead_letter:1",
    "configure_dead_letter:1 enqueue receive configure_dead_letter:5",
    "enqueue_delayed advance:2 receive",
    "enqueue_delayed advance:2 receive release",
    "enqueue enqueue_with_priority:1 receive",
    "enqueue enqueue_with_priority:1 receive release",
    "configure_dead_letter:1 enqueue receive release dequeue",
    "configure_dead_letter enqueue wear_out enqueue_with_priority:1 wear_out",
    "configure_dead_letter enqueue_delayed advance:2 wear_out",
    "configure_dead_letter:1 enqueue wear_out redrive receive",
    "configure_dead_letter:1 enqueue wear_out redrive receive release",
)
"""Calls behind whose last one a process is killed: of every kind, in every state in which they do something else."""

_SURVIVES = {
    "queue_basic": "queue_basic.12",
    "queue_visibility": "queue_visibility.13",
    "queue_dead_letter": "queue_dead_letter.8",
    "queue_priority": "queue_priority.4",
    "queue_delayed": "queue_delayed.6",
}
"""The promise of each interface that a kill breaks."""


async def run_mortal(case: Case, program: Program) -> None:
    """Run a program with its kills, and say of a wrong answer whether they are to blame."""
    await run_with_kills(case, partial(_run, program=program), lambda promise: _SURVIVES[promise.rpartition(".")[0]])


def lived(calls: str) -> Program:
    """Return the same without a kill."""
    program = life(calls, False)
    return replace(program, steps=tuple(step for step in program.steps if step.op not in (KILL, _INSPECT)))


def life(calls: str, other: bool, size: int = 0) -> Program:
    """Return a program of these calls (``call:extra@target``), a kill, and what shows whether the last one survived.

    ``other``: extends make leases shorter, and a delay is over before the place is opened again. ``size``: of the payloads.
    """
    steps = []
    for call in calls.split():
        op, _, where = call.partition("@")
        op, _, extra = op.partition(":")
        steps.append(Step(op, name=5 if where else 0, value=2 if other else 1, extra=int(extra or 2 * (op == "receive"))))
    after = [Step("enqueue", value=3), Step("wear_out"), Step("dead_letters"), Step("redrive"), Step("scheduled_count")]
    kill = Step(KILL, value=int(other), extra=5)
    payloads = tuple(patterned(size, seed=number) if size else b"%d" % number for number in range(4))
    return Program(("a", "b"), payloads, (*steps, kill, Step(_INSPECT), *after))


class Survivor(Actor):
    """A client of a program that is killed: it uses the leases that are open, and looks at their ends."""

    async def use(self, step: Step) -> None:
        """Ack, release or extend one of the open leases, now and then behind an extend, or any of the last ones."""
        now = Window(self.times.now_ns(), self.times.now_ns())
        open_ones = [each for each in self.model.deliveries if not each.ended and self.model.held(each.item, now) == "yes"]
        recent = (open_ones if step.value % 4 else self.model.deliveries)[-6:]
        if open_ones and step.value % 4 == 3:
            await self.call("extend", recent[-1 - step.extra % len(recent)], step.name)
        if recent:
            await self.call(step.op, recent[-1 - step.extra % len(recent)], step.value)

    async def inspect(self) -> None:
        """Take from every queue, and give back, before and behind each end of a lease or a delay, known or long forgotten."""
        last = self.times.now_ns() + _LONGEST_NS
        for window in [Window(0, 0), *self.model.instants(), Window(last, last)]:
            for instant in (window.start - self.times.margin_ns, window.end + self.model.slack_ns):
                await self.times.move((instant - self.times.now_ns()) / 1e9)
                for queue in self.program.names:
                    await self.look(queue)

    async def look(self, queue: str) -> None:
        if offers(self.slot, QueueVisibility):
            delivery = await self.receive(queue, None) if await self.settled("look", queue) else None
            if delivery is not None:
                await self.call("release", delivery, 0)
        elif offers(self.slot, QueueBasic):
            await self.peek(queue, Step("peek"))

    async def probe(self, step: Step) -> None:
        """Take from a queue right before and right after the next end of a lease or a delay in the namespace, and give it back."""
        ahead = [window for window in self.model.instants() if window.start > self.times.now_ns()]
        ends = [ahead[0].start - self.times.margin_ns, ahead[0].end + self.model.slack_ns] if ahead and step.value % 2 else []
        queue = self.queue(step)
        for instant in (0, *ends):
            await self.times.move((instant - self.times.now_ns()) / 1e9)
            if not await self.settled("probe", queue):
                return
            delivery = await self.receive(queue, step) if offers(self.slot, QueueVisibility) else None
            if delivery is not None and step.value % 4 < 2:
                await self.call("release", delivery, 0)


async def _run(case: Any, clients: Clients, program: Program) -> None:
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9)
    here, there = Model(slack), Model(slack)
    judges = [Judge(here, there), Judge(here, there), Judge(there, here)]
    await clients.open()
    actors = [Survivor(case, slot, judge, program) for slot, judge in zip(clients.slots, judges, strict=True)]

    async def kill(step: Step, *, waits: bool) -> None:
        await clients.kill((lambda: actors[0].advance(step)) if waits else None)
        for actor, slot in zip(actors, clients.slots, strict=True):
            actor.slot = slot

    for step in program.steps:
        if step.op == _INSPECT:
            await actors[step.client].inspect()
        elif step.op == KILL:
            await kill(step, waits=step.value % 2 == 1)
        elif does(actors[step.client].slot, step):
            await actors[step.client].do(step)
            if step.extra >= _AT_ONCE and step.op not in _LOOKS:
                await kill(step, waits=False)
                await actors[step.client].probe(step)
    for _ in range(2):  # what was left, and what is left of that
        await kill(Step(KILL), waits=False)
        for actor in actors[1:]:
            await actor.finish()
