"""The one story that is told of every way to a deadline and every look: there before it, gone after it, for good."""

from typing import Any

from prism_suites._judging import same, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_lives import MAKES
from prism_suites._keyvalue_looks import FRESH, LOOKS, seconds_left
from prism_testkit.case import Case

__all__ = ["expect_one_deadline"]

_HELD = b"held"


async def expect_one_deadline(case: Case, kv: Any, *, made: str, look: str, ttl_s: float, other: bool) -> None:
    """Give two keys a deadline in the way ``made``; look at one just before it, and at the other, for the first time, after.

    ``other``: it is another client that looks.
    """
    times = Times(case)
    looker = await case.client() if other else kv
    story = f"made by {made}"
    promise = MAKES[made].promise
    early = await MAKES[made].run(kv, times, "looked at early", _HELD, ttl_s)
    # A clock that does not move never comes to the second key, so nobody writes it.
    first = await MAKES[made].run(kv, times, "k", _HELD, ttl_s) if times.virtual else early
    if early is None or first is None:
        return
    await times.before(early)
    await times.left(looker, "looked at early", ttl_s, early, promise=promise or "keyvalue_ttl.6", story=story)
    await times.look(looker, look, "looked at early", _HELD, early, early=promise or "keyvalue_ttl.1", story=story)
    if not await times.past(first):
        return
    late = promise or "keyvalue_ttl.2"
    await times.look(looker, look, "k", _HELD, first, late=late, story=f"{story}, the first look after it")
    if LOOKS[look].creates:
        value("keyvalue_ttl.2", await kv.get("k"), FRESH, f"{look} did not create what had expired")
        same("keyvalue_ttl.10", await seconds_left(kv, "k"), None, f"{look} created a key that has an old deadline")
        return
    for reader in ("get", "exists", "ttl"):
        await times.look(kv, reader, "k", _HELD, first, late="keyvalue_ttl.10", story=f"{story}, after {look} had looked")
    await times.move(ttl_s)
    await times.look(kv, "get", "k", _HELD, first, story=f"{story}, long after it")
