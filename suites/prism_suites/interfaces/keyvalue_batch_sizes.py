"""keyvalue_batch: there is no limit on the number of items, nor on the size of all of them together."""

from prism_suites._judging import same, value
from prism_suites._keyvalue_bulk import holds
from prism_suites._keyvalue_looks import seconds_left
from prism_suites.interfaces.keyvalue_batch import gives, removes
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueTtl
from prism_testkit.outcomes import law
from prism_testkit.strategies import patterned
from prism_testkit.tap import offers

_PAGES = (10, 16, 20, 25, 50, 64, 100, 128, 200, 250, 256, 500, 512, 999, 1000, 1024)
_SIZES = (1, 2, 3, *sorted({size for page in _PAGES for size in (page, page + 1)}), 2000, 5001)
_ON_A_SERVER = frozenset({1, 10, 11, 26, 101, 129, 257, 501, 1001, 1025, 2000})
_TOTAL = 6_000_000


def _items(count: int, mark: str = "") -> dict[str, bytes]:
    return {f"k{number * 257 % 5003:04}": f"{mark}{number}".encode() if number % 13 != 7 else b"" for number in range(count)}


@check("keyvalue_batch.4", "keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3")
@gauntlet(lambda limits: [{"count": count} for count in _SIZES])
async def a_batch_of_any_number_of_items_is_done_whole(kv: KeyValueBatch, case: Case, count: int) -> None:
    """From one item to two thousand every key is written, read and deleted, around every size of chunk in use (KV-26)."""
    if case.server and count not in _ON_A_SERVER:
        return
    items, other = _items(count), await case.client()
    await kv.set("beside", b"beside")
    value("keyvalue_batch.1", await other.get("beside"), b"beside", "another client does not find a key")
    last = list(items)[-1]
    with law("keyvalue_batch.4"):
        await kv.batch_set(items)
        value("keyvalue_batch.1", await other.get(last), items[last], "another client does not find the last item of a batch")
        await gives(kv, list(items), items, "a key of a large batch does not hold its value")
        few = list(items)[:: max(1, count // 20)]
        await holds(kv, {name: items[name] for name in (*few, last)}, "keyvalue_batch.1", "get does not find an item")
        await removes(kv, list(items), count)
        same("keyvalue_batch.3", await kv.batch_get(list(items)), {}, "keys are there after a large batch_delete of them")
    for name in (few[0], last):
        value("keyvalue_batch.3", await kv.get(name), None, "get finds a key that a large batch deleted")
    value("keyvalue_batch.3", await kv.get("beside"), b"beside", "a large batch_delete removed another key")


@check("keyvalue_batch.3", "keyvalue_batch.2", "keyvalue_batch.4")
@gauntlet(lambda limits: [{"count": count} for count in (100, 256, 1001, 2000)])
async def a_large_batch_may_be_half_missing(kv: KeyValueBatch, count: int) -> None:
    """Of many keys asked for, read or deleted, only those that are there are given and counted, repeats once (KV-25)."""
    items = _items(count)
    present = dict(list(items.items())[::3])
    await kv.batch_set(present)
    await gives(kv, list(items), present, "a present key among many missing ones is left out or wrong")
    await gives(kv, [*items, *items], present, "a present key that was asked for twice is left out or wrong")
    gone = list(items)[: count // 2]
    await removes(kv, [*gone, *gone], len([name for name in gone if name in present]))
    left = {name: data for name, data in present.items() if name not in set(gone)}
    await gives(kv, list(items), left, "after a large batch_delete a key is wrong")
    await removes(kv, list(items), len(left))
    await removes(kv, list(items), 0)


@check("keyvalue_batch.1", "keyvalue_batch.4", "keyvalue_ttl.3")
@gauntlet(lambda limits: [{"count": count} for count in (101, 130, 1001)])
async def a_large_batch_overwrites_whole(kv: KeyValueBatch, case: Case, count: int) -> None:
    """A second batch over the same and further keys replaces every value of the first, and takes deadlines away wherever in it
    they are."""
    old = _items(count, "old ")
    await kv.batch_set(old)
    whole = await case.whole()
    living = list(old)[:: max(1, count // 12)] if offers(whole, KeyValueTtl) else []
    for name in living:
        await whole.expire(name, 1e6)
    items = _items(count + 50, "new ")
    await kv.batch_set(items)
    await gives(kv, list(items), items, "a key still holds what an earlier batch gave it")
    for name in living:
        same("keyvalue_ttl.3", await seconds_left(whole, name), None, f"a batch of {len(items)} leaves the deadline of {name}")


@check("keyvalue_batch.4", "keyvalue_batch.1")
async def the_limit_of_a_value_is_not_one_of_a_batch(kv: KeyValueBatch, case: Case) -> None:
    """Several values of the largest size go in one batch, and come out of one (KV-26)."""
    longest = case.limits.max_payload
    count = min(60, max(3, (_TOTAL // 2 if case.server else _TOTAL) // longest))
    items = {f"k{number}": patterned(longest, seed=number) for number in range(count)}
    with law("keyvalue_batch.4"):
        await kv.batch_set(items)
        await gives(kv, list(items), items, "of several large values one is wrong")
        await removes(kv, list(items), count)


@check("keyvalue_batch.4", "keyvalue_basic.3")
async def long_names_do_not_fill_a_batch(kv: KeyValueBatch, case: Case) -> None:
    """A few hundred names of the largest size, with empty values, are a batch like any other."""
    longest = case.limits.max_name
    items = {f"{number:04}".rjust(longest, "n"): b"" for number in range(300)}
    with law("keyvalue_batch.4"):
        await kv.batch_set(items)
        await gives(kv, [*items, *(name[1:] for name in items)], items, "a key with a long name is wrong")
        await removes(kv, list(items), len(items))


@check("keyvalue_batch.4", "keyvalue_batch.2", "keyvalue_batch.3")
async def more_names_than_a_statement_has_parameters_are_a_batch(kv: KeyValueBatch, case: Case) -> None:
    """Tens of thousands of names are read and deleted in one batch, wherever among them the few that are present are.

    Servers are asked at a higher level, for some need a round trip for each.
    """
    if case.server:
        return
    names = [f"k{number}" for number in range(32_770)]
    items = {names[number]: b"%d" % number for number in (0, 1000, 32_765, 32_766, 32_769)}
    with law("keyvalue_batch.4"):
        await kv.batch_set(items)
        await gives(kv, names, items, "of the keys that are present among many missing ones one is left out, or wrong")
        await removes(kv, names, len(items))
        same("keyvalue_batch.3", await kv.batch_get(list(items)), {}, "keys are there after a large batch_delete of them")


@check("keyvalue_batch.4", "keyvalue_batch.2", "keyvalue_batch.3", level="thorough")
@gauntlet(lambda limits: [{"count": count} for count in (5001, 10_001, 16_385, 32_768, 65_536, 70_000)])
async def tens_of_thousands_of_items_are_a_batch(kv: KeyValueBatch, count: int) -> None:
    """More items than a statement has parameters, or a packet room, are still one batch (KV-26)."""
    items = {f"k{number}": b"%d" % number for number in range(count)}
    with law("keyvalue_batch.4"):
        await kv.batch_set(items)
        await gives(kv, list(items), items, "a key of a large batch does not hold its value")
        await removes(kv, list(items), count)
