"""keyvalue_batch: a batch does what the same single calls would do, and says what they would say."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, truth, value
from prism_suites._keyvalue_bulk import holds, numbered, set_all
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch
from prism_testkit.outcomes import law
from prism_testkit.strategies import gauntlet_payloads, name_groups, patterned, payload_pools, universes
from prism_testkit.traits import Limits

__all__ = ["gives", "removes"]

_CHEAP = 4200


async def gives(kv: KeyValueBatch, asked: Sequence[str], items: Mapping[str, bytes], sentence: str) -> None:
    """Judge `batch_get`: exactly the ``items`` among those ``asked``; where the store itself is wrong, what wrote it is."""
    expected = {name: items[name] for name in asked if name in items}
    got: Any = await kv.batch_get(asked)
    if not isinstance(got, dict):
        broken("keyvalue_batch.2", "batch_get returns something else than a dict", expected="dict", got=got)
    for name in expected:
        if name not in got or got[name] != expected[name]:
            promise = "keyvalue_batch.2" if await kv.get(name) == expected[name] else "keyvalue_batch.1"
            broken(promise, f"batch_get of {len(asked)} keys: {sentence}", expected={name: expected[name]}, got=got.get(name))
    for name, data in got.items():
        if name not in expected:
            broken(
                "keyvalue_batch.2",
                "batch_get gives a key that is missing, or was not asked for",
                expected="left out",
                got={name: data},
            )
        if not isinstance(data, bytes) or not isinstance(name, str):
            broken("keyvalue_batch.2", "batch_get gives something else than bytes", expected=expected[name], got=data)


async def removes(kv: KeyValueBatch, names: Sequence[str], expected: int) -> None:
    """Judge what `batch_delete` returns."""
    got: Any = await kv.batch_delete(names)
    if not isinstance(got, int) or got != expected:
        sentence = f"batch_delete of {len(names)} keys returned another number than were present"
        broken("keyvalue_batch.3", sentence, expected=expected, got=got)


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_basic.3")
@gauntlet(lambda limits: [{"names": names} for names in name_groups(limits.max_name)])
@given(names=universes())
async def look_alikes_in_one_batch_stay_apart(kv: KeyValueBatch, case: Case, names: tuple[str, ...]) -> None:
    """Names that differ in any code point are keys of their own within one batch, whatever it does (KV-07, KV-08, KV-25)."""
    half = numbered(names[1::2])
    with law("keyvalue_batch.1"):
        await kv.batch_set(half)
    with law("keyvalue_batch.2"):
        await gives(kv, names, half, "a key does not hold what the batch gave it")
    items = numbered(names, "all ")
    with law("keyvalue_batch.1"):
        await kv.batch_set(items)
    await gives(kv, names, items, "a key does not hold what the batch gave it")
    if not case.server:
        await holds(kv, items, "keyvalue_batch.1", "get does not return what batch_set stored")
    await removes(kv, names[::2], len(names[::2]))
    await gives(kv, names, {name: items[name] for name in names[1::2]}, "batch_delete removed another key")


def _chunks(limits: Limits) -> Iterator[Mapping[str, Any]]:
    small = list(gauntlet_payloads(limits.max_payload, most=_CHEAP))
    yield from ({"values": tuple(small[start : start + 48])} for start in range(0, len(small), 48))
    yield {"values": (patterned(limits.max_payload), b"", patterned(limits.max_payload - 1, seed=1), b"small")}


@check("keyvalue_batch.1", "keyvalue_batch.2")
@gauntlet(_chunks)
@given(values=payload_pools(1, 6))
async def every_value_passes_a_batch_unchanged(kv: KeyValueBatch, values: tuple[bytes, ...]) -> None:
    """`batch_set` stores and `batch_get` returns any bytes of any length, byte for byte (KV-02, KV-03)."""
    items = {f"k{number}": data for number, data in enumerate(values)}
    with law("keyvalue_batch.1"):
        await kv.batch_set(items)
    await gives(kv, list(items), items, "a value is not read as it was written")
    for name in list(items)[::8]:
        value("keyvalue_batch.1", await kv.get(name), items[name], "get does not return what batch_set stored")
    await removes(kv, list(items), len(items))
    await gives(kv, list(items), {}, "")


@check("keyvalue_batch.4")
@gauntlet(lambda limits: [{"empty": []}, {"empty": ()}])
async def an_empty_batch_does_nothing(kv: KeyValueBatch, empty: Sequence[str]) -> None:
    """It succeeds, over an empty namespace and a full one, and neither means everything."""
    full: dict[str, bytes] = {"a": b"1", "b": b""}
    for items in ({}, full):
        await set_all(kv, items)
        with law("keyvalue_batch.4"):
            await kv.batch_set({})
            same("keyvalue_batch.4", await kv.batch_get(empty), {}, "batch_get of no keys gives something else than nothing")
            same("keyvalue_batch.4", await kv.batch_delete(empty), 0, "batch_delete of no keys does not return 0")
        await holds(kv, items, "keyvalue_batch.4", "an empty batch changed a key")


@check("keyvalue_batch.2", "keyvalue_batch.4")
@gauntlet(
    lambda limits: [
        {"asked": asked}
        for asked in (
            *(("a",), ("missing",), ("a", "missing"), ("missing", "a"), ("a", "b", "e"), ("e",), ("x", "y", "z"), ("a", "a")),
            *(("a", "missing", "a", "missing", "b"), ("A", "a", "aa", "ab"), ("e", "e", "x", "x"), ("b", "x", "e", "y", "a", "z")),
        )
    ]
)
async def batch_get_leaves_out_what_is_missing(kv: KeyValueBatch, asked: tuple[str, ...]) -> None:
    """Exactly the present keys are in the answer, those with an empty value too, whatever the order and repeats (KV-25)."""
    items = {"a": b"1", "b": b"2", "ab": b"12", "e": b""}
    await gives(kv, asked, {}, "")
    await set_all(kv, items)
    await gives(kv, asked, items, "a present key is left out or wrong")
    await gives(kv, list(asked), items, "a present key is left out or wrong")
    await gives(kv, asked[::-1], items, "a present key is left out or wrong")
    await holds(kv, items, "keyvalue_batch.2", "reading a batch changed a key")
    for name in set(asked) - set(items):
        value("keyvalue_batch.2", await kv.get(name), None, "reading a batch created a key")


@check("keyvalue_batch.3")
@gauntlet(
    lambda limits: [
        {"names": names}
        for names in (
            *(
                ("a",),
                ("missing",),
                ("a", "a"),
                ("a", "a", "a", "b"),
                ("missing", "missing"),
                ("a", "missing"),
                ("missing", "b", "a"),
            ),
            *(("e",), ("e", "e", "a"), ("a", "b", "ab", "e"), ("b", "x", "b", "y", "b"), ("A", "aa", "ab"), tuple("abab" * 10)),
        )
    ]
)
async def batch_delete_counts_the_present_keys_once(kv: KeyValueBatch, names: tuple[str, ...]) -> None:
    """It returns how many keys were there; missing ones and repeats count nothing, and no other key goes (KV-26)."""
    items = {"a": b"1", "b": b"2", "ab": b"12", "e": b""}
    await set_all(kv, items)
    await removes(kv, names, len(set(names) & set(items)))
    left = {name: data for name, data in items.items() if name not in names}
    for name in dict.fromkeys((*items, *names)):
        value("keyvalue_batch.3", await kv.get(name), left.get(name), "batch_delete left a key or removed another")
    await removes(kv, names, 0)
    await kv.batch_set(items)
    await gives(kv, [*items, *names], items, "a key that was deleted in a batch cannot be written again")


@check("keyvalue_batch.1")
@gauntlet(
    lambda limits: [{"values": values} for values in ((b"longer", b"", b"x"), (b"same", b"same", b"other"), (b"", b"a", b""))]
)
@given(values=payload_pools(2, 5))
async def a_batch_replaces_what_was_there(kv: KeyValueBatch, values: tuple[bytes, ...]) -> None:
    """Keys that exist, that are new and that were deleted hold the batch's values afterwards, and only those."""
    await set_all(kv, {"old": b"old value", "beside": b"beside", "gone": b"gone"})
    await kv.delete("gone")
    for data in values:
        items = {"old": data, "gone": data[:40] + b"1", "new": data[:40] + b"2"}
        await kv.batch_set(items)
        await holds(kv, items | {"beside": b"beside"}, "keyvalue_batch.1", "after batch_set a key does not hold its value")
        await gives(kv, ["beside", *items], items | {"beside": b"beside"}, "a key does not hold what the batch gave it")


