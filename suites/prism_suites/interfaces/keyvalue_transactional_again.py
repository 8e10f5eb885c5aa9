"""keyvalue_transactional: what is read twice in one transaction, while others change it and change it back."""

from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueTransactional


async def _set_to(kv: Any, held: bytes | None) -> None:
    await (kv.delete("x") if held is None else kv.set("x", held))


@check("keyvalue_transactional.5", "keyvalue_transactional.6")
@gauntlet(
    lambda limits: [
        {"states": states, "writes": writes, "other": other}
        for states in ((None, b"1", None), (b"0", b"1", b"0"), (b"0", None, b"0"), (b"0", b"", b"0"), (b"0", b"1", b"2", b"0"))
        for writes in (False, True)
        for other in (False, True)
    ]
)
async def what_is_read_twice_is_one(
    kv: KeyValueTransactional, case: Case, states: tuple[bytes | None, ...], writes: bool, other: bool
) -> None:
    """A transaction that read one key as two things commits nothing, though it be again what it was at first (KV-56)."""
    by = await case.client() if other else kv
    await _set_to(kv, states[0])
    seen: list[bytes | None] = []
    try:
        async with kv.transaction() as transaction:
            for held in (*states[1:], None):
                seen.append(await transaction.get("x"))
                if len(seen) < len(states):
                    await _set_to(by, held)
            if writes:
                await transaction.set("y", b"from it")
    except Conflict:
        return
    if len(set(seen)) > 1:
        broken(
            "keyvalue_transactional.5",
            "a transaction commits that read one key as different things",
            expected="Conflict, or the same each time",
            got=seen,
        )
