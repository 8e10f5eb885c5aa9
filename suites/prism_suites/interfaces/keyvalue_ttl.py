"""keyvalue_ttl: when a key is there and when it is not, for the methods of the interface itself, and what `ttl` says of it."""

from collections.abc import Iterator
from itertools import product
from typing import Any

from prism_suites._judging import broken, same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_expiry import expect_one_deadline
from prism_suites._keyvalue_lives import MAKES, names_of
from prism_suites._keyvalue_looks import looks, seconds_left
from prism_testkit import strategies
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueTtl
from prism_testkit.traits import Limits

_STARTS = (0.0, 0.001, 0.25, 0.5, 0.999)
"""Fractions of a second at which keys are set: a clock that is read by the second shows there."""
_VALUES = (b"v", b"", b"\x00", b"0", b"None", strategies.patterned(300))
_LATEST_S = 1e8
"""Time is never moved by more than this in one case."""


def _ladder(limits: Limits) -> Iterator[dict[str, Any]]:
    short = list(product((0.25, 0.5, 1.0, 1.5, 2.0, 60.0), _STARTS))
    steps = [(ttl_s, _STARTS[number % len(_STARTS)]) for number, ttl_s in enumerate(strategies.durations(most=_LATEST_S))]
    for number, (ttl_s, start_s) in enumerate(short + steps):
        yield {"ttl_s": ttl_s, "start_s": start_s, "held": _VALUES[number % len(_VALUES)][: limits.max_payload], "turn": number % 3}


@check("keyvalue_ttl.1", "keyvalue_ttl.2")
@gauntlet(_ladder)
async def a_key_is_there_until_its_deadline_and_not_after(
    kv: KeyValueTtl, case: Case, ttl_s: float, start_s: float, held: bytes, turn: int
) -> None:
    """Whatever the time to live, a key is present just before its deadline and missing from it on (KV-33)."""
    times = Times(case)
    await times.move(start_s)
    _, written = await times.during(kv.set_with_ttl("k", held, ttl_s))
    before, after = strategies.around(ttl_s, case.limits.clock_resolution_s, case.traits.ttl_late_s)
    deadline = written.after(ttl_s)
    order = ("get", "exists", "ttl")[turn:] + ("get", "exists", "ttl")[:turn]
    for offset in before:
        if await times.to(written.start + round(offset * 1e9)):
            for look in order:
                await times.look(kv, look, "k", held, deadline)
    for offset in after[:3]:
        if await times.to(written.end + round(offset * 1e9)):
            for look in order:
                await times.look(kv, look, "k", held, deadline)


@check("keyvalue_ttl.1", "keyvalue_ttl.2", "keyvalue_ttl.3", "keyvalue_ttl.6", "keyvalue_ttl.7", "keyvalue_ttl.10")
@gauntlet(
    lambda limits: [
        {"made": made, "look": look, "ttl_s": ttl_s, "other": bool(number % 2)}
        for number, (ttl_s, made, look) in enumerate(product((60.0, 2.5), names_of(MAKES, "keyvalue_ttl"), looks("keyvalue_ttl")))
    ]
)
async def every_method_agrees_on_the_deadline(kv: KeyValueTtl, case: Case, made: str, look: str, ttl_s: float, other: bool) -> None:
    """However a deadline came to be, whichever method is the first to look finds the key before it and not after (KV-33, KV-35)."""
    await expect_one_deadline(case, kv, made=made, look=look, ttl_s=ttl_s, other=other)


@check("keyvalue_ttl.1", "keyvalue_ttl.6")
@gauntlet(lambda limits: [{"ttl_s": ttl_s} for ttl_s in strategies.durations(least=1e7)])
async def a_far_deadline_does_not_come_early(kv: KeyValueTtl, case: Case, ttl_s: float) -> None:
    """Hundreds of years are as good as an hour: no unit, column or clock turns over on the way."""
    times = Times(case)
    for key in ("written", "expiring"):
        await kv.set(key, b"v")
    _, written = await times.during(kv.set_with_ttl("written", b"v", ttl_s))
    done, expiring = await times.during(kv.expire("expiring", ttl_s))
    truth("keyvalue_ttl.7", done, True, "expire says False of a key that is present")
    for offset in (0.0, 1.0, 3600.0, 86401.0, 1e6, min(1e7, ttl_s / 2)):
        if not await times.to(written.start + round(offset * 1e9)):
            return
        for key, deadline in (("written", written.after(ttl_s)), ("expiring", expiring.after(ttl_s))):
            await times.left(kv, key, ttl_s, deadline)
            for look in ("get", "exists"):
                await times.look(kv, look, key, b"v", deadline)