_SCRIPT = (
    *("get a b", "exists a", "read a", "put a b", "read a", "exists b", "get a b", "set a", "get a b", "delete a", "get a b"),
    *("exists a", "put a", "delete a", "drop a b", "read b", "exists b", "delete b", "set b", "drop a b", "get a b", "put b c"),
    *(
        "set c",
        "get b c",
        "put b c",
        "read c",
        "drop b",
        "exists b",
        "exists c",
        "drop c",
        "read c",
        "set c",
        "read c",
        "get a b c",
    ),
)


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3", "keyvalue_basic.5")
@gauntlet(lambda limits: [{"script": _SCRIPT}])
async def batches_and_single_calls_see_each_other(kv: KeyValueBatch, script: tuple[str, ...]) -> None:
    """On one driver, whatever a single call wrote or read before, a batch sees what is there, and the other way round."""
    model: dict[str, bytes] = {}
    for number, step in enumerate(script):
        operation, *names = step.split()
        if operation in ("put", "set"):
            items = {name: b"%d %d" % (number, place) for place, name in enumerate(names)}
            await (kv.batch_set(items) if operation == "put" else kv.set(names[0], items[names[0]]))
            model |= items
        elif operation == "drop":
            await removes(kv, names, len([name for name in names if model.pop(name, None) is not None]))
        elif operation == "delete":
            gone = model.pop(names[0], None) is not None
            truth("keyvalue_batch.1", await kv.delete(names[0]), gone, "delete does not see what batches did")
        elif operation == "get":
            await gives(kv, names, model, "a key does not hold what was written last")
        elif operation == "read":
            value("keyvalue_batch.1", await kv.get(names[0]), model.get(names[0]), "get does not see what batches did")
        else:
            truth("keyvalue_batch.1", await kv.exists(names[0]), names[0] in model, "exists does not see what batches did")


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3")
async def arguments_of_batches_may_be_given_by_name(kv: KeyValueBatch) -> None:
    """Every batch takes its argument by keyword too, as the interface names it."""
    await kv.batch_set(items={"a": b"1", "b": b"2"})
    same("keyvalue_batch.2", await kv.batch_get(keys=["a", "b"]), {"a": b"1", "b": b"2"}, "batch_get does not give what was set")
    same("keyvalue_batch.3", await kv.batch_delete(keys=["a", "b"]), 2, "batch_delete returned another number than were present")


