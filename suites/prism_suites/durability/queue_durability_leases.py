"""After a kill: the leases that the killed process was given, in the hands of another process."""

from collections.abc import Iterator
from typing import Annotated, Any

from prism_suites._judging import broken, same
from prism_suites._queue_durable import AHEAD, HEADERS
from prism_suites._queue_leases import conflicts
from prism_suites._queue_remains import whole
from prism_suites._queue_taking import HELD_S
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Lease, QueueVisibility
from prism_testkit.killing import Step
from prism_testkit.returned import TELL, Returned
from prism_testkit.traits import Traits

_PROMISE = "queue_visibility.13"
_SHORT_S = 500.25
_DOWN_S = 1000.0
_ATTEMPTS = 3
Durable = Annotated[QueueVisibility, Traits(durability="process")]


def _lives(virtual: bool) -> Iterator[tuple[str, list[Step]]]:
    """Yield queues, each with the steps that its one message has seen behind its last receive."""
    yield "released", [("release", (Returned(0),))]
    yield from (("ack", []), ("extend", []), ("release", []), ("let it end", []))
    if virtual:
        yield "lapsed", []
    yield "acked", [("ack", (Returned(0),))]


@check(_PROMISE, "queue_visibility.5")
async def leases_of_the_dead_are_what_they_were(queue: Durable, case: Case) -> None:
    """A lease that a killed process was given may be acked, extended and released by another as long as it is valid, where
    leases survive; one that had ended touches nothing, least of all what another holds since (Q-20)."""
    steps: list[Step] = []
    told: dict[str, int] = {}
    for name, after in _lives(case.clock.virtual):
        steps.append(("enqueue", (name, name.encode(), HEADERS)))
        for attempt in range(1, _ATTEMPTS + 1):
            last = attempt == _ATTEMPTS
            steps.append(("receive", (name, _SHORT_S if last and name == "lapsed" else HELD_S)))
            held = Returned(len(steps) - 1)
            steps += [(method, (held,)) for method, _ in after] if last else [("release", (held,))]
        told[name] = len(steps)
        steps.append((TELL, (held,)))
    # They write nothing: what was kept back by the last ack is lost with the process.
    filler: list[Step] = [("receive", ("never used", HELD_S)) for _ in range(AHEAD)]
    with case.law(_PROMISE):
        down_s = _DOWN_S if case.clock.virtual else 0.0
        survivors = await case.kill([*steps, *filler], len(steps) + 20, "writer", down_s=down_s)
    slot = survivors.slot
    leases: dict[str, Lease] = {name: survivors.told[step][0] for name, step in told.items()}
    for name in ("released", "lapsed"):
        if name in leases:
            await _is_anothers(case, slot, name, leases[name])
    if case.traits.ack_survives_kill == "yes":
        await conflicts(slot, leases["acked"], "a lease acked before the kill, after it")
        same(_PROMISE, await slot.receive("acked", HELD_S), None, "a message whose ack was acknowledged is back after the kill")
    if case.traits.lease_survives_kill == "yes":
        await _holds(case, slot, leases)


async def _is_anothers(case: Case, slot: Any, name: str, ended: Lease) -> None:
    """Judge that a lease which had ended before the kill, or while nothing ran, does nothing to one that was given since."""
    if case.clock.virtual:
        await case.advance(case.limits.clock_resolution_s + case.traits.ttl_late_s)
    for again in range(_ATTEMPTS + 1):  # what counts deliveries may have begun again, and then it comes by the old number
        new = await slot.receive(name, HELD_S)
        if new is None:
            broken(_PROMISE, f"a message whose lease has ended ({name}) is not there after the kill", expected=name, got=None)
        whole(_PROMISE, new, name.encode(), HEADERS, name)
        await conflicts(slot, ended, f"a lease from before the kill ({name}), while another holds the message")
        if again < _ATTEMPTS:
            with case.law(_PROMISE):
                await slot.release(new)
    with case.law(_PROMISE):
        await slot.ack(new)
    same(_PROMISE, await slot.receive(name, HELD_S), None, "after the kill an acked message comes again")


async def _holds(case: Case, slot: Any, leases: dict[str, Lease]) -> None:
    """Judge that leases which were valid at the kill are, with all that can be done with them."""
    for name in ("ack", "extend", "release", "let it end"):
        same(_PROMISE, await slot.receive(name, HELD_S), None, "a lease did not survive the kill: its message is given to another")
    with case.law(_PROMISE):  # a Conflict says that the lease has ended
        await slot.ack(leases["ack"])
        await slot.extend(leases["extend"], _SHORT_S)
        await slot.release(leases["release"])
    same(
        _PROMISE, await slot.receive("ack", HELD_S), None, "what was acked after the kill, with a lease from before it, comes again"
    )
    await _comes(case, slot, "release")
    await conflicts(slot, leases["ack"], "a lease from before the kill that was acked after it")
    await conflicts(slot, leases["release"], "a lease from before the kill that was released after it")
    if not case.clock.virtual:
        return
    slack_s = case.limits.clock_resolution_s + case.traits.ttl_late_s + 0.001
    await case.advance(_SHORT_S + slack_s)
    await _comes(case, slot, "extend")
    await case.advance(HELD_S)
    await _comes(case, slot, "let it end")


async def _comes(case: Case, slot: Any, name: str) -> None:
    got = await slot.receive(name, HELD_S)
    if got is None:
        broken(_PROMISE, f"after the kill a message does not come again ({name} with a lease from before)", expected=name, got=None)
    whole(_PROMISE, got, name.encode(), HEADERS, name)
    exact = case.traits.attempts_survive_kill == "yes"
    if got.attempt > _ATTEMPTS + 1 or (exact and got.attempt < _ATTEMPTS + 1):
        broken(_PROMISE, "the attempts of a message did not survive the kill", expected=_ATTEMPTS + 1, got=got.attempt)
    await slot.ack(got)