@check("keyvalue_ttl.6", "keyvalue_ttl.5")
@gauntlet(
    lambda limits: [
        {"ttl_s": ttl_s, "start_s": _STARTS[number % len(_STARTS)], "made": ("set_with_ttl", "set, expire")[number % 2]}
        for number, ttl_s in enumerate(strategies.durations(least=0.5, most=_LATEST_S))
    ]
)
async def ttl_tells_the_seconds_that_are_left(kv: KeyValueTtl, case: Case, ttl_s: float, start_s: float, made: str) -> None:
    """`ttl` goes from what was given down to nothing, and asking changes nothing (KV-36)."""
    times = Times(case)
    await times.move(start_s)
    deadline = await MAKES[made].run(kv, times, "k", b"v", ttl_s)
    for share in (0, 1, 250, 500, 900, 999):
        if not await times.to(deadline.start - round(ttl_s * 1e9) + round(ttl_s * share) * 1_000_000):
            break
        await times.left(kv, "k", ttl_s, deadline)
        await times.left(kv, "k", ttl_s, deadline, story="asked again")
    await times.before(deadline)
    await times.left(kv, "k", ttl_s, deadline, story="just before the deadline")
    if await times.past(deadline):
        same("keyvalue_ttl.6", await seconds_left(kv, "k"), "NotFound", "ttl of an expired key does not raise NotFound")


@check("keyvalue_ttl.6", "keyvalue_ttl.8")
async def ttl_tells_keys_without_a_deadline_from_missing_ones(kv: KeyValueTtl, case: Case) -> None:
    """None for a key without expiry, `NotFound` for a missing one; none of them creates anything."""
    sentence = "ttl of a key without a deadline is not None"
    missing = "ttl of a missing key does not raise NotFound"
    same("keyvalue_ttl.6", await seconds_left(kv, "k"), "NotFound", missing)
    value("keyvalue_ttl.6", await kv.get("k"), None, "ttl of a missing key created it")
    for held in (b"v", b""):
        await kv.set("k", held)
        same("keyvalue_ttl.6", await seconds_left(kv, "k"), None, sentence)
        await kv.set_with_ttl("k", held, 1000)
        await kv.persist("k")
        same("keyvalue_ttl.8", await seconds_left(kv, "k"), None, f"{sentence}, after persist")
        await kv.expire("k", 1000)
        await kv.set("k", held)
        same("keyvalue_ttl.3", await seconds_left(kv, "k"), None, f"{sentence}, after a plain set")
        await kv.delete("k")
        same("keyvalue_ttl.6", await seconds_left(kv, "k"), "NotFound", f"{missing}, after delete")
    await kv.set_with_ttl("k", b"v", 1000)
    await kv.delete("k")
    same("keyvalue_ttl.10", await seconds_left(kv, "k"), "NotFound", f"{missing}, after delete")


@check("keyvalue_ttl.6", "keyvalue_ttl.1")
@gauntlet(lambda limits: [{"ttl_s": ttl_s} for ttl_s in (1, 60, 3600, 86400, 10**7, 2**31 - 1, 2**31, 2**32, 10**9, 10**10)])
async def whole_numbers_of_seconds_are_seconds(kv: KeyValueTtl, case: Case, ttl_s: int) -> None:
    """An int is as good as a float, for `set_with_ttl` and for `expire`."""
    times = Times(case)
    _, written = await times.during(kv.set_with_ttl("written", b"v", ttl_s))
    await kv.set("expiring", b"v")
    _, expiring = await times.during(kv.expire("expiring", ttl_s))
    for key, deadline in (("written", written.after(ttl_s)), ("expiring", expiring.after(ttl_s))):
        await times.left(kv, key, ttl_s, deadline)
        await times.look(kv, "get", key, b"v", deadline)
    deadline = expiring.after(ttl_s)
    if ttl_s < _LATEST_S and await times.past(deadline):
        for key in ("written", "expiring"):
            await times.look(kv, "get", key, b"v", deadline)


@check("keyvalue_ttl.2", "keyvalue_ttl.9")
@gauntlet(
    lambda limits: [{"ttl_s": ttl_s, "how": how} for ttl_s in (0.0005, 0.0001, 1e-6, 1e-9, 5e-324) for how in ("set", "expire")]
)
async def less_than_a_millisecond_is_not_for_ever(kv: KeyValueTtl, case: Case, ttl_s: float, how: str) -> None:
    """A time to live that rounds to nothing ends all the same."""
    times = Times(case)
    await kv.set("k", b"v")
    call: Any = kv.set_with_ttl("k", b"v", ttl_s) if how == "set" else kv.expire("k", ttl_s)
    _, written = await times.during(call)
    left = await seconds_left(kv, "k")
    most_s = ttl_s + case.limits.clock_resolution_s
    if isinstance(left, int | float) and left > most_s:
        broken("keyvalue_ttl.6", f"ttl is not the time that is left of {ttl_s:g} s", expected=f"at most {most_s:g}", got=left)
    deadline = written.after(ttl_s)
    if await times.past(deadline):
        for look in ("get", "exists", "ttl"):
            await times.look(kv, look, "k", b"v", deadline)


