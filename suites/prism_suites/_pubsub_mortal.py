"""Runs a program against durable subscriptions whose clients are killed in between, and names what did not survive."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from prism_suites._mortal import KILL, Clients, frees, noticed_s, run_with_kills
from prism_suites._pubsub_judge import Judge
from prism_suites._pubsub_lines import Lines
from prism_suites._pubsub_lines import Step as Scripted
from prism_suites._pubsub_model import Space
from prism_suites._pubsub_steps import Actor
from prism_testkit.case import Case
from prism_testkit.programs import Program, Step

__all__ = ["run_mortal", "run_mortal_lines"]

_TOPICS = (0, 0, 0, 0, 0, 0, 1, 2)
_LOOKS = ("last", "advance")
_SURVIVES = {"pubsub_persistent.4": "pubsub_persistent.4", "pubsub_persistent.5": "pubsub_persistent.5"}
"""What the dead held, and what they acked, have promises of their own."""


async def run_mortal(case: Case, program: Program) -> None:
    """Run a program with its kills, and say of a wrong answer whether they are to blame."""
    run = partial(_run, program=program, left=await _left(case))
    await run_with_kills(case, run, lambda promise: _SURVIVES.get(promise, "pubsub_persistent.16"))


async def run_mortal_lines(case: Case, script: Sequence[Scripted], keys: Sequence[str | None]) -> None:
    """The same of messages with and without ordering keys."""
    run = partial(_run_lines, script=script, keys=keys, left=await _left(case))
    await run_with_kills(case, run, lambda promise: _SURVIVES.get(promise, "pubsub_ordering.11"))


async def _left(case: Case) -> dict[str, bool]:
    """Return what is known of what the dead leave: that they died, what they acked, and how often they were given something."""
    traits = case.traits
    return {
        "noticed": traits.member_timeout_s is not None and await frees(case, _takes),
        "acks": traits.ack_survives_kill == "yes",
        "counts": traits.attempts_survive_kill == "yes",
    }


async def _takes(slot: Any, first: bool) -> bool:
    if first:
        await slot.publish_persistent("t", b"held")
    manager = slot.subscribe_durable("t", "s", "earliest")
    member = await manager.__aenter__()
    return bool(await member.receive(1, 0))


class Survivor(Actor):
    """A client of a program that is killed: of few topics, and always a member, for what is nobody's tells little of the dead."""

    def topic(self, step: Step) -> str:
        return self.program.name(_TOPICS[step.name])

    async def take(self, step: Step) -> None:
        if not self.members:
            await self.join(step)
        await super().take(step)


async def _run(case: Any, clients: Clients, program: Program, left: dict[str, bool]) -> None:
    slack = round((case.limits.clock_resolution_s + case.traits.ttl_late_s) * 1e9)
    here, there = Space(), Space()
    await clients.open()
    actors = [
        Survivor(case, slot, number, Judge(case, *pair, slack), program)
        for number, (slot, pair) in enumerate(zip(clients.slots, ((here, there), (here, there), (there, here)), strict=True))
    ]

    async def kill(step: Step) -> None:
        away = step.op == KILL and step.value % 4 == 1
        await clients.kill((lambda: actors[0].advance(step)) if away else None)
        if not clients.kills:
            return
        for space in (here, there):
            space.die(**left)
        await case.advance(noticed_s(case))
        for actor, slot in zip(actors, clients.slots, strict=True):
            entered = [(member.durable.topic, member.durable.name) for member in actor.members if step.value % 2]
            actor.slot, actor.by = slot, actor.by + len(actors)
            actor.members.clear()
            for topic, name in entered:
                await actor.enter(topic, name, "new")
            await actor.last(step)

    for step in program.steps:
        if step.op == KILL:
            await kill(step)
            continue
        await actors[step.client].do(step)
        if step.extra % 8 == 7 and step.op not in _LOOKS:
            await kill(step)
    for actor in actors:
        await actor.quit_all()
    for _ in range(2):  # what was left, and what is left of that
        await kill(Step(KILL))
        for actor in actors[1:]:
            await actor.receive_to_the_end()


async def _run_lines(
    case: Any, clients: Clients, script: Sequence[Scripted], keys: Sequence[str | None], left: dict[str, bool]
) -> None:
    await clients.open()
    lines = Lines(case, clients.slots[:2], keys)

    async def kill() -> None:
        await clients.kill()
        if clients.kills:
            lines.die(**left)
            lines.slots = clients.slots[:2]
            await case.advance(noticed_s(case))
            for line in list(lines.lines.values()):
                await lines.join(lines.slots[0], line.topic, line.name, "new")

    for step in script:
        if step[0] == KILL:
            await kill()
        else:
            await lines.play([step])
            if step[2] % 6 == 5:
                await kill()
    for _ in range(2):  # what was left, and what is left of that
        await kill()
        await lines.finish()
