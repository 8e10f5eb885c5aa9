"""keyvalue: two calls of one kind, by one client, at once: each has its own arguments, its own effect and its own answer."""

from typing import Any

from prism_suites._at_once import Kind, Sides, each_does_its_own, each_of
from prism_suites._keyvalue_bulk import drained
from prism_suites._keyvalue_looks import seconds_left
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.case import Case
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic, KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl

_LONG = b"of b, which is longer"


async def _values(sides: Sides, *keys: str) -> list[Any]:
    return [await sides.slot.get(key) for key in keys or ("a", "b")]


async def _filled(sides: Sides) -> None:
    await sides.slot.set("a", b"of a")
    await sides.slot.set("b", _LONG)


async def _sets(sides: Sides) -> None:
    await sides.both(sides.slot.set("a", b"of a"), sides.slot.set("b", _LONG))
    sides.same(await _values(sides), [b"of a", _LONG], "one writes what is the other's")


async def _gets(sides: Sides) -> None:
    await _filled(sides)
    sides.same(await sides.both(sides.slot.get("a"), sides.slot.get("b")), (b"of a", _LONG), "one gives what is the other's")
    sides.same(await sides.both(sides.slot.get("a"), sides.slot.get("c")), (b"of a", None), "one gives what is the other's")
    sides.same(await sides.both(sides.slot.exists("a"), sides.slot.exists("c")), (True, False), "one tells of the other's key")


async def _deletes(sides: Sides) -> None:
    await _filled(sides)
    sides.same(await sides.both(sides.slot.delete("a"), sides.slot.delete("c")), (True, False), "one tells of the other's key")
    sides.same(await _values(sides), [None, _LONG], "one deletes what is the other's, or another key")


async def _scans(sides: Sides) -> None:
    kv = sides.slot
    for prefix, count in (("p", 3), ("q", 5)):
        for number in range(count):
            await kv.set(f"{prefix}{number}", b"x")
    found = await sides.both(drained(kv.scan_keys("p")), drained(kv.scan_keys("q", 4)))
    sides.same([len(each) for each in found], [3, 4], "one gives other keys, or another number")
    sides.same([{key[0] for key in each} for each in found], [{"p"}, {"q"}], "one gives what is the other's")
    pairs = await sides.both(drained(kv.scan("p", 2)), drained(kv.scan("q")))
    sides.same([len(each) for each in pairs], [2, 5], "one gives other keys, or another number")
    sides.same(await sides.both(kv.count("p"), kv.count("q")), (3, 5), "count tells what is the other's")


async def _close(sides: Sides, wanted: tuple[float, float]) -> None:
    found = await sides.both(seconds_left(sides.slot, "a"), seconds_left(sides.slot, "b"))
    fits = [isinstance(left, float | int) and 0.5 * most < left <= most for left, most in zip(found, wanted, strict=True)]
    sides.same(fits, [True, True], f"one has the deadline of the other: {found} s are left of {wanted}")


async def _deadlines(sides: Sides) -> None:
    kv = sides.slot
    await sides.both(kv.set_with_ttl("a", b"of a", 1e3), kv.set_with_ttl("b", _LONG, 1e5))
    sides.same(await _values(sides), [b"of a", _LONG], "one writes what is the other's")
    await _close(sides, (1e3, 1e5))
    await sides.both(kv.expire("a", 1e6), kv.expire("b", 1e4))
    await _close(sides, (1e6, 1e4))
    await kv.set("c", b"c")
    sides.same(await sides.both(kv.persist("a"), kv.persist("c")), (True, False), "persist tells of the other's key")
    sides.same([await seconds_left(kv, "a"), await seconds_left(kv, "b") is None], [None, False], "one persists the other's key")


async def _batches(sides: Sides) -> None:
    kv = sides.slot
    await sides.both(kv.batch_set({"a": b"of a", "c": b"c"}), kv.batch_set({"b": _LONG}))
    sides.same(await _values(sides, "a", "b", "c"), [b"of a", _LONG, b"c"], "one writes what is the other's")
    found = await sides.both(kv.batch_get(["a", "c"]), kv.batch_get(["b", "d"]))
    sides.same(found, ({"a": b"of a", "c": b"c"}, {"b": _LONG}), "one gives what is the other's")
    sides.same(await sides.both(kv.batch_delete(["a", "c"]), kv.batch_delete(["d"])), (2, 0), "one tells the number of the other")
    sides.same(await _values(sides, "a", "b", "c"), [None, _LONG, None], "one deletes what is the other's, or another key")


async def _swaps(sides: Sides) -> None:
    kv = sides.slot
    await _filled(sides)
    told = await sides.both(kv.compare_and_swap("a", b"of a", b"1"), kv.compare_and_swap("b", b"wrong", b"2"))
    sides.same(told, (True, False), "one compares with what is the other's")
    told = await sides.both(kv.compare_and_swap("c", None, b"3"), kv.compare_and_swap("b", _LONG, b"4"))
    sides.same(told, (True, True), "one compares with what is the other's")
    sides.same(await _values(sides, "a", "b", "c"), [b"1", b"4", b"3"], "one writes what is the other's")
    told = await sides.both(kv.compare_and_delete("a", b"1"), kv.compare_and_delete("b", b"1"))
    sides.same(told, (True, False), "one compares with what is the other's")
    sides.same(await _values(sides, "a", "b"), [None, b"4"], "one deletes what is the other's")


async def _transactions(sides: Sides) -> None:
    kv = sides.slot
    await _filled(sides)
    read: dict[str, Any] = {}

    def moves(source: str, target: str) -> Any:
        async def body(transaction: Any) -> None:
            read[source] = await transaction.get(source)
            await transaction.set(target, b"moved " + (read[source] or b"nothing"))
            await transaction.delete(source)

        return transacted(kv, body)

    await sides.both(moves("a", "c"), moves("b", "d"))
    sides.same(read, {"a": b"of a", "b": _LONG}, "a transaction reads what is the other's")
    wanted = [None, None, b"moved of a", b"moved " + _LONG]
    sides.same(await _values(sides, "a", "b", "c", "d"), wanted, "a transaction writes what is the other's")


_BASIC = "keyvalue_basic.10"
_KINDS: dict[str, Kind] = {
    "set": Kind(object, _BASIC, _sets),
    "get": Kind(object, _BASIC, _gets),
    "delete": Kind(object, _BASIC, _deletes),
    "scan": Kind(KeyValueScan, "keyvalue_scan.3", _scans),
    "deadline": Kind(KeyValueTtl, "keyvalue_ttl.11", _deadlines),
    "batch": Kind(KeyValueBatch, "keyvalue_batch.1", _batches),
    "swap": Kind(KeyValueCas, "keyvalue_cas.6", _swaps),
    "transaction": Kind(KeyValueTransactional, "keyvalue_transactional.7", _transactions),
}


@check(*dict.fromkeys(kind.promise for kind in _KINDS.values()))
@each_of(_KINDS)
async def of_two_calls_at_once_each_does_its_own(kv: KeyValueBasic, case: Case, kind: str, turned: bool) -> None:
    """Two calls of one kind are under way in one client, of two keys, with other arguments: neither has what is the other's."""
    await each_does_its_own(case, _KINDS, kind, turned)
