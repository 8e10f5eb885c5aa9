"""keyvalue_transactional: while a transaction is open nobody sees it and nobody waits for it, and others are open beside it.

A plain call that waits for an open transaction waits for ever here, for it is made inside the body; the harness says so.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Any, Protocol

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_contents import NEW, OLD, expect, prepare, write
from prism_suites._keyvalue_retrying import TRIES, transacted
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.outcomes import Violation, law


class TransactionsAndScan(KeyValueTransactional, KeyValueScan, Protocol):
    """Transactions and scans of one driver."""


class TransactionsAndBatch(KeyValueTransactional, KeyValueBatch, Protocol):
    """Transactions and batches of one driver."""


class TransactionsAndCas(KeyValueTransactional, KeyValueCas, Protocol):
    """Transactions and swaps of one driver."""


class TransactionsAndTtl(KeyValueTransactional, KeyValueTtl, Protocol):
    """Transactions and deadlines of one driver."""


@check("keyvalue_transactional.4", "keyvalue_basic.9")
@gauntlet(lambda limits: [{"writes": writes, "reads": reads} for writes in NEW for reads in (False, True)])
async def nobody_sees_a_write_before_the_end(kv: KeyValueTransactional, case: Case, writes: str, reads: bool) -> None:
    """Plain calls of the same client, another client and another transaction find the old state while the block runs (KV-29)."""
    other, sibling = await case.client(), await case.sibling()
    await prepare(kv)
    unseen = OLD | dict.fromkeys(("other",))

    async def body(transaction: Any) -> None:
        for key in OLD if reads else ():
            await transaction.get(key)
        for key, held in NEW[writes].items():
            await write(transaction, {key: held})
            await expect("keyvalue_transactional.4", kv, unseen, "the same client, while a transaction is open")
        await expect("keyvalue_transactional.4", other, unseen, "another client, while a transaction is open")
        await expect("keyvalue_basic.9", sibling, dict.fromkeys(unseen), "another namespace, while a transaction is open")

    await transacted(kv, body, company=True)
    await expect("keyvalue_transactional.1", other, unseen | NEW[writes], "another client, after a transaction")


@check("keyvalue_transactional.4")
@gauntlet(lambda limits: [{"writes": writes} for writes in NEW])
async def no_listing_shows_a_write_before_the_end(kv: TransactionsAndScan, case: Case, writes: str) -> None:
    """Scans and counts, of either client, list the old state while the block runs, and the new one after it."""
    other: Any = await case.client()
    await prepare(kv)
    old = {key: held for key, held in OLD.items() if held is not None}
    new = {key: held for key, held in (OLD | NEW[writes]).items() if held is not None}

    async def body(transaction: Any) -> None:
        await write(transaction, NEW[writes])
        for client in (kv, other):
            listed = {key: held async for key, held in client.scan()}
            same("keyvalue_transactional.4", listed, old, "a scan while a transaction is open")
            same("keyvalue_transactional.4", await client.count(), len(old), "a count while a transaction is open")

    await transacted(kv, body, company=True)
    for client in (kv, other):
        same("keyvalue_transactional.1", {key: held async for key, held in client.scan()}, new, "a scan after a transaction")
        same(
            "keyvalue_transactional.1",
            sorted([key async for key in client.scan_keys()]),
            sorted(new),
            "scan_keys after a transaction",
        )
        same("keyvalue_transactional.1", await client.count(), len(new), "a count after a transaction")


@check("keyvalue_transactional.4")
async def no_batch_shows_a_write_before_the_end(kv: TransactionsAndBatch, case: Case) -> None:
    """`batch_get` gives the old state while the block runs, and the new one after it."""
    other: Any = await case.client()
    await prepare(kv)
    writes = NEW["all kinds"]
    keys = [*OLD, "other"]

    async def body(transaction: Any) -> None:
        await write(transaction, writes)
        for client in (kv, other):
            expected = {key: held for key, held in OLD.items() if held is not None}
            same("keyvalue_transactional.4", await client.batch_get(keys), expected, "batch_get while a transaction is open")

    await transacted(kv, body, company=True)
    expected = {key: held for key, held in (OLD | writes).items() if held is not None}
    same("keyvalue_transactional.1", await other.batch_get(keys), expected, "batch_get after a transaction")


Plain = Callable[[Any], Awaitable[object]]
_PLAIN: dict[str, Plain] = {
    "get": lambda kv: kv.get("a"),
    "exists": lambda kv: kv.exists("a"),
    "set": lambda kv: kv.set("a", b"plain"),
    "delete": lambda kv: kv.delete("a"),
    "set of a new key": lambda kv: kv.set("missing", b"plain"),
}


async def _scanned(kv: Any) -> list[str]:
    return [key async for key in kv.scan_keys()]


async def _made(case: Case, call: Plain, caller: Any) -> None:
    try:
        with case.law("keyvalue_transactional.4"):
            await call(caller)
    except Conflict as error:
        raise Violation.of("keyvalue_transactional.4", "a plain call raised Conflict for an open transaction", got=error) from error


async def _expect_no_waiting(case: Case, kv: Any, call: Plain, touched: str, other: bool) -> None:
    """Make a plain call inside the body of a transaction that read and wrote the same keys; then let it end as it may."""
    caller = await case.client() if other else kv
    await prepare(kv)
    for attempt in range(2):
        try:
            async with kv.transaction() as transaction:
                for key in ("a", "missing"):
                    if touched != "written":
                        await transaction.get(key)
                    if touched != "read":
                        await transaction.set(key, b"inside")
                if touched == "deleted":
                    await transaction.delete("a")
                await _made(case, call, caller)
        except Conflict:
            value("keyvalue_transactional.6", await kv.get("b"), b"old b", f"attempt {attempt + 1} changed another key")
    await transacted(kv, lambda transaction: transaction.set("b", b"next"))
    value("keyvalue_transactional.1", await caller.get("b"), b"next", "the next transaction is not there")


_TOUCHED = ("read", "written", "both", "deleted")


def _waits(*calls: str) -> Any:
    return lambda limits: [
        {"call": call, "touched": t, "other": other} for call in calls for t in _TOUCHED for other in (False, True)
    ]


@check("keyvalue_transactional.4")
@gauntlet(_waits(*_PLAIN))
async def a_plain_call_never_waits(kv: KeyValueTransactional, case: Case, call: str, touched: str, other: bool) -> None:
    """On keys that an open transaction read, wrote or deleted, plain calls of either client return at once."""
    await _expect_no_waiting(case, kv, _PLAIN[call], touched, other)


@check("keyvalue_transactional.4")
@gauntlet(_waits("scan"))
async def a_scan_never_waits(kv: TransactionsAndScan, case: Case, call: str, touched: str, other: bool) -> None:
    """Nor does a scan."""
    await _expect_no_waiting(case, kv, _scanned, touched, other)


@check("keyvalue_transactional.4")
@gauntlet(_waits("set", "delete"))
async def a_batch_never_waits(kv: TransactionsAndBatch, case: Case, call: str, touched: str, other: bool) -> None:
    """Nor does a batch."""
    calls: dict[str, Plain] = {
        "set": lambda client: client.batch_set({"a": b"1", "missing": b"2"}),
        "delete": lambda client: client.batch_delete(["a", "missing"]),
    }
    await _expect_no_waiting(case, kv, calls[call], touched, other)


@check("keyvalue_transactional.4")
@gauntlet(_waits("swap", "create"))
async def a_swap_never_waits(kv: TransactionsAndCas, case: Case, call: str, touched: str, other: bool) -> None:
    """Nor does a comparison."""
    calls: dict[str, Plain] = {
        "swap": lambda client: client.compare_and_swap("a", b"old a", b"x"),
        "create": lambda client: client.compare_and_swap("missing", None, b"x"),
    }
    await _expect_no_waiting(case, kv, calls[call], touched, other)


@check("keyvalue_transactional.4")
@gauntlet(_waits("set_with_ttl", "expire"))
async def a_deadline_never_waits(kv: TransactionsAndTtl, case: Case, call: str, touched: str, other: bool) -> None:
    """Nor does a deadline."""
    calls: dict[str, Plain] = {
        "set_with_ttl": lambda client: client.set_with_ttl("a", b"x", 1e6),
        "expire": lambda client: client.expire("a", 1e6),
    }
    await _expect_no_waiting(case, kv, calls[call], touched, other)


@check("keyvalue_transactional.4", "keyvalue_transactional.5")
@gauntlet(lambda limits: [{"other": other, "deletes": deletes} for other in (False, True) for deletes in (False, True)])
async def plain_writes_inside_a_body_take_effect_at_once(kv: KeyValueTransactional, case: Case, other: bool, deletes: bool) -> None:
    """They are not part of the transaction: seen at once, and kept when it is given up."""

    class GiveUpError(Exception):
        pass

    client = await case.client() if other else kv
    await prepare(kv)
    try:
        async with kv.transaction() as transaction:
            await transaction.set("inside", b"x")
            await (client.delete("b") if deletes else client.set("b", b"plain"))
            value("keyvalue_transactional.4", await kv.get("b"), None if deletes else b"plain", "a plain write inside a body")
            raise GiveUpError
    except GiveUpError:
        pass
    expected = OLD | {"b": None if deletes else b"plain", "inside": None}
    await expect("keyvalue_transactional.2", kv, expected, "after a transaction that was given up, with a plain write in its body")


_SEEN = "a write is seen while its transaction is open"
_MIXED = "a transaction reads another one's write"


@check("keyvalue_transactional.7", "keyvalue_transactional.4", "keyvalue_transactional.3")
@gauntlet(
    lambda limits: [
        {"number": number, "order": order, "clients": clients}
        for number in (2, 3, 10)
        for order in ("first in, first out", "last in, first out")
        for clients in (1, 2)
    ]
)
async def transactions_open_side_by_side_are_apart(
    kv: KeyValueTransactional, case: Case, number: int, order: str, clients: int
) -> None:
    """Each has its own view and its own end: none reads, commits or discards what another one wrote."""
    crowd = [kv, *[await case.client() for _ in range(clients - 1)]]
    crew = _Crew()
    for index in range(number):
        await crew.enter(index, crowd[index % clients])
    await crew.each(lambda index, transaction: transaction.set("shared", b"%d" % index))
    await crew.each(lambda index, transaction: transaction.set(f"own {index}", b"%d" % index))
    for index, got in (await crew.each(lambda index, transaction: transaction.get("shared"))).items():
        value("keyvalue_transactional.3", got, b"%d" % index, _MIXED)
    for got in (await crew.each(lambda index, transaction: transaction.delete(f"own {index}"))).values():
        truth("keyvalue_transactional.3", got, True, "delete inside, of its own write")
    await crew.each(lambda index, transaction: transaction.set(f"own {index}", b"%d" % index))
    value("keyvalue_transactional.4", await kv.get("shared"), None, _SEEN)
    last: bytes | None = None
    for index in sorted(crew.opened, reverse=order.startswith("last")):
        committed = await crew.leave(index)
        last = b"%d" % index if committed else last
        promise = "keyvalue_transactional.1" if committed else "keyvalue_transactional.6"
        value(promise, await kv.get("shared"), last, "the last transaction that committed wins")
        for rest in crew.opened:
            value("keyvalue_transactional.4", await kv.get(f"own {rest}"), None, _SEEN)
        if committed:
            value("keyvalue_transactional.1", await kv.get(f"own {index}"), last, "a committed write is not there")


class _Crew:
    """Transactions open at once. Who meets `Conflict`, at whatever call, is left by it and is out."""

    def __init__(self) -> None:
        self.opened: dict[int, tuple[Any, Any]] = {}

    async def enter(self, index: int, client: Any) -> None:
        manager = client.transaction()
        self.opened[index] = (manager, await manager.__aenter__())

    async def each(self, call: Callable[[int, Any], Awaitable[Any]]) -> dict[int, Any]:
        """Make one call in each, and return the answers."""
        answers = {}
        for index, (_, transaction) in list(self.opened.items()):
            try:
                answers[index] = await call(index, transaction)
            except Conflict as error:
                await self.leave(index, error)
        return answers

    async def leave(self, index: int, error: Conflict | None = None) -> bool:
        """Leave one block, and say whether it committed."""
        manager, _ = self.opened.pop(index)
        try:
            await manager.__aexit__(type(error) if error else None, error, None)
        except Conflict:
            return False
        return error is None


class _GiveUpError(Exception):
    """Raised in a body."""


_MANY = 130
"""More than a pool has connections that was not made for transactions which keep one each: some begin with a hundred."""


@check("keyvalue_transactional.4")
async def many_that_are_open_keep_nobody_waiting(kv: KeyValueTransactional, case: Case) -> None:
    """Beside more open transactions than a pool has connections, each of which has read, others begin and plain calls end."""
    await kv.set("k", b"v")
    with suppress(_GiveUpError), law("keyvalue_transactional.4"):
        async with AsyncExitStack() as stack:
            for number in range(_MANY):
                transaction = await stack.enter_async_context(kv.transaction())
                value("keyvalue_transactional.4", await transaction.get("k"), b"v", "beside others that are open, a transaction")
                await transaction.set(f"by {number}", b"x")
            await kv.set("k", b"beside them")
            value("keyvalue_transactional.4", await kv.get("k"), b"beside them", f"a plain read beside {_MANY} open transactions")
            value("keyvalue_transactional.4", await kv.get("by 0"), None, _SEEN)
            raise _GiveUpError


@check("keyvalue_transactional.7", "keyvalue_transactional.2")
@gauntlet(
    lambda limits: [{"inner": inner, "outer": outer} for inner in ("commits", "gives up") for outer in ("commits", "gives up")]
)
async def a_transaction_inside_another_is_one_of_its_own(kv: KeyValueTransactional, case: Case, inner: str, outer: str) -> None:
    """Nested blocks commit and give up apart: what the inner one does is neither part of the outer one nor undone by it."""
    for _ in range(TRIES):
        committed = {"inner": False, "outer": False}
        await kv.delete("inner")
        try:
            async with kv.transaction() as around:
                await around.set("outer", b"o")
                try:
                    async with kv.transaction() as within:
                        value("keyvalue_transactional.7", await within.get("outer"), None, _MIXED)
                        await within.set("inner", b"i")
                        if inner == "gives up":
                            raise _GiveUpError
                    committed["inner"] = True
                except _GiveUpError:
                    pass
                expected = b"i" if committed["inner"] else None
                value("keyvalue_transactional.7", await kv.get("inner"), expected, "the inner transaction has ended, the outer not")
                value("keyvalue_transactional.3", await around.get("outer"), b"o", "the outer transaction's own write")
                if outer == "gives up":
                    raise _GiveUpError
            committed["outer"] = True
        except _GiveUpError:
            pass
        except Conflict:
            continue
        expected = b"o" if committed["outer"] else None
        value("keyvalue_transactional.7", await kv.get("outer"), expected, f"the outer transaction, which {outer}")
        expected = b"i" if committed["inner"] else None
        value("keyvalue_transactional.7", await kv.get("inner"), expected, f"the inner transaction, which {inner}")
        return
    case.note("a transaction inside another one met Conflict each time")
