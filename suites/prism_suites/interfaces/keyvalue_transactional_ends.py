"""keyvalue_transactional: ending by an exception or a cancellation, what is refused inside, and that an end is an end."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from prism_suites._judging import broken, refused, truth, value
from prism_suites._keyvalue_contents import NEW, OLD, expect, prepare, write
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Closed, Conflict, InvalidName, KeyValueTransactional, NotFound, PayloadTooLarge


class _UserError(Exception):
    """An application's own."""


class _UserSignal(BaseException):
    """An application's own, and no Exception."""


_ERRORS: dict[str, Callable[[], BaseException]] = {
    "user's exception": lambda: _UserError("mine"),
    "user's BaseException": lambda: _UserSignal("mine"),
    "ValueError": lambda: ValueError("mine"),
    "KeyError": lambda: KeyError("mine"),
    "RuntimeError": lambda: RuntimeError("mine"),
    "TimeoutError": lambda: TimeoutError("mine"),
    "OSError": lambda: ConnectionResetError("mine"),
    "CancelledError": lambda: asyncio.CancelledError("mine"),
    "StopAsyncIteration": lambda: StopAsyncIteration("mine"),
    "Conflict": lambda: Conflict("mine"),
    "NotFound": lambda: NotFound("mine"),
    "Closed": lambda: Closed("mine"),
    "ExceptionGroup": lambda: ExceptionGroup("mine", [_UserError("inner"), ValueError("inner")]),
}


@check("keyvalue_transactional.2")
@gauntlet(
    lambda limits: [
        {"error": error, "writes": writes}
        for number, error in enumerate(_ERRORS)
        for writes in (("nothing", "one", "all kinds") if number < 2 else ("all kinds",))
    ]
)
async def an_exception_discards_everything_and_is_passed_on(kv: KeyValueTransactional, case: Case, error: str, writes: str) -> None:
    """Whatever is raised in the body comes out as it is, the very same object, and no write or delete took effect (KV-28)."""
    other = await case.client()
    await prepare(kv)
    raised = _ERRORS[error]()
    try:
        async with kv.transaction() as transaction:
            await transaction.get("a")
            await write(transaction, NEW[writes])
            raise raised
    except BaseException as caught:
        if caught is not raised:
            if not isinstance(caught, Exception):
                raise
            broken("keyvalue_transactional.2", "not the exception raised in the body came out", expected=raised, got=caught)
    else:
        broken("keyvalue_transactional.2", "an exception raised in the body was swallowed", expected=raised)
    for client in (kv, other):
        await expect("keyvalue_transactional.2", client, OLD | {"other": None}, "after a transaction that was given up")
    await transacted(kv, lambda transaction: transaction.set("a", b"next"))
    value("keyvalue_transactional.1", await other.get("a"), b"next", "the transaction after one that was given up is not there")


@check("keyvalue_transactional.2")
@gauntlet(lambda limits: [{"writes": writes, "turns": turns} for writes in ("one", "all kinds") for turns in (0, 1, 3)])
async def a_cancelled_body_discards_everything(kv: KeyValueTransactional, case: Case, writes: str, turns: int) -> None:
    """A task that is cancelled in the body ends as cancelled; nothing took effect, and the driver goes on."""
    await prepare(kv)
    waiting = asyncio.Event()

    async def work() -> None:
        async with kv.transaction() as transaction:
            await transaction.get("b")
            await write(transaction, NEW[writes])
            waiting.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await waiting.wait()
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    truth("keyvalue_transactional.2", task.cancelled(), True, "the cancellation of a body was swallowed or replaced")
    await expect("keyvalue_transactional.2", kv, OLD | {"other": None}, "after a transaction whose body was cancelled")
    await transacted(kv, lambda transaction: transaction.set("a", b"next"))
    value("keyvalue_transactional.1", await kv.get("a"), b"next", "the transaction after one that was cancelled is not there")


@check("keyvalue_transactional.2")
@gauntlet(lambda limits: [{"writes": writes} for writes in ("one", "all kinds")])
async def a_generator_closed_inside_the_body_discards_everything(kv: KeyValueTransactional, writes: str) -> None:
    """``GeneratorExit`` is an exception too: a generator that holds a transaction and is closed early commits nothing."""
    await prepare(kv)

    async def produce() -> AsyncIterator[int]:
        async with kv.transaction() as transaction:
            await write(transaction, NEW[writes])
            yield 1
            await transaction.set("a", b"never")

    generator: Any = produce()
    async for _ in generator:
        break
    await generator.aclose()
    await expect("keyvalue_transactional.2", kv, OLD | {"other": None}, "after a generator with a transaction was closed")


_CALLS: dict[str, Callable[[Any], Any]] = {
    "get": lambda transaction: transaction.get("a"),
    "get of another": lambda transaction: transaction.get("missing"),
    "set": lambda transaction: transaction.set("a", b"late"),
    "set of another": lambda transaction: transaction.set("late", b"late"),
    "delete": lambda transaction: transaction.delete("a"),
    "delete of another": lambda transaction: transaction.delete("b"),
}