_STEPS = tuple(f"{operation} {start} {count}" for operation in ("set", "get", "delete") for start in range(6) for count in range(5))


@check("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3")
@gauntlet(lambda limits: [{"names": ("a", "b", "ab"), "steps": ("set 0 3", "delete 1 2", "get 0 4", "set 1 1", "delete 0 4")}])
@given(names=universes(2, 6), steps=st.lists(st.sampled_from(_STEPS), min_size=1, max_size=10).map(tuple))
async def a_batch_equals_the_same_single_calls(
    kv: KeyValueBatch, case: Case, names: tuple[str, ...], steps: tuple[str, ...]
) -> None:
    """Two namespaces, one written by batches and one by single calls, answer alike at every step (KV-25, KV-26)."""
    singles: KeyValueBatch = await case.sibling()
    for number, step in enumerate(steps):
        operation, start, count = step.split()
        chosen = [names[(int(start) + place) % len(names)] for place in range(int(count))]
        if operation == "set":
            items = {name: b"%d %d" % (number, place) for place, name in enumerate(chosen)}
            await kv.batch_set(items)
            await set_all(singles, items)
        elif operation == "delete":
            await removes(kv, chosen, [await singles.delete(name) for name in chosen].count(True))
        else:
            await gives(kv, chosen, await _present(singles, chosen), "batch_get says something else than get")
    await gives(kv, names, await _present(singles, names), "batches left something else than single calls")


async def _present(kv: KeyValueBatch, names: Sequence[str]) -> dict[str, bytes]:
    found = {name: await kv.get(name) for name in names}
    return {name: data for name, data in found.items() if data is not None}


@check("keyvalue_basic.8", "keyvalue_batch.1")
@gauntlet(lambda limits: [{"names": names[:4]} for names in (("a", "b", "ab"), *name_groups(limits.max_name)[::40])])
@given(names=universes(2, 4))
async def every_client_sees_a_batch(kv: KeyValueBatch, case: Case, names: tuple[str, ...]) -> None:
    """What one client wrote or deleted in a batch any other sees at once, single or in a batch, whatever it saw before."""
    other: KeyValueBatch = await case.client()
    await _sees(other, names, {})
    for reader, writer in ((other, kv), (kv, other)):
        for mark in ("first ", "second "):
            items = numbered(names, mark)
            await writer.batch_set(items)
            await _sees(reader, names, items)
        await reader.set(names[0], b"single")
        same("keyvalue_basic.8", (await writer.batch_get(names)).get(names[0]), b"single", "a batch does not see another's write")
        same("keyvalue_basic.8", await writer.batch_delete(names[:2]), 2, "a batch does not delete what another client wrote")
        await _sees(reader, names, {name: items[name] for name in names[2:]})


async def _sees(kv: KeyValueBatch, names: Sequence[str], items: Mapping[str, bytes]) -> None:
    same("keyvalue_basic.8", await kv.batch_get(names), items, "a client does not see in a batch what another wrote")
    for name in names:
        value("keyvalue_basic.8", await kv.get(name), items.get(name), "a client does not see what another wrote in a batch")


@check("keyvalue_basic.9")
@gauntlet(lambda limits: [{"names": names[:6]} for names in (("a", "b", "ab"), *name_groups(limits.max_name)[::40])])
@given(names=universes(2, 6))
async def batches_stay_in_their_namespace(kv: KeyValueBatch, case: Case, names: tuple[str, ...]) -> None:
    """No batch sees, counts or removes what was written in another namespace (KV-60)."""
    sibling: KeyValueBatch = await case.sibling()
    here, there = numbered(names, "here "), numbered(names, "there ")
    await kv.batch_set(here)
    same("keyvalue_basic.9", await sibling.batch_get(names), {}, "batch_get gives keys of another namespace")
    same("keyvalue_basic.9", await sibling.batch_delete(names), 0, "batch_delete counts keys of another namespace")
    await sibling.batch_set(there)
    for space, items in ((kv, here), (sibling, there)):
        same("keyvalue_basic.9", await space.batch_get(names), items, "a namespace does not hold what was written in it")
    same("keyvalue_basic.9", await kv.batch_delete(names), len(names), "batch_delete does not count the keys of its namespace")
    same("keyvalue_basic.9", await sibling.batch_get(names), there, "batch_delete removed keys of another namespace")
