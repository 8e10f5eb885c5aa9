"""The transaction step of a program: a few reads and writes, committed, given up, or crossed by a rival."""

from typing import TYPE_CHECKING, Any

from prism_suites._keyvalue_judge import fail
from prism_suites._keyvalue_model import Window
from prism_suites._keyvalue_retrying import TRIES
from prism_testkit.interfaces import Conflict
from prism_testkit.programs import Step

if TYPE_CHECKING:
    from prism_suites._keyvalue_steps import Actor

__all__ = ["run_transaction"]

_KINDS = ("set", "get", "delete")


class _GiveUp(Exception):
    """Raised in the body, to see it come out unchanged and without effect."""


async def run_transaction(actor: "Actor", step: Step) -> None:
    """Run one transaction of three calls and judge it; ``extra`` says which, and how it ends."""
    ending = step.extra // 27
    for _ in range(TRIES):
        try:
            await _attempt(actor, step, give_up=ending == 1)
        except Conflict:
            continue
        except _GiveUp:
            return
        return
    fail("keyvalue_transactional.6", f"a transaction retried alone raised Conflict {TRIES} times", "a commit", "Conflict")


async def _attempt(actor: "Actor", step: Step, give_up: bool) -> None:
    writes: dict[str, bytes | None] = {}
    async with actor.slot.transaction() as transaction:
        for number in range(3):
            kind = _KINDS[step.extra // 3**number % 3]
            name, value = actor.program.name(step.name + number * step.value), actor.program.value(step.value + number)
            await _call(actor, transaction, kind, name, value, writes)
        if give_up:
            raise _GiveUp
    for name, written in writes.items():
        if written is None:
            actor.model.drop(name, "transaction")
        else:
            actor.model.write(name, written, "transaction")


async def _call(actor: "Actor", transaction: Any, kind: str, name: str, value: bytes, writes: dict[str, bytes | None]) -> None:
    if kind == "set":
        await transaction.set(name, value)
        writes[name] = value
        return
    start = actor.now_ns()
    got = await (transaction.get(name) if kind == "get" else transaction.delete(name))
    now = Window(start, actor.now_ns())
    if name in writes:
        own = writes[name]
        wanted: object = own if kind == "get" else own is not None
        if got != wanted:
            fail("keyvalue_transactional.3", f"inside, {kind} does not see the transaction's own write", wanted, got)
    elif kind == "get":
        actor.judge.value(name, got, now, "transaction")
    else:
        actor.judge.presence(name, got, now, "transaction", "keyvalue_transactional.3")
    if kind == "delete":
        writes[name] = None