class _HaltError(BaseException):
    """What no ``except Exception`` sees."""


_RAISED: dict[str, type[BaseException]] = {"error": _UserError, "cancellation": asyncio.CancelledError, "halt": _HaltError}
"""How a block may be left before its end."""
_ENDS = ("commit", "conflict", "nothing done", *_RAISED)


@check("keyvalue_transactional.7")
@gauntlet(lambda limits: [{"end": end, "call": call} for end in _ENDS for call in _CALLS])
async def a_transaction_that_has_ended_is_closed(kv: KeyValueTransactional, case: Case, end: str, call: str) -> None:
    """After a commit, any exception or a `Conflict` every call raises `Closed`, again and again, and does nothing (KV-58)."""
    await prepare(kv)
    kept: list[Any] = []
    try:
        async with kv.transaction() as transaction:
            kept.append(transaction)
            if end != "nothing done":
                await transaction.get("a")
                await transaction.set("a", b"new")
            if end == "conflict":
                await kv.set("a", b"rival")
            if end in _RAISED:
                raise _RAISED[end]
    except (Conflict, _UserError, asyncio.CancelledError, _HaltError):
        pass
    before = {key: await kv.get(key) for key in (*OLD, "late")}
    for _ in range(2):
        await refused("keyvalue_transactional.7", _CALLS[call](kept[0]), Closed, f"{call} after the transaction ended, by {end}")
    await expect("keyvalue_transactional.7", kv, before, f"after a late {call} in a transaction that had ended")
    await transacted(kv, lambda transaction: transaction.set("b", b"next"))
    await refused("keyvalue_transactional.7", _CALLS[call](kept[0]), Closed, f"{call} after the next transaction")

    async def beside(transaction: Any) -> None:
        await transaction.set("b", b"beside")
        await refused("keyvalue_transactional.7", _CALLS[call](kept[0]), Closed, f"{call} while the next transaction is open")

    await transacted(kv, beside)
    await expect("keyvalue_transactional.7", kv, before | {"b": b"beside"}, f"after a late {call} while the next one was open")


_NAMES_AND_VALUES = ("empty name", "long name", "wide name", "surrogate", "large value", "get", "delete")


@check("keyvalue_transactional.8", "keyvalue_basic.6")
@gauntlet(
    lambda limits: [
        {"refusal": refusal, "caught": caught}
        for refusal in (
            "empty name",
            "long name",
            "wide name",
            "surrogate",
            "large value",
            "get",
            "delete",
            "text",
            "nothing",
            "bytes",
        )
        for caught in (True, False)
    ]
)
async def what_is_refused_inside_is_left_out(kv: KeyValueTransactional, case: Case, refusal: str, caught: bool) -> None:
    """A refused name or value raises at its call; what came before and comes after commits without it (KV-09, KV-10)."""
    await prepare(kv)
    longest, largest = case.limits.max_name, case.limits.max_payload
    attempts: dict[str, tuple[type[Exception], Callable[[Any], Any]]] = {
        "empty name": (InvalidName, lambda tx: tx.set("", b"x")),
        "long name": (InvalidName, lambda tx: tx.set("n" * (longest + 1), b"x")),
        "wide name": (InvalidName, lambda tx: tx.set("é" * (longest // 2 + 1), b"x")),
        "surrogate": (InvalidName, lambda tx: tx.set("\ud800", b"x")),
        "large value": (PayloadTooLarge, lambda tx: tx.set("a", b"x" * (largest + 1))),
        "get": (InvalidName, lambda tx: tx.get("n" * (longest + 1))),
        "delete": (InvalidName, lambda tx: tx.delete("")),
        "text": (TypeError, lambda tx: tx.set("a", "text")),
        "nothing": (TypeError, lambda tx: tx.set("a", None)),
        "bytes": (TypeError, lambda tx: tx.set(b"a", b"x")),
    }
    error, call = attempts[refusal]

    async def body(transaction: Any) -> None:
        await transaction.set("a", b"before")
        await refused("keyvalue_transactional.8", call(transaction), error, f"{refusal} inside a transaction")
        value("keyvalue_transactional.8", await transaction.get("a"), b"before", f"the own write after a refusal, {refusal}")
        await transaction.set("after", b"it")
        truth("keyvalue_transactional.8", await transaction.delete("b"), True, f"delete after a refusal, {refusal}")
        if not caught:
            await call(transaction)

    try:
        await transacted(kv, body)
    except error:
        after = OLD | {"after": None}
        promise = "keyvalue_transactional.2"
    else:
        after = OLD | {"a": b"before", "after": b"it", "b": None}
        promise = "keyvalue_transactional.8"
    await expect(promise, kv, after, f"after a transaction in which {refusal} was refused")
    value(promise, await kv.get("n" * longest), None, "a refused name was written, shortened")
