"""keyvalue_basic: what is set is read, what is missing is missing, and `delete` and `exists` tell the truth."""

from collections.abc import Iterator, Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import truth, value
from prism_suites._keyvalue_bulk import holds, numbered, set_all
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.outcomes import law
from prism_testkit.strategies import gauntlet_payloads, patterned, payload_partners, payload_pools, sizes
from prism_testkit.strategies.hypothesis_strategies import payloads
from prism_testkit.traits import Limits

_CHUNK = 32
_CHEAP = 4200
_SMALL = 16
_MEGABYTES = 6_000_000
_SPANS_S = (1.0, 60.0, 3600.0, 86_400.0, 604_800.0, 2_678_400.0)


def _chunks(limits: Limits) -> Iterator[Mapping[str, Any]]:
    """The gauntlet of payloads: small ones in turn on one key, each large one in a case of its own."""
    small = list(gauntlet_payloads(limits.max_payload, most=_CHEAP))
    yield from ({"values": tuple(small[start : start + _CHUNK])} for start in range(0, len(small), _CHUNK))
    yield from ({"values": (payload,)} for payload in gauntlet_payloads(limits.max_payload) if len(payload) > _CHEAP)


@check("keyvalue_basic.1", "keyvalue_basic.5")
@gauntlet(_chunks)
@given(values=payload_pools(1, 6))
async def every_value_is_read_as_it_was_written(kv: KeyValueBasic, values: tuple[bytes, ...]) -> None:
    """`get` returns, byte for byte and as ``bytes``, what the latest `set` stored (KV-02, KV-04)."""
    for data in values:
        await kv.set("a", data)
        value("keyvalue_basic.1", await kv.get("a"), data, "get returned something else than was set")
        if len(data) <= _SMALL:
            truth("keyvalue_basic.5", await kv.exists("a"), True, "exists does not find a key that get finds")


def _successions(limits: Limits) -> Iterator[Mapping[str, Any]]:
    """Values that follow each other on one key: shorter, empty, longer, equal, and alike but for a little."""
    ladder = [patterned(size) for size in sizes(min(limits.max_payload, _CHEAP))]
    longest = patterned(limits.max_payload, seed=1)
    yield {"values": (b"abc", b"", b"a", b"abc", b"abd", b"ab")}
    yield {"values": (b"same", b"same", b"other", b"same", b"same")}
    yield {"values": (b"", b"", b"x", b"", b"\x00", b"")}
    yield {"values": tuple(reversed(ladder))}
    yield {"values": tuple(data for size in ladder[1:] for data in (ladder[-1], size[::-1]))}
    yield {"values": (longest, b"short", longest[1:], b"", longest[:-1], longest)}
    # Each ends where a part of the one before may begin that is kept beside.
    yield {"values": (longest, *(patterned(2**power, power) for power in range(20, 11, -1) if 2**power <= limits.max_payload))}
    for base in (b"1", b"a b", b"abc", patterned(min(limits.max_payload, 1025))):
        yield {"values": tuple(data for other in payload_partners(base, limits.max_payload) for data in (base, other))}


@check("keyvalue_basic.1", "keyvalue_basic.4")
@gauntlet(_successions)
@given(values=payload_pools(2, 6))
async def the_latest_value_replaces_the_one_before(kv: KeyValueBasic, values: tuple[bytes, ...]) -> None:
    """Of several values the last is read, whole and alone; one `delete` removes it and uncovers none before it."""
    await kv.set("b", b"beside")
    for data in values:
        await kv.set("a", data)
        value("keyvalue_basic.1", await kv.get("a"), data, "get does not return the latest value of the key")
    await _is_deleted(kv, "a")
    value("keyvalue_basic.4", await kv.get("b"), b"beside", "writes and deletes of one key changed another")


@check("keyvalue_basic.1")
async def a_key_is_overwritten_any_number_of_times(kv: KeyValueBasic, case: Case) -> None:
    """The hundredth and the thousandth `set` of a key count as the first did."""
    await kv.set("b", b"beside")
    for number in range(130 if case.server else 1030):
        await kv.set("a", b"%d" % number)
        value("keyvalue_basic.1", await kv.get("a"), b"%d" % number, "get does not return the latest value of the key")
    value("keyvalue_basic.4", await kv.get("b"), b"beside", "overwriting one key changed another")


async def _is_missing(kv: KeyValueBasic, name: str, promise: str, why: str) -> None:
    value(promise, await kv.get(name), None, f"get finds a key that {why}")
    truth("keyvalue_basic.5", await kv.exists(name), False, f"exists finds a key that {why}")


