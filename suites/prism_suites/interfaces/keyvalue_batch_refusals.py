"""keyvalue_batch: one refused name or value refuses the whole batch, with nothing done."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from prism_suites._judging import refused, value
from prism_suites._keyvalue_bulk import holds, numbered, set_all
from prism_suites.interfaces.keyvalue_basic_limits import bad_names, longest_names
from prism_suites.interfaces.keyvalue_batch import gives, removes
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, KeyValueBatch, PayloadTooLarge
from prism_testkit.outcomes import law
from prism_testkit.strategies import over, patterned
from prism_testkit.traits import Limits

_OLD = {"k0": b"old", "k2": b"", "beside": b"beside"}


async def _nothing_was_done(kv: KeyValueBatch, names: Sequence[str]) -> None:
    await holds(kv, _OLD, "keyvalue_batch.5", "a refused batch changed or removed a key")
    for name in names:
        if name not in _OLD:
            value("keyvalue_batch.5", await kv.get(name), None, "a refused batch wrote one of its items")
    await kv.batch_set({"beside": b"beside"})
    await gives(kv, list(_OLD), _OLD, "after a refusal batches do not work")


def _put(names: Sequence[str], place: int, bad: Any) -> list[Any]:
    """Return the names with a bad one at ``place``."""
    return [*names[:place], bad, *names[place:]]


def _places(limits: Limits) -> Iterator[Mapping[str, Any]]:
    """Each kind of bad name first and last; the commonest also in the middle, alone, and in the later chunks of a large batch."""
    for bad, _ in bad_names(limits.max_name):
        yield from ({"bad": bad, "count": 4, "place": place} for place in (0, 4))
    for bad in ("", "n" * (limits.max_name + 1), "\ud800"):
        yield from ({"bad": bad, "count": count, "place": count // 2} for count in (0, 4))
        yield from ({"bad": bad, "count": count, "place": place} for count in (101, 1030) for place in (count, count - 1))


@check("keyvalue_batch.5")
@gauntlet(_places)
async def one_bad_name_refuses_the_batch(kv: KeyValueBatch, bad: str, count: int, place: int) -> None:
    """`InvalidName` for a name that is empty, too long or holds a surrogate, wherever it stands; nothing is done (KV-09)."""
    names = [f"k{number}" for number in range(count)]
    await set_all(kv, _OLD)
    items = dict.fromkeys(_put(names, place, bad), b"new")
    await refused("keyvalue_batch.5", kv.batch_set(items), InvalidName, "batch_set with a bad name is not refused by InvalidName")
    asked = _put(names, place, bad)
    await refused("keyvalue_batch.5", kv.batch_get(asked), InvalidName, "batch_get with a bad name is not refused by InvalidName")
    await refused("keyvalue_batch.5", kv.batch_delete(asked), InvalidName, "batch_delete with a bad name is not refused")
    await _nothing_was_done(kv, [*names[:4], *names[-1:]])


def _sizes(limits: Limits) -> Iterator[Mapping[str, Any]]:
    for size in over(limits.max_payload):
        yield from ({"size": size, "count": 4, "place": place} for place in (0, 2, 3))
    for count in (1, 101, 1030):
        yield {"size": limits.max_payload + 1, "count": count, "place": count - 1}


@check("keyvalue_batch.5")
@gauntlet(_sizes)
async def one_value_over_the_limit_refuses_the_batch(kv: KeyValueBatch, size: int, count: int, place: int) -> None:
    """`PayloadTooLarge`, wherever the value stands and whatever its key held; nothing is done (KV-10)."""
    await set_all(kv, _OLD)
    for large in (bytes(size), bytearray(size), memoryview(bytes(size))):
        items: dict[str, Any] = {f"k{number}": b"new" for number in range(count)}
        items[f"k{place}"] = large
        sentence = f"batch_set with a {type(large).__name__} over the limit is not refused by PayloadTooLarge"
        await refused("keyvalue_batch.5", kv.batch_set(items), PayloadTooLarge, sentence)
    await _nothing_was_done(kv, [*list(items)[:4], *list(items)[-1:]])


@check("keyvalue_batch.5")
@gauntlet(lambda limits: [{"bad": bad, "place": place} for bad in (b"k1", None, 1, ("k1",)) for place in (0, 2, 4)])
async def one_name_that_is_no_text_refuses_the_batch(kv: KeyValueBatch, bad: Any, place: int) -> None:
    """A key that is not ``str`` raises ``TypeError`` from each batch, and nothing is done."""
    names = ["k0", "k1", "k2", "k3"]
    await set_all(kv, _OLD)
    asked = _put(names, place, bad)
    sentence = "with a key that is not text is not refused by TypeError"
    await refused("keyvalue_batch.5", kv.batch_set(dict.fromkeys(asked, b"new")), TypeError, f"batch_set {sentence}")
    await refused("keyvalue_batch.5", kv.batch_get(asked), TypeError, f"batch_get {sentence}")
    await refused("keyvalue_batch.5", kv.batch_delete(asked), TypeError, f"batch_delete {sentence}")
    await _nothing_was_done(kv, names)


@check("keyvalue_batch.5")
@gauntlet(lambda limits: [{"bad": bad, "place": place} for bad in ("text", None, 5, [97], 1.5) for place in (0, 2, 3)])
async def one_value_that_is_no_bytes_refuses_the_batch(kv: KeyValueBatch, bad: Any, place: int) -> None:
    """A value that is not bytes-like raises ``TypeError``, and nothing is done."""
    await set_all(kv, _OLD)
    items: dict[str, Any] = {f"k{number}": b"new" for number in range(4)}
    items[f"k{place}"] = bad
    sentence = "a batch with a value that is not bytes-like is not refused by TypeError"
    await refused("keyvalue_batch.5", kv.batch_set(items), TypeError, sentence)
    await _nothing_was_done(kv, list(items))


@check("keyvalue_batch.5", "keyvalue_batch.1")
async def names_and_values_at_the_limit_are_accepted(kv: KeyValueBatch, case: Case) -> None:
    """Names of the largest size in characters of any width, and values of the largest size, go in a batch (KV-02)."""
    items = numbered(dict.fromkeys(longest_names(case.limits.max_name)))
    items["large"] = patterned(case.limits.max_payload)
    items["n" * case.limits.max_name] = patterned(case.limits.max_payload, seed=1)
    with law("keyvalue_batch.5"):
        await kv.batch_set(items)
        await gives(kv, list(items), items, "a name or value of the largest size is wrong")
        await removes(kv, list(items), len(items))
