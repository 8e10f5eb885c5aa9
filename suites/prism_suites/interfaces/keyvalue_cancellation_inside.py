"""Cancelled calls within a transaction, and commits that are cancelled while they wait for what others hold."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from prism_suites._judging import broken, same, value
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueTransactional, PrismError
from prism_testkit.traits import Limits

_PROMISE = "keyvalue_basic.11"
_POINTS = (*range(12), 15, 20)
"""After so many turns of the loop a call is cancelled."""
_Call = Callable[[Any], Awaitable[Any]]
_CALLS: dict[str, tuple[_Call, tuple[object, ...], bytes | None]] = {
    "get": (lambda transaction: transaction.get("k"), (b"old",), b"old"),
    "set": (lambda transaction: transaction.set("k", b"new"), (None,), b"new"),
    "delete": (lambda transaction: transaction.delete("k"), (True, False), None),
    "get of a missing key": (lambda transaction: transaction.get("none"), (None,), b"old"),
}
"""The call, what its repeat may say after it was cancelled, and what the key holds after the commit."""


async def _cut(call: Awaitable[Any], point: int) -> None:
    """Make a call, and cancel it after so many turns."""
    task = asyncio.ensure_future(call)
    for _ in range(point):
        await asyncio.sleep(0)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, PrismError):
        await task


@check(_PROMISE, "keyvalue_transactional.6")
@gauntlet(lambda limits: [{"kind": kind, "point": point} for kind in _CALLS for point in _POINTS])
async def a_call_cancelled_within_a_transaction_is_repeated(kv: KeyValueTransactional, case: Case, kind: str, point: int) -> None:
    """It works the second time, and the transaction goes on, or it is refused, and a new one succeeds (G-9)."""
    call, answers, left = _CALLS[kind]
    await kv.set("k", b"old")

    async def transact() -> bool:
        with contextlib.suppress(PrismError):  # it may say that it does not know
            async with kv.transaction() as transaction:
                await _cut(call(transaction), point)
                for _ in range(2):
                    got = await call(transaction)
                    if got not in answers:
                        sentence = f"a {kind} that is made again after it was cancelled is answered wrongly"
                        broken(_PROMISE, sentence, expected=answers, got=got)
                same(_PROMISE, await transaction.get("beside"), None, "a key is there that nobody has set")
                await transaction.set("beside", b"new")
            return True
        return False

    if await _undisturbed(transact(), kind):
        value(_PROMISE, await kv.get("k"), left, f"after a {kind} that was cancelled, and made again, a commit has another effect")
        value(_PROMISE, await kv.get("beside"), b"new", f"after a {kind} that was cancelled a commit is not whole")
    await kv.set("k", b"old")
    await transacted(kv, call)
    value(_PROMISE, await kv.get("k"), left, f"after a {kind} that was cancelled the next transaction has another effect")


async def _undisturbed(work: Awaitable[bool], kind: str) -> bool:
    """Await what nobody cancels."""
    try:
        return await work
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        sentence = f"within a transaction, after a {kind} was cancelled, a call is cancelled that nobody cancels"
        broken(_PROMISE, sentence, expected="an answer", got="CancelledError")


_KEYS = tuple("abcd")


def _waits(limits: Limits) -> Iterator[dict[str, Any]]:
    for held in (_KEYS[1:2], _KEYS[2:], _KEYS):
        for holder in ("set", "commit"):
            yield {"held": held, "holder": holder}


@check(_PROMISE, "keyvalue_transactional.2", "keyvalue_transactional.4")
@gauntlet(_waits)
async def a_commit_cancelled_as_it_waits_for_others_leaves_nothing_locked(
    kv: KeyValueTransactional, case: Case, held: tuple[str, ...], holder: str
) -> None:
    """Others write some of its keys, or commit them, over and over, and it is cancelled at any of its turns: afterwards every
    key is written by plain calls and by transactions of every client, and the next commit is whole (G-9)."""
    other, third = await case.client(), await case.client()
    case.overlap()
    for point in range(24 if case.clock.virtual else 12):
        await kv.set("a", b"old")
        over = asyncio.Event()
        busy = [asyncio.ensure_future(_hold(slot, held, holder, over)) for slot in (other, other, third)]
        await _turns(point % 3)
        await _cut(_commit(kv, b"new"), point)
        over.set()
        await asyncio.gather(*busy)
        for slot in (kv, other):
            for key in _KEYS:
                await slot.set(key, b"plain")
            await transacted(slot, lambda transaction: _write(transaction, b"again"))
        found = [await third.get(key) for key in _KEYS]
        same(_PROMISE, found, [b"again"] * len(_KEYS), "after a cancelled commit the next one is not whole")


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def _write(transaction: Any, held: bytes) -> None:
    for key in _KEYS:
        await transaction.set(key, held)


async def _commit(kv: Any, held: bytes) -> None:
    async with kv.transaction() as transaction:
        await _write(transaction, held)


async def _hold(slot: Any, keys: tuple[str, ...], holder: str, over: asyncio.Event) -> None:
    """Write keys over and over."""
    while not over.is_set():
        for key in keys if holder == "set" else ():
            await slot.set(key, b"theirs")
        if holder == "commit":
            with contextlib.suppress(Conflict):
                async with slot.transaction() as transaction:
                    for key in keys:
                        await transaction.set(key, b"theirs")
        await asyncio.sleep(0)
