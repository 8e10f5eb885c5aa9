"""keyvalue_ttl: what takes a deadline away takes it away each time, however often a key had one before."""

from typing import Any

from prism_suites._judging import same, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_lives import CLEARS, MAKES
from prism_suites._keyvalue_looks import seconds_left
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueTransactional, KeyValueTtl
from prism_testkit.tap import offers

_ROUNDS = 5
_INTERFACES: dict[str, Any] = {
    "keyvalue_ttl": KeyValueTtl,
    "keyvalue_batch": KeyValueBatch,
    "keyvalue_cas": KeyValueCas,
    "keyvalue_transactional": KeyValueTransactional,
}


@check("keyvalue_ttl.3", "keyvalue_ttl.4", "keyvalue_ttl.8", "keyvalue_ttl.10", "keyvalue_ttl.1")
@gauntlet(lambda limits: [{"clearing": way, "made": made} for way in CLEARS for made in ("set_with_ttl", "set, expire")])
async def a_deadline_is_taken_away_each_time(kv: KeyValueTtl, case: Case, clearing: str, made: str) -> None:
    """The same key is given a deadline and loses it, over and over, in the same way; then all of them pass (KV-35)."""
    whole, way, times = await case.whole(), CLEARS[clearing], Times(case)
    if not offers(whole, _INTERFACES[way.interface]):
        return
    held, longest = b"", 0.0
    for number in range(_ROUNDS):
        old, new = b"held %d" % number, b"new %d" % number
        deadline = await MAKES[made].run(whole, times, "k", old, 1000.0 - number)
        if deadline is None:
            return
        await way.run(whole, "k", old, new)
        held = old if clearing == "persist" else new
        story = f"{clearing}, the {number + 1}. time that the key has one,"
        same(way.promise, await seconds_left(whole, "k"), None, f"{story} leaves a deadline")
        value(way.promise, await whole.get("k"), held, f"behind {story} the key holds another value")
        longest = max(longest, 1000.0 - number)
        await times.move(1.0)
    await times.move(longest * 2)
    value(way.promise, await whole.get("k"), held, f"a key is removed by a deadline that {clearing} took away, one of {_ROUNDS}")
