"""Transactions and plain calls by a script, and whether some serial order explains what they read and what is left.

A script is text: ``1rx 2rx 1wx 1c 2wx 2c`` lets transactions 1 and 2 both read ``x``, then write it and commit. A digit is a
transaction (odd ones on the first client, even ones on the second), ``p`` and ``q`` are plain calls of the two clients; ``r``,
``w`` and ``d`` read, write and delete a key, ``c`` commits, ``a`` gives up, and a dot lets the other tasks run. Every write stores
a value of its own, so that each read tells whose write it saw.

The committed transactions and the plain calls, each a transaction of one step, must have an order that explains all answers and
the final state, in which what had returned comes before what began afterwards: strict serializability, by trying all orders
(Papadimitriou, "The Serializability of Concurrent Database Updates", 1979; the scripts are the anomalies of Adya's thesis).
"""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any, Literal

from prism_suites._judging import broken, same
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.interfaces import Conflict

__all__ = ["KEYS", "Player"]

KEYS = "xyz"
_FEW = 4
"""Of so many transactions, and so many orders, it is told why none is one."""
_NAMES = {"r": "get", "w": "set", "d": "delete"}
_ACTIONS = {name: action for action, name in _NAMES.items()}

State = Mapping[str, bytes | None]


class _GiveUpError(Exception):
    """Raised in the body of a transaction that a script gives up."""


@dataclass(slots=True)
class _Step:
    """One call: what it was and what it said. ``returned`` counts the events of the history."""

    kind: str
    key: str
    value: bytes = b""
    answer: object = None
    returned: int = 0


@dataclass(slots=True)
class _Unit:
    """One transaction, or one plain call: steps that take effect together."""

    name: str
    start: int
    steps: list[_Step] = field(default_factory=list)
    leaving: int = 0
    """Events when its commit, or its only call, began: nobody may see a write of it before."""
    end: int = 0
    outcome: Literal["open", "committed", "conflict", "given up"] = "open"


class Player:
    """Plays scripts against a store and judges them."""

    def __init__(self, case: Case, first: Any, second: Any, before: State, prefix: str = "") -> None:
        """``before`` says what each key of `KEYS` holds; it is written here by `prepare`. Keys begin with ``prefix``."""
        self._case = case
        self._clients = (first, second)
        self._before = before
        self._prefix = prefix
        self._units: list[_Unit] = []
        self._open: dict[str, tuple[Any, Any, _Unit]] = {}
        self._written = 0

    async def prepare(self) -> None:
        """Write what is there before."""
        for key, held in self._before.items():
            if held is not None:
                await self._clients[0].set(self._prefix + key, held)

    async def play(self, *scripts: str) -> None:
        """Play each script in a task of its own (one alone in this one), then judge, then retry alone what met `Conflict`."""
        if len(scripts) == 1:
            await self._play(scripts[0])
        else:
            async with asyncio.TaskGroup() as group:
                for script in scripts:
                    group.create_task(self._play(script))
        final = {key: await self._clients[0].get(self._prefix + key) for key in self._before}
        self._judge(final, " | ".join(scripts))
        await self._retry(final)

    async def _play(self, script: str) -> None:
        ended: set[str] = set()
        for token in script.split():
            if token[0] == ".":
                for _ in token:
                    await asyncio.sleep(0)
            elif token[0] in "pq":
                await self._plain(token)
            elif token[0] not in ended and await self._transact(token):
                ended.add(token[0])

    def _now(self) -> int:
        return len(self._case.history)

    async def _plain(self, token: str) -> None:
        unit = _Unit(token, self._now())
        unit.leaving = unit.start
        self._units.append(unit)
        await self._call(self._clients["pq".index(token[0])], unit, token[1], token[2])
        unit.end, unit.outcome = self._now(), "committed"

    async def _transact(self, token: str) -> bool:
        """Make one step of a transaction, opening it first; True if it has ended."""
        name, action = token[0], token[1]
        try:
            if name not in self._open:
                await self._begin(name)
            _, transaction, unit = self._open[name]
            if action in _NAMES:
                await self._call(transaction, unit, action, token[2])
                return False
        except Conflict as error:
            # Legal at any step; the body is left by it, as it would be in an application.
            if name in self._open:
                await self._leave(name, error)
            return True
        await self._leave(name, _GiveUpError() if action == "a" else None)
        return True

    async def _begin(self, name: str) -> None:
        unit = _Unit(f"transaction {name}", self._now())
        manager = self._clients[1 - int(name) % 2].transaction()
        self._open[name] = (manager, await manager.__aenter__(), unit)
        self._units.append(unit)

    async def _leave(self, name: str, error: Exception | None) -> None:
        manager, _, unit = self._open.pop(name)
        unit.leaving = self._now()
        try:
            swallowed = await manager.__aexit__(type(error) if error else None, error, None)
        except (Conflict, _GiveUpError) as raised:
            unit.outcome = "given up" if isinstance(error, _GiveUpError) else "conflict"
            if error is not None and raised is not error:
                broken(
                    "keyvalue_transactional.2", "another exception came out than was raised in the body", expected=error, got=raised
                )
        else:
            if swallowed:
                broken("keyvalue_transactional.2", "an exception raised in the body was swallowed", expected=error, got=None)
            unit.outcome = "committed" if error is None else "conflict" if isinstance(error, Conflict) else "given up"
        unit.end = self._now()

    async def _call(self, target: Any, unit: _Unit, action: str, key: str) -> None:
        step = _Step(_NAMES[action], key)
        name = self._prefix + key
        if action == "w":
            self._written += 1
            step.value = b"%s by %s" % (str(self._written).encode(), unit.name.encode())
            await target.set(name, step.value)
        else:
            step.answer = await getattr(target, step.kind)(name)
        step.returned = self._now()
        own = _own(unit.steps, key)
        unit.steps.append(step)
        if own is not None and action != "w":
            expected: object = own.value or None if action == "r" else own.kind == "set"
            same("keyvalue_transactional.3", step.answer, expected, "a transaction does not see its own write")

    def _judge(self, final: State, script: str) -> None:
        writers = {step.value: unit for unit in self._units for step in unit.steps if step.kind == "set"}
        for unit in self._units:
            for step in unit.steps:
                if step.kind == "get":
                    self._judge_read(step.answer, writers, unit, step.returned)
        for held in final.values():
            self._judge_read(held, writers, None, self._now())
        committed = [unit for unit in self._units if unit.outcome == "committed"]
        if not _explained(dict(self._before), tuple(committed), final, set()):
            broken(
                "keyvalue_transactional.5",
                f"no serial order of what committed explains what was read and what is left, in: {script}"
                f"{_why_not(self._before, committed, final)}",
                expected="Conflict for one of them",
                got=f"all committed: {', '.join(unit.name for unit in committed)}",
            )

    def _judge_read(self, got: object, writers: Mapping[bytes, _Unit], reader: _Unit | None, returned: int) -> None:
        """Say whose write should not have been seen."""
        if got is None or got in self._before.values():
            return
        writer = writers.get(got) if isinstance(got, bytes) else None
        if writer is None:
            broken("keyvalue_basic.1", "a value is read that nobody wrote", got=got)
        if writer is reader:
            return
        if writer.outcome == "conflict":
            broken(
                "keyvalue_transactional.6", "a transaction that raised Conflict left something behind", expected="nothing", got=got
            )
        if writer.outcome == "given up":
            broken("keyvalue_transactional.2", "a transaction that was given up left something behind", expected="nothing", got=got)
        if returned <= writer.leaving:
            broken("keyvalue_transactional.4", "a write is seen before its transaction is left", expected="not yet seen", got=got)

    async def _retry(self, state: State) -> None:
        """Alone, each transaction that met `Conflict` succeeds, and reads what is there."""
        held = dict(state)
        for unit in [unit for unit in self._units if unit.outcome == "conflict"]:

            async def body(transaction: Any, unit: _Unit = unit) -> list[_Step]:
                again = _Unit(f"{unit.name} again", 0)
                for step in unit.steps:
                    await self._call(transaction, again, _ACTIONS[step.kind], step.key)
                return again.steps

            steps = await transacted(self._clients[1 - int(unit.name[-1]) % 2], body)
            answers, held = _applied(held, steps)
            for step, answer in zip(steps, answers, strict=True):
                if step.kind != "set":
                    same("keyvalue_transactional.6", step.answer, answer, f"a transaction retried alone: {step.kind} of {step.key}")
        for key, expected in held.items():
            got = await self._clients[1].get(self._prefix + key)
            same("keyvalue_transactional.6", got, expected, f"the value of {key} after transactions that were retried alone")


