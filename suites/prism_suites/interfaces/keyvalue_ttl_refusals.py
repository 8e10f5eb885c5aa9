"""keyvalue_ttl: no time to live, times that are none, and what is refused leaves the value and the deadline that are there."""

import math
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any, Protocol

from prism_suites._judging import broken, refused, same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_looks import looks, seconds_left
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, KeyValueScan, KeyValueTtl, PayloadTooLarge


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


_NOTHING: tuple[float, ...] = (0, 0.0, -0.0, -1, -0.001, -1e-9, -60.5, -86400.0, -(2.0**31), -1e10, -1e300)
_STATES = ("missing", "without a deadline", "with a deadline", "empty", "deleted")


async def _prepare(kv: Any, state: str) -> bytes | None:
    """Bring ``k`` into a state; return its value."""
    held = b"" if state == "empty" else b"held"
    if state == "with a deadline":
        await kv.set_with_ttl("k", held, 1e6)
    elif state != "missing":
        await kv.set("k", held)
    if state == "deleted":
        await kv.delete("k")
    return None if state in ("missing", "deleted") else held


async def _expect_gone(times: Times, kv: Any, what: str) -> None:
    if not await times.past_at_once():
        return
    value("keyvalue_ttl.9", await kv.get("k"), None, f"get finds a key after {what}")
    truth("keyvalue_ttl.9", await kv.exists("k"), False, f"exists finds a key after {what}")
    same("keyvalue_ttl.9", await seconds_left(kv, "k"), "NotFound", f"ttl does not raise NotFound after {what}")
    truth("keyvalue_ttl.9", await kv.expire("k", 60), False, f"expire finds a key after {what}")
    truth("keyvalue_ttl.9", await kv.persist("k"), False, f"persist finds a key after {what}")
    truth("keyvalue_ttl.9", await kv.delete("k"), False, f"delete finds a key after {what}")


@check("keyvalue_ttl.9")
@gauntlet(lambda limits: [{"ttl_s": ttl_s, "state": state} for ttl_s, state in product(_NOTHING, _STATES)])
async def a_write_without_time_to_live_leaves_the_key_missing(kv: KeyValueTtl, case: Case, ttl_s: float, state: str) -> None:
    """`set_with_ttl` of zero or less expires at once, whatever the key held, and the old value does not come back (KV-34)."""
    await _prepare(kv, state)
    times = Times(case)
    await kv.set_with_ttl("k", b"new", ttl_s)
    await _expect_gone(times, kv, f"set_with_ttl of {ttl_s:g} s")
    await kv.set("k", b"next")
    same("keyvalue_ttl.10", await seconds_left(kv, "k"), None, "a key written after a write without time to live has a deadline")
    await times.move(3600)
    value("keyvalue_ttl.10", await kv.get("k"), b"next", "a key written after a write without time to live is not there")


@check("keyvalue_ttl.9", "keyvalue_ttl.7")
@gauntlet(lambda limits: [{"ttl_s": ttl_s, "state": state} for ttl_s, state in product(_NOTHING, _STATES)])
async def expire_without_time_to_live_removes_the_key(kv: KeyValueTtl, case: Case, ttl_s: float, state: str) -> None:
    """`expire` of zero or less removes the key and says True; of a missing key it says False (KV-34)."""
    held = await _prepare(kv, state)
    promise = "keyvalue_ttl.7" if held is None else "keyvalue_ttl.9"
    truth(promise, await kv.expire("k", ttl_s), held is not None, f"expire with {ttl_s:g} s, of a key that is {state}")
    times = Times(case)
    await _expect_gone(times, kv, f"expire with {ttl_s:g} s")
    await kv.set("k", b"next")
    same("keyvalue_ttl.10", await seconds_left(kv, "k"), None, "a key written after it was removed by expire has a deadline")
    await times.move(3600)
    value("keyvalue_ttl.10", await kv.get("k"), b"next", "a key written after it was removed by expire is not there")


