"""Many keys at once: stored as quickly as the backend offers, read back one by one, or listed; every answer is judged."""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from typing import Any

from prism_suites._judging import broken, same, value
from prism_testkit.case import Case
from prism_testkit.interfaces import KeyValueBasic, KeyValueBatch, KeyValueScan
from prism_testkit.tap import offers

__all__ = ["counts", "drained", "holds", "listed", "listed_keys", "lists", "numbered", "reads", "same_names", "set_all", "store"]


def numbered(names: Iterable[str], mark: str = "") -> dict[str, bytes]:
    """Give each name a value of its own."""
    return {name: f"{mark}{number}".encode() for number, name in enumerate(names)}


async def set_all(kv: KeyValueBasic, items: Mapping[str, bytes]) -> None:
    """Store items by single calls."""
    for name, data in items.items():
        await kv.set(name, data)


async def store(case: Case, kv: KeyValueBasic, items: Mapping[str, bytes]) -> None:
    """Store items where that only sets the scene: on a server in one batch if that is offered, for each round trip costs."""
    batch = await _batch(case)
    if batch is None:
        await set_all(kv, items)
    else:
        await batch.batch_set(items)


async def reads(case: Case, kv: KeyValueBasic, items: Mapping[str, bytes], promise: str, sentence: str) -> None:
    """Judge as `holds` does; on a server in one batch if that is offered, and key by key only what that did not find right."""
    batch = await _batch(case)
    if batch is not None:
        got = await batch.batch_get(list(items))
        items = {name: data for name, data in items.items() if got.get(name) != data}
    await holds(kv, items, promise, sentence)


async def _batch(case: Case) -> KeyValueBatch | None:
    whole = await case.whole() if case.server else None
    return whole if whole is not None and offers(whole, KeyValueBatch) else None


async def holds(kv: KeyValueBasic, items: Mapping[str, bytes], promise: str, sentence: str) -> None:
    """Judge that every key reads as its value; another key's value breaks the promise that names do not alias."""
    for name, data in items.items():
        got = await kv.get(name)
        if got != data and got is not None and got in items.values():
            other = next(other for other in items if items[other] == got)
            broken("keyvalue_basic.3", f"get gives the value of another key, {other[:40]!a}", expected=data, got=got)
        value(promise, got, data, sentence)


async def drained(iterator: AsyncIterator[Any]) -> list[Any]:
    """Return everything that an iterator gives."""
    return [item async for item in iterator]


async def listed(kv: KeyValueScan, prefix: str = "", limit: int | None = None) -> dict[str, bytes]:
    """Return what `scan` gives; judge that these are pairs of text and bytes, and no key comes twice."""
    found: dict[str, bytes] = {}
    async for item in kv.scan(prefix, limit):
        if not (isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str) and isinstance(item[1], bytes)):
            broken("keyvalue_scan.1", "scan gives something else than a key and its value", expected="(str, bytes)", got=item)
        if item[0] in found:
            broken("keyvalue_scan.1", "scan gives a key twice", expected="each key once", got=item[0])
        found[item[0]] = item[1]
    return found


async def listed_keys(kv: KeyValueScan, prefix: str = "", limit: int | None = None) -> list[str]:
    """Return what `scan_keys` gives; judge that it is text, and no key comes twice."""
    found: dict[str, None] = {}
    async for name in kv.scan_keys(prefix, limit):
        if not isinstance(name, str) or name in found:
            broken("keyvalue_scan.5", "scan_keys gives something else than each key once", expected="each key once", got=name)
        found[name] = None
    return list(found)


async def lists(kv: KeyValueScan, items: Mapping[str, bytes], prefix: str = "", promise: str = "keyvalue_scan.1") -> None:
    """Judge that `scan`, `scan_keys` and `count` give exactly the ``items`` that begin with ``prefix``."""
    expected = {name: data for name, data in items.items() if name[: len(prefix)] == prefix}
    found = await listed(kv, prefix)
    same_names(found, expected, f"scan({prefix[:40]!a})", promise, prefix)
    for name, data in expected.items():
        same("keyvalue_scan.1", found[name], data, f"scan gives another value of {name[:40]!a} than it holds")
    same_names(await listed_keys(kv, prefix), expected, f"scan_keys({prefix[:40]!a})", "keyvalue_scan.5", prefix)
    counts(await kv.count(prefix), len(expected), prefix)


def same_names(found: Collection[str], expected: Collection[str], call: str, promise: str, prefix: str) -> None:
    """Judge that a listing gave exactly the expected names."""
    for name in found:
        if name[: len(prefix)] != prefix:
            broken("keyvalue_scan.2", f"{call} gives a key that does not begin with the prefix", expected=prefix, got=name)
        if name not in expected:
            broken(promise, f"{call} gives a key that is not there", expected=f"{len(expected)} other keys", got=name)
    known = set(found)
    missing = [name for name in expected if name not in known]
    if missing:
        told = f"{call} leaves out {len(missing)} of {len(expected)} keys, {missing[0][:40]!a} among them"
        broken(promise, told, expected=missing[0], got=f"{len(known)} keys without it")


def counts(got: object, expected: int, prefix: str) -> None:
    """Judge a count."""
    if not isinstance(got, int) or got != expected:
        broken("keyvalue_scan.5", f"count({prefix[:40]!a}) is not the number of keys that scan gives", expected=expected, got=got)
