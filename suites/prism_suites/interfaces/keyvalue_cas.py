"""keyvalue_cas: a swap happens exactly if the value is the expected one, whole and byte for byte, and else nothing does."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Protocol

from hypothesis import given

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_confusables import confusable_payloads, distant_payloads
from prism_testkit import strategies
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueCas, KeyValueScan
from prism_testkit.traits import Limits


class CasAndScan(KeyValueCas, KeyValueScan, Protocol):
    """Swaps and scans of one driver."""


_REFUSED = "a swap from the value that is there is refused"
_SUCCEEDS = "a swap from a value that is not there succeeds"
_DROPPED = "compare_and_delete of a value that is not there succeeds"
_KEPT = "compare_and_delete of the value that is there is refused"
_NOT_CREATED = "a missing key is not created"


def _every_second(data: bytes) -> memoryview:
    spread = bytearray(2 * len(data))
    spread[::2] = data
    return memoryview(spread)[::2]


_KINDS: dict[str, Callable[[bytes], Any]] = {
    "bytes": bytes,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "every second byte": _every_second,
}


@check("keyvalue_cas.1", "keyvalue_cas.4")
@gauntlet(
    lambda limits: [
        {"size": size, "expected": expected, "new": new}
        for size in (0, 1, 17, 4097, limits.max_payload)
        for expected, new in [*zip(_KINDS, _KINDS, strict=True), ("bytes", "memoryview"), ("bytearray", "bytes")]
        if size <= min(limits.max_payload, 5000) or (size == limits.max_payload and (expected, new) == ("bytearray", "bytes"))
    ]
)
async def a_swap_from_the_value_that_is_there_succeeds(kv: KeyValueCas, size: int, expected: str, new: str) -> None:
    """Whatever bytes-like type it is given as, the value is compared, replaced and read back (KV-15, KV-11)."""
    old, following = strategies.patterned(size), strategies.patterned(size, 1)
    await kv.set("k", old)
    buffer = _KINDS[new](following)
    truth("keyvalue_cas.1", await kv.compare_and_swap("k", _KINDS[expected](old), buffer), True, _REFUSED)
    if isinstance(buffer, bytearray):
        buffer[:] = b"\xee" * size
    value("keyvalue_cas.1", await kv.get("k"), following, "a swap stored another value than the new one")
    dropped = await kv.compare_and_delete("k", _KINDS[expected](following))
    truth("keyvalue_cas.4", dropped, True, _KEPT)
    value("keyvalue_cas.4", await kv.get("k"), None, "compare_and_delete leaves the key")
    truth("keyvalue_cas.2", await kv.compare_and_swap("k", None, _KINDS[new](old)), True, _NOT_CREATED)
    value("keyvalue_cas.2", await kv.get("k"), old, "a key was created with another value than the new one")


def _chains(limits: Limits) -> Iterator[dict[str, Any]]:
    payloads = list(strategies.gauntlet_payloads(limits.max_payload, most=70_000))
    for start in range(0, len(payloads), 40):
        yield {"links": tuple(payloads[start : start + 40])}


@check("keyvalue_cas.1")
@gauntlet(_chains)
async def any_value_can_be_stored_and_expected(kv: KeyValueCas, links: tuple[bytes, ...]) -> None:
    """Every payload of the gauntlet is swapped in from the one before, and out for the next (KV-02)."""
    before: bytes | None = None
    for link in links:
        truth(
            "keyvalue_cas.1", await kv.compare_and_swap("k", before, link), True, _REFUSED if before is not None else _NOT_CREATED
        )
        before = link
    value("keyvalue_cas.1", await kv.get("k"), before, "a swap stored another value than the new one")
    truth("keyvalue_cas.4", await kv.compare_and_delete("k", before or b""), True, _KEPT)


def _pairs(limits: Limits) -> Iterator[dict[str, Any]]:
    for held, others in (*confusable_payloads(limits), *distant_payloads(limits)):
        yield {"held": held, "others": others}


@check("keyvalue_cas.5", "keyvalue_cas.3", "keyvalue_cas.1", "keyvalue_cas.4")
@gauntlet(_pairs)
async def values_that_are_not_equal_in_every_byte_are_not_equal(kv: KeyValueCas, held: bytes, others: tuple[bytes, ...]) -> None:
    """Prefixes, other cases, spellings, lengths and single bytes anywhere tell values apart, both ways (KV-16, KV-19)."""
    await kv.set("k", held)
    await kv.set("rolling", held)
    before = held
    for number, other in enumerate(others):
        truth("keyvalue_cas.5", await kv.compare_and_swap("k", other, b"new"), False, _SUCCEEDS)
        if number % 2:
            truth("keyvalue_cas.5", await kv.compare_and_delete("k", other), False, _DROPPED)
        else:
            truth("keyvalue_cas.1", await kv.compare_and_swap("rolling", before, other), True, _REFUSED)
            truth("keyvalue_cas.5", await kv.compare_and_swap("rolling", held, b"new"), False, _SUCCEEDS)
            before = other
    truth("keyvalue_cas.5", await kv.compare_and_delete("rolling", held), before == held, _DROPPED)
    value("keyvalue_cas.3", await kv.get("k"), held, "swaps that failed changed the value")
    value("keyvalue_cas.3", await kv.get("rolling"), before, "swaps that failed changed the value")


@check("keyvalue_cas.5", "keyvalue_cas.1", "keyvalue_cas.3")
@given(pool=strategies.payload_pools(2, 5))
async def drawn_values_are_told_apart(kv: KeyValueCas, pool: tuple[bytes, ...]) -> None:
    """Of drawn values, most of them confusable, a swap succeeds from the one that is there and from no other."""
    held: bytes | None = None
    for following in pool:
        for other in (None, *pool):
            if other != held:
                got = await kv.compare_and_swap("k", other, b"new")
                truth("keyvalue_cas.5" if other is not None else "keyvalue_cas.2", got, False, _SUCCEEDS)
        value("keyvalue_cas.3", await kv.get("k"), held, "swaps that failed changed the value")
        truth("keyvalue_cas.1", await kv.compare_and_swap("k", held, following), True, _REFUSED)
        held = following


_STATES = ("never written", "deleted", "dropped", "empty", "present", "created")


async def _prepare(kv: Any, state: str) -> bytes | None:
    """Bring ``k`` into a state, and return its value."""
    if state == "never written":
        return None
    held = b"" if state == "empty" else b"held"
    if state == "created":
        await kv.compare_and_swap("k", None, held)
    else:
        await kv.set("k", held)
    if state == "deleted":
        await kv.delete("k")
    elif state == "dropped":
        await kv.compare_and_delete("k", held)
    return None if state in ("deleted", "dropped") else held


@check("keyvalue_cas.2", "keyvalue_cas.3")
@gauntlet(lambda limits: [{"state": state, "new": new} for state, new in product(_STATES, (b"new", b"", b"held"))])
async def expecting_nothing_creates_a_key_only_if_it_is_missing(kv: KeyValueCas, state: str, new: bytes) -> None:
    """``expected=None`` creates a missing key, and says False of one that is there, with an empty value too (KV-13, KV-03)."""
    held = await _prepare(kv, state)
    for number in range(2):
        missing = held is None
        got = await kv.compare_and_swap("k", None, new if number == 0 else b"again")
        truth("keyvalue_cas.2", got, missing, f"a swap from None, of a key {state}")
        held = new if missing else held
        value("keyvalue_cas.2", await kv.get("k"), held, f"the value after a swap from None, of a key {state}")
        truth("keyvalue_cas.2", await kv.exists("k"), True, f"exists after a swap from None, of a key {state}")


@check("keyvalue_cas.2", "keyvalue_cas.1")
@gauntlet(lambda limits: [{"state": state} for state in _STATES])
async def an_empty_value_is_not_nothing(kv: KeyValueCas, state: str) -> None:
    """Expecting ``b""`` is not expecting a missing key, and expecting None is not expecting ``b""`` (KV-03)."""
    held = await _prepare(kv, state)
    truth(
        "keyvalue_cas.2", await kv.compare_and_swap("k", b"", b"new"), held == b"", f"a swap from an empty value, of a key {state}"
    )
    held = b"new" if held == b"" else held
    value("keyvalue_cas.3", await kv.get("k"), held, f"the value after a swap from an empty value, of a key {state}")
    truth("keyvalue_cas.4", await kv.compare_and_delete("k", b""), False, f"compare_and_delete of an empty value, of a key {state}")
    value("keyvalue_cas.3", await kv.get("k"), held, "compare_and_delete that failed changed the value")
    if held is not None:
        truth("keyvalue_cas.1", await kv.compare_and_swap("k", held, b""), True, "a swap to an empty value is refused")
        value("keyvalue_cas.1", await kv.get("k"), b"", "a swap to an empty value left another")
        truth("keyvalue_cas.2", await kv.compare_and_swap("k", None, b"x"), False, "a key with an empty value is created anew")
        truth("keyvalue_cas.4", await kv.compare_and_delete("k", b""), True, "compare_and_delete of an empty value is refused")
        truth("keyvalue_cas.4", await kv.exists("k"), False, "compare_and_delete of an empty value leaves the key")


@check("keyvalue_cas.3", "keyvalue_cas.1", "keyvalue_cas.4")
@gauntlet(lambda limits: [{"state": state, "new": new} for state, new in product(_STATES, (b"new", b"", b"other"))])
async def a_swap_that_fails_changes_nothing(kv: KeyValueCas, state: str, new: bytes) -> None:
    """It creates no key, stores nothing, and the next swap from the true value succeeds (KV-16, KV-18)."""
    held = await _prepare(kv, state)
    await kv.set("beside", b"other")
    for _ in range(2):
        truth("keyvalue_cas.1", await kv.compare_and_swap("k", b"other", new), False, _SUCCEEDS)
        value("keyvalue_cas.3", await kv.get("k"), held, f"a swap that failed changed a key {state}")
        truth("keyvalue_cas.4", await kv.compare_and_delete("k", b"other"), False, _DROPPED)
        value("keyvalue_cas.3", await kv.get("k"), held, f"compare_and_delete that failed changed a key {state}")
        truth("keyvalue_cas.3", await kv.exists("k"), held is not None, f"exists after swaps that failed, of a key {state}")
    value("keyvalue_cas.3", await kv.get("beside"), b"other", "a swap changed another key")
    truth(
        "keyvalue_cas.1",
        await kv.compare_and_swap("k", held, b"last"),
        True,
        "after swaps that failed, one from the value is refused",
    )
    value("keyvalue_cas.1", await kv.get("k"), b"last", "a swap stored another value than the new one")


@check("keyvalue_cas.3", "keyvalue_cas.4", "keyvalue_cas.2")
@gauntlet(lambda limits: [{"state": state} for state in _STATES])
async def a_listing_shows_what_a_swap_did_and_nothing_else(kv: CasAndScan, state: str) -> None:
    """A swap that fails leaves no trace in scans and counts, one that succeeds shows there at once."""
    held = await _prepare(kv, state)
    await kv.compare_and_swap("k", b"other", b"new")
    await kv.compare_and_delete("k", b"other")
    await kv.compare_and_swap("missing", b"", b"new")
    expected = [] if held is None else [("k", held)]
    same("keyvalue_cas.3", [pair async for pair in kv.scan()], expected, "a scan after swaps that failed")
    same("keyvalue_cas.3", await kv.count(), len(expected), "count after swaps that failed")
    await kv.compare_and_swap("k", held, b"new")
    same("keyvalue_cas.1", [pair async for pair in kv.scan("k")], [("k", b"new")], "a scan after a swap")
    await kv.compare_and_delete("k", b"new")
    same("keyvalue_cas.4", await kv.count(), 0, "count after compare_and_delete")
    same("keyvalue_cas.4", [key async for key in kv.scan_keys()], [], "scan_keys after compare_and_delete")


@check("keyvalue_cas.4")
@gauntlet(
    lambda limits: [
        {"state": state, "expected": expected} for state, expected in product(_STATES, (b"held", b"", b"hel", b"heldd"))
    ]
)
async def compare_and_delete_removes_exactly_the_value_it_expects(kv: KeyValueCas, state: str, expected: bytes) -> None:
    """True exactly if the value is there; then the key is gone, a repeat says False, and it can be written again (KV-19)."""
    held = await _prepare(kv, state)
    await kv.set("beside", expected)
    matches = held == expected
    truth("keyvalue_cas.4", await kv.compare_and_delete("k", expected), matches, f"compare_and_delete of a key {state}")
    held = None if matches else held
    value("keyvalue_cas.4", await kv.get("k"), held, f"the value after compare_and_delete of a key {state}")
    truth("keyvalue_cas.4", await kv.exists("k"), held is not None, f"exists after compare_and_delete of a key {state}")
    truth("keyvalue_cas.4", await kv.compare_and_delete("k", expected), False, "compare_and_delete, repeated, succeeds")
    truth("keyvalue_cas.4", await kv.delete("k"), held is not None, "delete after compare_and_delete")
    value("keyvalue_cas.4", await kv.get("beside"), expected, "compare_and_delete removed another key")
    truth("keyvalue_cas.2", await kv.compare_and_swap("k", None, b"again"), True, "a deleted key is not created again")
    value("keyvalue_cas.1", await kv.get("k"), b"again", "a deleted key, created again, has another value")


@check("keyvalue_cas.1", "keyvalue_cas.3")
@gauntlet(lambda limits: [{"length": length} for length in (3, 40)])
async def swaps_make_a_chain(kv: KeyValueCas, length: int) -> None:
    """Each swap from the value before succeeds once; every earlier value is refused from then on, until it comes back."""
    await kv.compare_and_swap("k", None, b"0")
    for number in range(length):
        old, new = b"%d" % number, b"%d" % (number + 1)
        truth("keyvalue_cas.1", await kv.compare_and_swap("k", old, new), True, _REFUSED)
        truth("keyvalue_cas.1", await kv.compare_and_swap("k", old, b"x"), False, "a swap from an earlier value succeeds")
        value("keyvalue_cas.3", await kv.get("k"), new, "a swap that failed changed the value")
    truth("keyvalue_cas.1", await kv.compare_and_swap("k", b"%d" % length, b"0"), True, "a swap back to the first value is refused")
    truth("keyvalue_cas.1", await kv.compare_and_swap("k", b"0", b"1"), True, "a swap from a value that came back is refused")
