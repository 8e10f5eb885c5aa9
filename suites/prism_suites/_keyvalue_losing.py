"""Calls on one key whose answer is lost after they had their effect: a second effect of theirs would undo what others wrote."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._network_losing import Fate
from prism_testkit.interfaces import Conflict

__all__ = ["LOSSES", "Loss", "judge_loss"]

_OLD, _NEW, _THEIRS = b"old", b"new", b"theirs"


@dataclass(frozen=True, slots=True)
class Loss:
    """A call by ``method``: what its key holds before and after, what another client writes between that and a second effect,
    what it says if it is answered, and the promises that say that it happens once, and what it says."""

    method: str
    make: Callable[[Any, str], Awaitable[Any]]
    after: bytes | None
    between: bytes
    says: object
    once: str
    told: str
    before: bytes = _OLD


_BASIC, _CAS, _TRANSACTION = "keyvalue_basic.10", "keyvalue_cas.6", "keyvalue_transactional.5"

LOSSES = (
    Loss("set", lambda slot, key: slot.set(key, _NEW), _NEW, _THEIRS, None, _BASIC, _BASIC),
    Loss("delete", lambda slot, key: slot.delete(key), None, _THEIRS, True, _BASIC, "keyvalue_basic.4"),
    Loss("set_with_ttl", lambda slot, key: slot.set_with_ttl(key, _NEW, 1e6), _NEW, _THEIRS, None, _BASIC, _BASIC),
    Loss("batch_set", lambda slot, key: slot.batch_set({key: _NEW}), _NEW, _THEIRS, None, _BASIC, _BASIC),
    Loss("batch_delete", lambda slot, key: slot.batch_delete([key]), None, _THEIRS, 1, _BASIC, "keyvalue_batch.3"),
    # What another client writes is what the call expects: it would succeed again.
    Loss("compare_and_swap", lambda slot, key: slot.compare_and_swap(key, _OLD, _NEW), _NEW, _OLD, True, _CAS, "keyvalue_cas.3"),
    Loss("compare_and_delete", lambda slot, key: slot.compare_and_delete(key, _OLD), None, _OLD, True, _CAS, "keyvalue_cas.4"),
    Loss("transaction", lambda slot, key: _transact(slot, key), _NEW, _THEIRS, None, _TRANSACTION, "keyvalue_transactional.6"),
)


async def _transact(slot: Any, key: str) -> None:
    async with slot.transaction() as transaction:
        await transaction.get(key)
        await transaction.set(key, _NEW)


def judge_loss(loss: Loss, fate: Fate, found: bytes | None) -> None:
    """Judge one call by what its key holds in the end, and by what it said."""
    what = f"{loss.method}, whose answer was lost,"
    if fate.acted:
        if found != loss.between:
            broken(loss.once, f"{what} takes effect again after another client has written", expected=loss.between, got=found)
        return
    if found not in (loss.before, loss.after):
        broken(loss.once, f"{what} leaves neither the old value nor the new one", expected=[loss.before, loss.after], got=found)
    if fate.seen and found != loss.after:
        broken(loss.once, f"{what} had taken effect, and has not any more", expected=loss.after, got=found)
    if not fate.answered:
        return
    if isinstance(fate.got, Conflict):
        if found == loss.after:
            broken(loss.told, f"{what} raises Conflict, and has taken effect", expected=loss.before, got=found)
    elif loss.says is not None and bool(fate.got) != (found == loss.after):
        broken(loss.told, f"{what} says {fate.got}, and the key tells otherwise", expected=loss.after, got=found)
    elif loss.says is None and found != loss.after:
        broken(loss.once, f"{what} is acknowledged, and has no effect", expected=loss.after, got=found)