@check("keyvalue_ttl.9", "keyvalue_ttl.2")
@gauntlet(
    lambda limits: [
        {"ttl_s": ttl_s, "state": state, "how": how, "look": look}
        for ttl_s, state, how in product((0, -1.5), ("missing", "with a deadline"), ("set_with_ttl", "expire"))
        for look in looks("keyvalue_scan")
    ]
)
async def what_has_no_time_to_live_is_in_no_scan(kv: TtlAndScan, case: Case, ttl_s: float, state: str, how: str, look: str) -> None:
    """A key that expired at once is in no listing, also if a listing is the first to look."""
    times = Times(case)
    await _prepare(kv, state)
    call: Awaitable[Any] = kv.set_with_ttl("k", b"new", ttl_s) if how == "set_with_ttl" else kv.expire("k", ttl_s)
    await call
    if not await times.past_at_once():
        return
    got = [key async for key in kv.scan_keys()] if look == "scan_keys" else None
    if got is None and look == "count":
        got = ["k"] * await kv.count()
    elif got is None:
        got = [key async for key, _ in kv.scan("k" if look == "scan" else "")]
    same("keyvalue_ttl.9", got, [], f"{look} finds a key after {how} of {ttl_s:g} s")


_BAD = (math.nan, -math.nan, math.inf, -math.inf)


@check("keyvalue_ttl.9")
@gauntlet(lambda limits: [{"ttl_s": ttl_s, "state": state} for ttl_s, state in product(_BAD, _STATES)])
async def a_time_that_is_no_number_is_refused_before_any_effect(kv: KeyValueTtl, case: Case, ttl_s: float, state: str) -> None:
    """NaN and infinities raise ``ValueError``; the value and the deadline that are there stay (KV-34)."""
    times = Times(case)
    held, now = await times.during(_prepare(kv, state))
    deadline = now.after(1e6)
    for call in (kv.set_with_ttl("k", b"new", ttl_s), kv.expire("k", ttl_s)):
        await refused("keyvalue_ttl.9", call, ValueError, f"a time to live of {ttl_s} is not refused with ValueError")
        value("keyvalue_ttl.9", await kv.get("k"), held, "a time to live was refused, yet the value has changed")
        truth("keyvalue_ttl.9", await kv.exists("k"), held is not None, "a time to live was refused, yet the key has changed")
    story = "a time to live was refused, yet the deadline has changed"
    if state == "with a deadline":
        await times.left(kv, "k", 1e6, deadline, promise="keyvalue_ttl.9", story=story)
        if await times.past(deadline):
            await times.look(kv, "get", "k", b"held", deadline, late="keyvalue_ttl.9", story=story)
    else:
        same("keyvalue_ttl.9", await seconds_left(kv, "k"), "NotFound" if held is None else None, story)


@check("keyvalue_ttl.9")
@gauntlet(
    lambda limits: [
        {"ttl_s": ttl_s, "state": state, "how": how}
        for ttl_s, state, how in product(
            (1e10 + 1, 2e10, 1e12, 1e18, 1e100, 1e300), ("missing", "with a deadline"), ("set", "expire")
        )
    ]
)
async def beyond_ten_thousand_million_seconds_is_kept_or_refused(
    kv: KeyValueTtl, case: Case, ttl_s: float, state: str, how: str
) -> None:
    """Above 1e10 s a driver may raise ``ValueError``, with nothing done, or keep the key; it never loses it."""
    held = await _prepare(kv, state)
    try:
        if how == "set":
            await kv.set_with_ttl("k", b"new", ttl_s)
            held = b"new"
        else:
            truth(
                "keyvalue_ttl.7",
                await kv.expire("k", ttl_s),
                held is not None,
                f"expire with {ttl_s:g} s, of a key that is {state}",
            )
    except ValueError:
        case.note(f"a time to live of {ttl_s:g} s is refused")
    except Exception as error:
        broken(
            "keyvalue_ttl.9",
            f"{how} with {ttl_s:g} s is neither done nor refused with ValueError",
            expected="ValueError",
            got=f"{type(error).__name__}: {error}",
        )
    value("keyvalue_ttl.9", await kv.get("k"), held, f"{how} with {ttl_s:g} s lost the key, or was refused and done")


_CALLS: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
    "set_with_ttl": lambda kv, key: kv.set_with_ttl(key, b"new", 60),
    "set_with_ttl below 0": lambda kv, key: kv.set_with_ttl(key, b"new", -1),
    "expire": lambda kv, key: kv.expire(key, 60),
    "ttl": lambda kv, key: kv.ttl(key),
    "persist": lambda kv, key: kv.persist(key),
}