async def _is_deleted(kv: KeyValueBasic, name: str) -> None:
    truth("keyvalue_basic.4", await kv.delete(name), True, "delete says that a present key was missing")
    await _is_missing(kv, name, "keyvalue_basic.4", "was deleted")
    truth("keyvalue_basic.4", await kv.delete(name), False, "delete of a deleted key says that it was present")


@check("keyvalue_basic.2", "keyvalue_basic.5")
@gauntlet(
    lambda limits: [{"name": name, "beside": beside} for name, beside in (("a", ()), ("a", ("ab", "b", "A")), ("ab", ("a",)))]
)
async def a_missing_key_reads_as_nothing(kv: KeyValueBasic, name: str, beside: tuple[str, ...]) -> None:
    """`get` says None, `exists` and `delete` say False, nothing raises and nothing is created (KV-01)."""
    await set_all(kv, dict.fromkeys(beside, b"x"))
    for _ in range(2):
        value("keyvalue_basic.2", await kv.get(name), None, "get of a key that was never written returns something")
        truth("keyvalue_basic.2", await kv.exists(name), False, "exists finds a key that was never written")
        truth("keyvalue_basic.2", await kv.delete(name), False, "delete of a key that was never written says it was present")
    await holds(kv, dict.fromkeys(beside, b"x"), "keyvalue_basic.4", "asking for a missing key changed another")
    await kv.set(name, b"y")
    value("keyvalue_basic.1", await kv.get(name), b"y", "a key that was asked for while it was missing does not hold what was set")


@check("keyvalue_basic.2", "keyvalue_basic.4", "keyvalue_basic.5")
async def an_empty_value_is_not_absence(kv: KeyValueBasic, case: Case) -> None:
    """A key that holds an empty value is present for every method and every client (KV-03)."""
    for client in (kv, await case.client()):
        await kv.set("a", b"")
        value("keyvalue_basic.2", await client.get("a"), b"", "get does not return an empty value")
        truth("keyvalue_basic.5", await client.exists("a"), True, "exists does not find a key with an empty value")
        truth("keyvalue_basic.4", await client.delete("a"), True, "delete says that a key with an empty value was missing")
        await _is_missing(kv, "a", "keyvalue_basic.4", "was deleted")


def _deleted(limits: Limits) -> Iterator[Mapping[str, Any]]:
    yield from ({"values": (data, b"again")} for data in (b"x", b"", b"\x00", b"0", b"False", b"null", b"x" * 60))
    yield {"values": (patterned(limits.max_payload), b"x", b"", patterned(min(limits.max_payload, 70_000)), b"x")}


@check("keyvalue_basic.4", "keyvalue_basic.5", "keyvalue_basic.1")
@gauntlet(_deleted)
@given(values=payload_pools(1, 4))
async def delete_says_whether_the_key_was_there(kv: KeyValueBasic, values: tuple[bytes, ...]) -> None:
    """A present key is deleted once, whatever it holds, and may be written and deleted again (KV-06)."""
    for data in values:
        await kv.set("a", data)
        await _is_deleted(kv, "a")
        await kv.set("a", data)
        value("keyvalue_basic.1", await kv.get("a"), data, "a key that was written again after its deletion is not read")
        truth("keyvalue_basic.5", await kv.exists("a"), True, "exists does not find a key written again after its deletion")
        await _is_deleted(kv, "a")


@check("keyvalue_basic.4")
async def deleting_and_writing_again_never_wears_out(kv: KeyValueBasic, case: Case) -> None:
    """The hundredth deletion of one key is as true as the first."""
    await kv.set("b", b"beside")
    for number in range(30 if case.server else 300):
        await kv.set("a", b"%d" % number)
        truth("keyvalue_basic.4", await kv.delete("a"), True, "delete says that a present key was missing")
        await _is_missing(kv, "a", "keyvalue_basic.4", "was deleted")
    value("keyvalue_basic.4", await kv.get("b"), b"beside", "deleting one key changed another")


