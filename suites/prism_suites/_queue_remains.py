"""Compares what is left of queues after a kill with what was acknowledged, the call in flight taken either way."""

from typing import Any

from prism_suites._judging import broken
from prism_suites._queue_durable import HEADERS, Line, Lone, Story
from prism_suites._queue_taking import take
from prism_testkit.case import Case
from prism_testkit.interfaces import Lease, QueueMessage
from prism_testkit.killing import Survivors

__all__ = ["lines_left", "lone_left", "whole"]


def whole(promise: str, message: Any, payload: bytes, headers: dict[str, str] | None, story: str) -> None:
    """Judge that a message is as it was enqueued, whatever its id."""
    got = message.message if isinstance(message, Lease) else message
    if not isinstance(got, QueueMessage) or got.payload != payload or not isinstance(got.payload, bytes):
        broken(promise, f"a message is changed after the kill ({story})", expected=payload, got=got)
    if dict(got.headers) != dict(headers or {}):
        broken(promise, f"the headers of a message are changed after the kill ({story})", expected=headers, got=got.headers)


async def lines_left(case: Case, slot: Any, story: Story, survivors: Survivors, promise: str) -> None:
    """Take everything: each acknowledged message once, in order, the one in flight or not, and nothing that was taken.

    Something new is behind it, for what counts places or ids may begin again where it should go on.
    """
    headers: dict[bytes, dict[str, str] | None] = {}
    queues: dict[str, Line] = {}
    for name, (op, arguments) in zip(story.queues[: survivors.acknowledged], story.steps, strict=False):
        line = queues.setdefault(name, Line())
        if op == "enqueue":
            line.held.append(arguments[1])
            headers[arguments[1]] = arguments[2]
        else:
            line.taken.append(line.held.pop(0))
    pending = None if survivors.finished else (story.queues[survivors.acknowledged], story.steps[survivors.acknowledged])
    for name in dict.fromkeys(story.queues):
        line = queues.get(name, Line())
        ways = [line.held]
        if pending is not None and pending[0] == name:
            op, arguments = pending[1]
            if op == "enqueue":
                headers[arguments[1]] = arguments[2]
            ways.append([*line.held, arguments[1]] if op == "enqueue" else line.held[1:])
        new = b"new in " + name.encode()[:20]
        await slot.enqueue(name, new, HEADERS)  # behind all that is left
        headers[new] = HEADERS
        ways = [[*way, new] for way in ways]
        found: list[bytes] = []
        while (got := await take(slot, name)) is not None and len(found) <= len(line.held) + 6:
            whole(promise, got, got.payload, headers.get(got.payload), "taken in order")
            found.append(got.payload)
        if found not in ways:
            _wrong(promise, name, line, ways[-1], found, survivors)


def _wrong(promise: str, name: str, line: Line, expected: list[bytes], found: list[bytes], survivors: Survivors) -> None:
    back = [payload for payload in found if payload in line.taken]
    lost = [payload for payload in line.held[1:] if payload not in found]
    twice = [payload for payload in found if found.count(payload) > 1]
    strange = [payload for payload in found if payload not in expected and payload not in line.taken]
    what = (
        "a message that was taken is back"
        if back
        else "an acknowledged message is lost"
        if lost
        else "a message is doubled"
        if twice
        else "there is a message that was not enqueued whole"
        if strange
        else "messages are not in order, or one is lost"
    )
    told = f"after the kill {what}, in queue {name[:30]!a}, after {survivors.acknowledged} acknowledged calls"
    broken(promise, told, expected=expected, got=found)


def _lives(story: Story, survivors: Survivors) -> tuple[dict[str, Lone], str]:
    """Return each single message as the acknowledged steps left it, and the name of the one that was in flight."""
    lives: dict[str, Lone] = {}
    for name, (op, arguments) in zip(story.queues[: survivors.acknowledged], story.steps, strict=False):
        if op == "enqueue":
            lives[name] = Lone(arguments[1], 0, "ready")
            continue
        life = lives[name]
        life.attempts += op == "receive"
        life.state = {"receive": "leased", "extend": "leased", "ack": "acked", "release": "ready"}[op]
    return lives, "" if survivors.finished else story.queues[survivors.acknowledged]


async def lone_left(case: Case, slot: Any, story: Story, survivors: Survivors, promise: str, held_s: float) -> None:
    """Judge each single message by what its driver claims of acks, leases and attempts; then let every lease end."""
    lives, flying = _lives(story, survivors)
    traits = case.traits
    waiting: dict[str, Lone] = {}
    for name, life in lives.items():
        if name == flying:
            continue
        got = await slot.receive(name, held_s)
        if got is None:
            if life.state == "ready":
                broken(promise, "a message that was available is not there after the kill", expected=life.payload, got=None)
            if life.state == "leased":
                waiting[name] = life
            continue
        _given(promise, life, got, case)
        if life.state != "acked":
            await slot.ack(got)
    if not case.clock.virtual:
        return
    await case.advance(held_s + case.limits.clock_resolution_s + traits.ttl_late_s + 0.001)
    last = "" if survivors.finished else story.steps[survivors.acknowledged][0]
    if flying in lives and last != "ack":  # it is leased, released or extended, or not: but there
        waiting[flying] = lives[flying]
    for name, life in lives.items() if traits.ack_survives_kill == "yes" else ():
        if life.state == "acked" and (got := await slot.receive(name, held_s)) is not None:
            _given(promise, life, got, case)
    for name, life in waiting.items():
        got = await slot.receive(name, held_s)
        if got is None:
            broken(promise, "a message that was leased is lost after the kill", expected=life.payload, got=None)
        if name == flying:
            whole(promise, got, life.payload, HEADERS, f"{last} was in flight")
        else:
            _given(promise, Lone(life.payload, life.attempts, "ready"), got, case)
        await slot.ack(got)


def _given(promise: str, life: Lone, got: Any, case: Case) -> None:
    traits = case.traits
    whole(promise, got, life.payload, HEADERS, life.state)
    if life.state == "acked" and traits.ack_survives_kill == "yes":
        broken(promise, "a message whose ack was acknowledged is back after the kill", expected=None, got=got)
    if life.state == "leased" and traits.lease_survives_kill == "yes":
        broken(promise, "a lease did not survive the kill: its message is given to another", expected=None, got=got)
    exact = traits.attempts_survive_kill == "yes" and life.state != "acked"
    if got.attempt > life.attempts + 1 or got.attempt < (life.attempts + 1 if exact else 1):
        sentence = f"the attempts of a message, which was {life.state} before the kill, did not survive it"
        broken(promise, sentence, expected=life.attempts + 1, got=got.attempt)