@check("keyvalue_basic.6")
@gauntlet(
    lambda limits: [
        {"call": call, "name": name}
        for call in _CALLS
        for name in (
            "",
            "a" * (limits.max_name + 1),
            "é" * (limits.max_name // 2 + 1),
            "\ud800",
            "a\udfff",
            "x" * (2 * limits.max_name),
        )
    ]
)
async def names_are_refused_by_every_method_with_a_deadline(kv: KeyValueTtl, case: Case, call: str, name: str) -> None:
    """An empty, over-long or surrogate-holding key raises `InvalidName`, and nothing is written (KV-09)."""
    await kv.set_with_ttl("k", b"held", 1e6)
    await refused("keyvalue_basic.6", _CALLS[call](kv, name), InvalidName, f"{call} does not raise InvalidName")
    if name.isascii() and name:
        cut = name[: case.limits.max_name]
        value("keyvalue_basic.6", await kv.get(cut), None, f"{call} was refused, yet wrote a shortened name")
    value("keyvalue_basic.6", await kv.get("k"), b"held", f"{call} of another key was refused, yet changed this one")


@check("keyvalue_basic.6", "keyvalue_ttl.9")
@gauntlet(
    lambda limits: [
        {"more": more, "ttl_s": ttl_s, "state": state}
        for more, ttl_s, state in product((1, 2, limits.max_payload), (60.0, 0.0, -5.0), ("missing", "with a deadline"))
    ]
)
async def a_value_that_is_too_large_leaves_the_old_deadline(
    kv: KeyValueTtl, case: Case, more: int, ttl_s: float, state: str
) -> None:
    """`PayloadTooLarge` comes before any effect: the old value and its deadline stay (KV-10)."""
    times = Times(case)
    held, now = await times.during(_prepare(kv, state))
    large = b"x" * (case.limits.max_payload + more)
    for call in (kv.set_with_ttl("k", large, ttl_s), kv.set("k", large)):
        await refused("keyvalue_basic.6", call, PayloadTooLarge, "a value over the limit is not refused with PayloadTooLarge")
        value("keyvalue_basic.6", await kv.get("k"), held, "a value was refused, yet the old one has changed")
    if held is not None:
        await times.left(kv, "k", 1e6, now.after(1e6), promise="keyvalue_basic.6", story="a value was refused")
    else:
        same("keyvalue_basic.6", await seconds_left(kv, "k"), "NotFound", "a value was refused, yet the key is there")


@check("keyvalue_basic.6", "keyvalue_basic.1", "keyvalue_ttl.2", "keyvalue_ttl.7")
async def names_and_values_at_the_limit_can_have_a_deadline(kv: KeyValueTtl, case: Case) -> None:
    """A key of ``max_name`` bytes and a value of ``max_payload`` bytes are accepted, and expire (KV-02)."""
    times = Times(case)
    longest, largest = "n" * case.limits.max_name, b"\xa5" * case.limits.max_payload
    _, now = await times.during(kv.set_with_ttl(longest, largest, 600))
    deadline = now.after(600)
    for look in ("get", "exists", "ttl"):
        await times.look(kv, look, longest, largest, deadline, early="keyvalue_basic.6", story="name and value at the limit")
    truth("keyvalue_basic.6", await kv.persist(longest), True, "persist says False of a long name that has a deadline")
    done, now = await times.during(kv.expire(longest, 600))
    truth("keyvalue_basic.6", done, True, "expire says False of a long name that is present")
    await times.look(kv, "get", longest, largest, now.after(600), early="keyvalue_ttl.7", story="name and value at the limit")
    if await times.past(now.after(600)):
        await times.look(kv, "get", longest, largest, now.after(600))


@check("keyvalue_basic.6")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("str", "int", "None", "list", "key bytes", "key int", "key None")])
async def wrong_types_are_refused_by_set_with_ttl(kv: KeyValueTtl, case: Case, kind: str) -> None:
    """A value that is not bytes-like, or a key that is not text, raises ``TypeError`` before any effect."""
    store: Any = kv
    await kv.set_with_ttl("k", b"held", 1e6)
    bad: Any = {"str": "x", "int": 3, "None": None, "list": [1, 2], "key bytes": b"k", "key int": 7, "key None": None}[kind]
    call = store.set_with_ttl(bad, b"new", 60) if kind.startswith("key") else store.set_with_ttl("k", bad, 60)
    await refused("keyvalue_basic.6", call, TypeError, f"set_with_ttl with a wrong type, {kind}, does not raise TypeError")
    value("keyvalue_basic.6", await kv.get("k"), b"held", "a value of a wrong type was refused, yet the old one has changed")
    left = await seconds_left(kv, "k")
    if not isinstance(left, int | float) or left < 1e5:
        broken(
            "keyvalue_basic.6", "a value of a wrong type was refused, yet the deadline has changed", expected="about 1e6", got=left
        )