def _groups(limits: Limits) -> Iterator[dict[str, Any]]:
    payloads = [payload for payload in strategies.gauntlet_payloads(limits.max_payload, most=260) if len(payload) != 1]
    for start in range(0, len(payloads), 50):
        yield {"payloads": tuple(payloads[start : start + 50])}


@check("keyvalue_ttl.7", "keyvalue_ttl.8", "keyvalue_basic.1")
@gauntlet(_groups)
async def any_value_can_have_a_deadline(kv: KeyValueTtl, payloads: tuple[bytes, ...]) -> None:
    """Written with a deadline, given another one, and freed of it, every payload of the gauntlet stays as it is (KV-02)."""
    for number, payload in enumerate(payloads):
        key = f"k{number % 2}"
        await kv.set_with_ttl(key, payload, 1e6)
        if number % 3 == 0:
            value("keyvalue_basic.1", await kv.get(key), payload, "set_with_ttl stored another value")
        truth("keyvalue_ttl.7", await kv.expire(key, 1e7), True, "expire says False of a key that is present")
        if number % 3 == 1:
            value("keyvalue_ttl.7", await kv.get(key), payload, "set_with_ttl and expire left another value")
        truth("keyvalue_ttl.8", await kv.persist(key), True, "persist says False of a key that has a deadline")
        value("keyvalue_ttl.8", await kv.get(key), payload, "set_with_ttl, expire and persist left another value")


@check("keyvalue_ttl.1", "keyvalue_ttl.2")
@gauntlet(
    lambda limits: [
        {"size": size, "kind": kind}
        for size in (0, 1, 255, 4097, min(limits.max_payload, 70_000))
        if size <= limits.max_payload
        for kind in ("bytes", "bytearray", "memoryview")
    ]
)
async def a_value_with_a_deadline_is_a_value(kv: KeyValueTtl, case: Case, size: int, kind: str) -> None:
    """`set_with_ttl` keeps any bytes, of any length and of any bytes-like type, and its own copy of them (KV-02, KV-11)."""
    times = Times(case)
    held = strategies.patterned(size)
    buffer = bytearray(held)
    given: Any = {"bytes": held, "bytearray": buffer, "memoryview": memoryview(buffer)}[kind]
    _, written = await times.during(kv.set_with_ttl("k", given, 60))
    buffer[:] = b"\xee" * size
    deadline = written.after(60)
    for _ in range(2):
        for look in ("get", "exists", "ttl"):
            await times.look(kv, look, "k", held, deadline, early="keyvalue_basic.1")
        done, now = await times.during(kv.expire("k", 90))
        if times.is_present(deadline, now):
            truth("keyvalue_ttl.7", done, True, "expire says False of a key that is present")
            deadline = now.after(90)
            await times.look(kv, "get", "k", held, deadline, early="keyvalue_ttl.7")
    done, now = await times.during(kv.persist("k"))
    if times.is_present(deadline, now):
        truth("keyvalue_ttl.8", done, True, "persist says False of a key that has a deadline")
        value("keyvalue_ttl.8", await kv.get("k"), held, "persist changed the value")


@check("keyvalue_ttl.7", "keyvalue_ttl.8", "keyvalue_ttl.3", "keyvalue_ttl.6")
@gauntlet(lambda limits: [{"rounds": 64, "other": other} for other in (False, True)])
async def the_last_of_many_calls_is_as_good_as_the_first(kv: KeyValueTtl, case: Case, rounds: int, other: bool) -> None:
    """Deadlines given, moved and taken away over and over: no call is left out, whatever its number."""
    times = Times(case)
    rival = await case.client() if other else kv
    for number in range(rounds):
        key, given_s, moved_s = f"k{number % 3}", 1e6 + 1e4 * number, (2e6, 5e5)[number % 2] + 1e4 * number
        _, now = await times.during(kv.set_with_ttl(key, b"%d" % number, given_s))
        story = f"round {number} of many"
        await times.left(kv, key, given_s, now.after(given_s), promise="keyvalue_ttl.3", story=story)
        done, now = await times.during(rival.expire(key, moved_s))
        truth("keyvalue_ttl.7", done, True, f"expire says False of a key that is present ({story})")
        await times.left(kv, key, moved_s, now.after(moved_s), promise="keyvalue_ttl.7", story=story)
        truth("keyvalue_ttl.8", await kv.persist(key), True, f"persist says False of a key that has a deadline ({story})")
        same("keyvalue_ttl.8", await seconds_left(rival, key), None, f"persist leaves a deadline ({story})")
        value("keyvalue_ttl.7", await rival.get(key), b"%d" % number, f"expire or persist changed the value ({story})")
