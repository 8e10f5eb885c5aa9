"""keyvalue_transactional: one transaction at a time, what it sees, and what is there when it is left."""

import asyncio
from collections.abc import Iterator
from functools import cache
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_confusables import confusable_names
from prism_suites._keyvalue_contents import NEW, OLD, expect, prepare, write
from prism_suites._keyvalue_retrying import transacted
from prism_testkit import strategies
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueTransactional
from prism_testkit.traits import Limits


@check("keyvalue_transactional.1", "keyvalue_basic.8", "keyvalue_basic.9")
@gauntlet(lambda limits: [{"writes": name, "reads": reads} for name in NEW for reads in (False, True)])
async def what_a_transaction_wrote_is_there_when_it_is_left(
    kv: KeyValueTransactional, case: Case, writes: str, reads: bool
) -> None:
    """Every write and delete takes effect, for every client, and in this namespace alone (KV-27, KV-05, KV-60)."""
    other, sibling = await case.client(), await case.sibling()
    await prepare(kv)
    await prepare(sibling)

    async def body(transaction: Any) -> None:
        for key, held in OLD.items() if reads else ():
            value("keyvalue_transactional.3", await transaction.get(key), held, f"a transaction reads {key}")
        await write(transaction, NEW[writes])

    await transacted(kv, body)
    after = OLD | NEW[writes]
    await expect("keyvalue_transactional.1", kv, after, "after a transaction")
    await expect("keyvalue_basic.8", other, after, "another client, after a transaction")
    await expect("keyvalue_basic.9", sibling, OLD, "another namespace, after a transaction")
    again = await transacted(other, lambda transaction: transaction.get("a"))
    value("keyvalue_basic.8", again, after["a"], "the next transaction of another client, after a transaction")


@check("keyvalue_basic.9", "keyvalue_transactional.1", "keyvalue_transactional.7")
@gauntlet(lambda limits: [{"first": first} for first in ("here", "there")])
async def transactions_of_two_namespaces_are_apart(kv: KeyValueTransactional, case: Case, first: str) -> None:
    """Open at once on one connection, on keys of the same names, each reads and writes its own namespace (KV-60)."""
    sibling = await case.sibling()
    await prepare(kv)
    stores = {"here": kv, "there": sibling}
    orders = [first, "there" if first == "here" else "here"]

    committed: set[str] = set()  # the outer one may conflict, needlessly, when the inner one is done

    async def body(transaction: Any, place: str) -> None:
        held = place.encode() if place in committed else OLD["a"] if place == "here" else None
        value("keyvalue_basic.9", await transaction.get("a"), held, f"a transaction reads another namespace, from {place}")
        await transaction.set("a", place.encode())
        await transaction.set(f"only {place}", b"x")

    async def both(outer: Any) -> None:
        await body(outer, orders[0])
        await transacted(stores[orders[1]], lambda inner: body(inner, orders[1]))
        committed.add(orders[1])

    await transacted(stores[orders[0]], both, company=True)
    for place, store in stores.items():
        expected = {"a": place.encode(), f"only {place}": b"x", "b": OLD["b"] if place == "here" else None}
        other = {f"only {name}": None for name in stores if name != place}
        await expect("keyvalue_basic.9", store, expected | other, f"after transactions in two namespaces, {place}")


@check("keyvalue_transactional.3", "keyvalue_transactional.1")
@gauntlet(lambda limits: [{"number": number} for number in (2, 12)])
async def calls_of_one_transaction_may_overlap(kv: KeyValueTransactional, number: int) -> None:
    """Several tasks that share a transaction read and write through it at once, as through a driver."""
    for index in range(number):
        await kv.set(f"read {index}", b"%d" % index)

    async def body(transaction: Any) -> None:
        got = await asyncio.gather(
            *(transaction.get(f"read {index}") for index in range(number)),
            *(transaction.set(f"written {index}", b"%d" % index) for index in range(number)),
            *(transaction.delete(f"read {index}") for index in range(number)),
        )
        same("keyvalue_transactional.3", got[number : 2 * number], [None] * number, "set inside, many at once")
        same("keyvalue_transactional.3", list(map(bool, got[2 * number :])), [True] * number, "delete inside, many at once")

    await transacted(kv, body)
    for index in range(number):
        value("keyvalue_transactional.1", await kv.get(f"written {index}"), b"%d" % index, "a write is not there, of many at once")
        value("keyvalue_transactional.1", await kv.get(f"read {index}"), None, "a delete did nothing, of many at once")