def _own(steps: Iterable[_Step], key: str) -> _Step | None:
    """Return the last write or delete of a key among a transaction's own steps."""
    return next((step for step in reversed(list(steps)) if step.key == key and step.kind != "get"), None)


def _applied(state: State, steps: Sequence[_Step]) -> tuple[list[object], dict[str, bytes | None]]:
    """Return what the steps answer if they run at once on a state, and the state after them."""
    after = dict(state)
    answers: list[object] = []
    for step in steps:
        held = after[step.key]
        answers.append(held if step.kind == "get" else step.kind == "delete" and held is not None)
        if step.kind != "get":
            after[step.key] = step.value if step.kind == "set" else None
    return answers, after


def _why_not(before: State, committed: Sequence[_Unit], final: State) -> str:
    """Return what each order contradicts first; nothing where there are too many to read."""
    told: list[str] = []
    for order in permutations(committed) if len(committed) <= _FEW else ():
        if any(later.end <= earlier.start for earlier, later in combinations(order, 2)):
            continue
        state, why = dict(before), ""
        for unit in order:
            answers, after = _applied(state, unit.steps)
            wrong = ((s, a) for s, a in zip(unit.steps, answers, strict=True) if s.kind != "set" and s.answer != a)
            why = next((f"{s.kind}({s.key!r}) of {unit.name} would be {a!r}, and was {s.answer!r}" for s, a in wrong), "")
            if why:
                break
            state = after
        left = (f"{key!r} would be {held!r} at last, and is {final[key]!r}" for key, held in state.items() if held != final[key])
        told.append(f"{', then '.join(unit.name for unit in order)}: {why or next(left, '')}")
    return f". {'; '.join(told)}" if 0 < len(told) <= _FEW else ""


def _explained(state: dict[str, bytes | None], left: tuple[_Unit, ...], final: State, seen: set[Any]) -> bool:
    """Say whether the units left can follow each other from this state and end in the final one."""
    mark = (tuple(unit.start for unit in left), tuple(state.items()))
    if mark in seen:
        return False
    seen.add(mark)
    if not left:
        return state == final
    for number, unit in enumerate(left):
        rest = left[:number] + left[number + 1 :]
        if any(other.end <= unit.start for other in rest):
            continue
        answers, after = _applied(state, unit.steps)
        fits = all(step.kind == "set" or step.answer == answer for step, answer in zip(unit.steps, answers, strict=True))
        if fits and _explained(after, rest, final, seen):
            return True
    return False
