"""key-values: who connects while others are at work takes nothing of theirs for something that a dead one left."""

from prism_suites._judging import same, value
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import Conflict, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.outcomes import law

_KEYS = 1200
"""More than a page of most."""


@check("keyvalue_transactional.1", "keyvalue_transactional.4", "keyvalue_transactional.6")
async def a_newcomer_leaves_a_transaction_that_is_open(kv: KeyValueTransactional, case: Case) -> None:
    """A transaction in which somebody connects is seen by nobody before its exit, and then by all, or was a needless conflict."""
    await kv.set("read", b"1")
    written: bytes | None = b"2"
    try:
        async with kv.transaction() as transaction:
            value("keyvalue_transactional.3", await transaction.get("read"), b"1", "what a transaction reads")
            await transaction.set("written", b"2")
            newcomer = await case.newcomer()
            value("keyvalue_transactional.4", await newcomer.get("written"), None, "a newcomer sees what is not committed")
            value("keyvalue_transactional.4", await newcomer.get("read"), b"1", "a newcomer, while a transaction is open")
    except Conflict:
        written = None
    promise = "keyvalue_transactional.1" if written else "keyvalue_transactional.6"
    for client in (newcomer, await case.newcomer(), kv):
        value(promise, await client.get("written"), written, "what a transaction wrote in which somebody connected")


@check("keyvalue_scan.3")
async def a_newcomer_leaves_a_scan_that_is_open(kv: KeyValueScan, case: Case) -> None:
    """A scan goes on to its end, each key once, when somebody connects between two of its steps."""
    names = [f"k{number:04}" for number in range(64 if case.server else _KEYS)]
    for name in names:
        await kv.set(name, b"v")
    found: list[str] = []
    with law("keyvalue_scan.3"):
        async for name, _ in kv.scan("k"):
            found.append(name)
            if len(found) in (1, len(names) // 2):
                await (await case.newcomer()).exists(name)
    same("keyvalue_scan.3", sorted(found), names, "what a scan gives during which somebody connected")


@check("keyvalue_ttl.1", "keyvalue_ttl.6")
async def a_newcomer_leaves_deadlines(kv: KeyValueTtl, case: Case) -> None:
    """A key lives on with its deadline when somebody connects."""
    await kv.set_with_ttl("k", b"v", 40_000.0)
    newcomer = await case.newcomer()
    for client in (newcomer, kv):
        value("keyvalue_ttl.1", await client.get("k"), b"v", "a key that has a deadline, after somebody connected")
        left = await client.ttl("k")
        same("keyvalue_ttl.6", left is not None and 30_000.0 < left <= 40_000.0, True, f"a newcomer changes a deadline: {left}")