@check("keyvalue_transactional.1")
@gauntlet(lambda limits: [{"number": number} for number in (101, 1001)])
async def a_transaction_may_be_large(kv: KeyValueTransactional, case: Case, number: int) -> None:
    """A thousand writes are one transaction, and so are as many reads and deletes (KV-32)."""

    async def fill(transaction: Any) -> None:
        for index in range(number):
            await transaction.set(f"k{index}", b"%d" % index)

    async def remove(transaction: Any) -> int:
        found = 0
        for index in range(number):
            if index % 3 == 0:
                found += await transaction.get(f"k{index}") == b"%d" % index
            else:
                found += bool(await transaction.delete(f"k{index}"))
        return found

    await transacted(kv, fill)
    for index in (0, 1, number // 2, number - 1):
        value("keyvalue_transactional.1", await kv.get(f"k{index}"), b"%d" % index, "a write of a large transaction is not there")
    same("keyvalue_transactional.3", await transacted(kv, remove), number, "a large transaction does not find all that is there")
    for index in (0, 1, 2, 3, number - 2, number - 1):
        expected = b"%d" % index if index % 3 == 0 else None
        value("keyvalue_transactional.1", await kv.get(f"k{index}"), expected, "after two of three were deleted at once")


_TAKEN = "a transaction takes one key for another, of a similar name"


@cache
def _payloads(most: int) -> list[bytes]:
    return list(strategies.gauntlet_payloads(most))[::37]


@check("keyvalue_transactional.1", "keyvalue_basic.1", "keyvalue_basic.3")
@gauntlet(lambda limits: [{"names": names} for names in confusable_names(limits, most=7)])
async def names_and_values_in_a_transaction_are_what_they_are(
    kv: KeyValueTransactional, case: Case, names: tuple[str, ...]
) -> None:
    """Confusable names are keys of their own inside too, and values come back byte for byte (KV-02, KV-07, KV-08)."""
    payloads = list(strategies.gauntlet_payloads(min(case.limits.max_payload, 5000)))[::37]
    values = {name: payloads[(len(name) * 7 + number) % len(payloads)] + b"%d" % number for number, name in enumerate(names)}
    values = {name: held[-case.limits.max_payload :] for name, held in values.items()}

    async def body(transaction: Any) -> None:
        for name, held in values.items():
            value("keyvalue_basic.3", await transaction.get(name), None, _TAKEN)
            await transaction.set(name, held)
        for name, held in values.items():
            value("keyvalue_basic.3", await transaction.get(name), held, _TAKEN)

    await transacted(kv, body)
    for name, held in values.items():
        value("keyvalue_transactional.1", await kv.get(name), held, "a value that a transaction wrote is another")
    gone = await transacted(kv, lambda transaction: transaction.delete(names[0]))
    truth("keyvalue_transactional.3", gone, True, "delete says False of a key that is present")
    for name in names[1:]:
        value("keyvalue_basic.3", await kv.get(name), values[name], "a transaction deleted another key, of a similar name")


class _GiveUpError(Exception):
    """Raised in a body."""


_SCRIPTS: tuple[str, ...] = (
    "set get",
    "set set get",
    "set delete get",
    "set delete set get",
    "delete get",
    "delete delete",
    "delete set get",
    "delete set delete",
    "get set get",
    "get delete get",
    "get get",
    "set delete delete get",
    "delete set set delete set get",
)


def _inside(limits: Limits) -> Iterator[dict[str, Any]]:
    for script in _SCRIPTS:
        here = [(kind, 0, number % 3) for number, kind in enumerate(script.split())]
        yield from ({"script": here, "held": [held, b"beside"], "ends": "commit"} for held in (None, b"old"))
        both = [(kind, number % 2, number % 3) for number, kind in enumerate(script.split())]
        yield {"script": both, "held": [b"", b""], "ends": "commit"}
        yield {"script": both, "held": [b"old", None], "ends": "error"}


@check("keyvalue_transactional.3", "keyvalue_transactional.1", "keyvalue_transactional.2")
@gauntlet(_inside)
@given(
    script=st.lists(
        st.tuples(st.sampled_from(("get", "set", "delete")), st.integers(0, 3), st.integers(0, 4)), min_size=1, max_size=12
    ),
    held=st.lists(st.sampled_from((None, b"", b"old")), min_size=4, max_size=4),
    ends=st.sampled_from(("commit", "commit", "error")),
)
async def inside_a_transaction_its_own_writes_count(
    kv: KeyValueTransactional, script: list[tuple[str, int, int]], held: list[bytes | None], ends: str
) -> None:
    """It reads its own writes and deletes, the last one of a key wins, and delete says what it sees (KV-04)."""
    state = {f"k{number}": before for number, before in enumerate(held)}
    before = dict(state)
    for key, stored in state.items():
        if stored is not None:
            await kv.set(key, stored)

    async def body(transaction: Any) -> None:
        state.update(before)
        for kind, where, what in script:
            key, stored = f"k{where}", (b"", b"one", b"two", b"\x00", b"old")[what]
            seen = state[key]
            if kind == "set":
                await transaction.set(key, stored)
                state[key] = stored
            elif kind == "get":
                value("keyvalue_transactional.3", await transaction.get(key), seen, f"get inside a transaction, of {key}")
            else:
                truth("keyvalue_transactional.3", await transaction.delete(key), seen is not None, f"delete inside, of {key}")
                state[key] = None
        if ends == "error":
            raise _GiveUpError

    try:
        await transacted(kv, body)
    except _GiveUpError:
        await expect("keyvalue_transactional.2", kv, before, "after a transaction that was given up")
    else:
        await expect("keyvalue_transactional.3", kv, state, "after a transaction, where the last write of a key wins")


@check("keyvalue_basic.7", "keyvalue_transactional.8")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("bytearray", "memoryview", "bytes")])
async def a_transaction_keeps_a_copy_of_what_it_is_given(kv: KeyValueTransactional, kind: str) -> None:
    """A buffer changed before the commit, or after it, changes nothing that is read or stored (KV-11)."""
    buffer = bytearray(b"given")

    async def body(transaction: Any) -> None:
        buffer[:] = b"given"
        await transaction.set("k", {"bytearray": buffer, "memoryview": memoryview(buffer), "bytes": bytes(buffer)}[kind])
        buffer[:] = b"taken"
        value("keyvalue_basic.7", await transaction.get("k"), b"given", "a buffer changed after the call is read inside")

    await transacted(kv, body)
    value("keyvalue_basic.7", await kv.get("k"), b"given", "a buffer changed before the commit changed what is stored")
    buffer[:] = b"again"
    value("keyvalue_basic.7", await kv.get("k"), b"given", "a buffer changed after the commit changed what is stored")


@check("keyvalue_basic.6", "keyvalue_transactional.1")
async def names_and_values_at_the_limit_are_accepted_inside(kv: KeyValueTransactional, case: Case) -> None:
    """A key of ``max_name`` bytes and a value of ``max_payload`` bytes are written, read and deleted (KV-02)."""
    longest, largest = "n" * case.limits.max_name, strategies.patterned(case.limits.max_payload)

    async def body(transaction: Any) -> None:
        await transaction.set(longest, largest)
        value("keyvalue_basic.6", await transaction.get(longest), largest, "a transaction reads its own write at the limit")

    await transacted(kv, body)
    value("keyvalue_basic.6", await kv.get(longest), largest, "a transaction wrote a name and a value at the limit")
    gone = await transacted(kv, lambda transaction: transaction.delete(longest))
    truth("keyvalue_basic.6", gone, True, "delete inside, of a name at the limit")
    value("keyvalue_basic.6", await kv.get(longest), None, "a transaction deleted a name at the limit")