@check("keyvalue_basic.4", "keyvalue_basic.1")
@gauntlet(lambda limits: [{"data": data} for data in (b"", b"x", patterned(min(limits.max_payload, 5000)))])
@given(data=payloads())
async def keys_with_equal_values_are_apart(kv: KeyValueBasic, data: bytes) -> None:
    """Of keys that hold the same bytes one may be overwritten or deleted, and the others keep theirs."""
    items = dict.fromkeys("abcd", data)
    await set_all(kv, items)
    truth("keyvalue_basic.4", await kv.delete("b"), True, "delete says that a present key was missing")
    await kv.set("c", b"other")
    await holds(
        kv, {"a": data, "c": b"other", "d": data}, "keyvalue_basic.4", "a key changed with another that held the same bytes"
    )
    await _is_missing(kv, "b", "keyvalue_basic.4", "was deleted")
    await kv.set("c", data)
    truth("keyvalue_basic.4", await kv.delete("a"), True, "delete says that a present key was missing")
    await holds(kv, {"c": data, "d": data}, "keyvalue_basic.4", "a key changed with another that held the same bytes")


@check("keyvalue_basic.1", "keyvalue_basic.5", "keyvalue_basic.4")
async def arguments_may_be_given_by_name(kv: KeyValueBasic) -> None:
    """Every method takes its arguments by keyword too, as the interface names them."""
    await kv.set(value=b"x", key="a")
    value("keyvalue_basic.1", await kv.get(key="a"), b"x", "get returned something else than was set")
    truth("keyvalue_basic.5", await kv.exists(key="a"), True, "exists does not find a key that get finds")
    truth("keyvalue_basic.4", await kv.delete(key="a"), True, "delete says that a present key was missing")


_OPERATIONS = ("set a", "delete a", "set b", "delete b", "empty a")


@check("keyvalue_basic.5", "keyvalue_basic.1", "keyvalue_basic.4")
@gauntlet(
    lambda limits: [
        {"steps": ("set a", "set b", "delete a", "delete a", "empty a", "delete b", "set a")},
        {"steps": ("delete a", "set a", "set a", "delete a", "set b", "empty a", "empty a", "delete a", "delete b")},
    ]
)
@given(steps=st.lists(st.sampled_from(_OPERATIONS), min_size=1, max_size=10).map(tuple))
async def exists_agrees_with_get_at_every_step(kv: KeyValueBasic, steps: tuple[str, ...]) -> None:
    """`exists` is True exactly when `get` returns a value, after every write and every deletion."""
    model: dict[str, bytes] = {}
    for number, step in enumerate(steps):
        operation, _, name = step.partition(" ")
        if operation == "delete":
            truth("keyvalue_basic.4", await kv.delete(name), name in model, "delete does not say whether the key was there")
            model.pop(name, None)
        else:
            model[name] = b"" if operation == "empty" else b"%d" % number
            await kv.set(name, model[name])
        for known in ("a", "b"):
            truth("keyvalue_basic.5", await kv.exists(known), known in model, "exists does not say what get would find")
            value("keyvalue_basic.1", await kv.get(known), model.get(known), "get does not return what the key holds")


@check("keyvalue_basic.1", "keyvalue_basic.5")
async def a_value_does_not_age(kv: KeyValueBasic, case: Case) -> None:
    """A key without a time to live is there after any time, on a clock that can be moved; on others, at once."""
    await kv.set("a", b"x")
    for seconds in _SPANS_S if case.clock.virtual else (0.0,):
        if seconds:
            await case.advance(seconds)
        value("keyvalue_basic.1", await kv.get("a"), b"x", "a key without a time to live is gone or changed after some time")
        truth("keyvalue_basic.5", await kv.exists("a"), True, "exists does not find a key that get finds")


@check("keyvalue_basic.1", "keyvalue_basic.4")
async def many_keys_are_kept(kv: KeyValueBasic, case: Case) -> None:
    """However many keys there are, each reads as its value; deleting half of them leaves the rest."""
    items = numbered(f"k{number}" for number in range(130 if case.server else 1100))
    await set_all(kv, items)
    await holds(kv, items, "keyvalue_basic.1", f"of {len(items)} keys one does not read as its value")
    for name in list(items)[::2]:
        truth("keyvalue_basic.4", await kv.delete(name), True, "delete says that a present key was missing")
        del items[name]
    await holds(kv, items, "keyvalue_basic.4", "deleting some keys changed another")
    await _is_missing(kv, "k0", "keyvalue_basic.4", "was deleted")


@check("keyvalue_basic.1")
async def several_values_of_the_largest_size_are_kept(kv: KeyValueBasic, case: Case) -> None:
    """The largest value is the limit of one value, not of all together."""
    count = min(8, max(2, (_MEGABYTES // 3 if case.server else _MEGABYTES) // case.limits.max_payload))
    items = {f"k{number}": patterned(case.limits.max_payload, seed=number) for number in range(count)}
    with law("keyvalue_basic.1"):
        await set_all(kv, items)
    await holds(kv, items, "keyvalue_basic.1", "of several large values one is gone or changed")
