"""keyvalue: two calls of different kinds, by one client, at once, on two keys: each does what it does alone."""

from itertools import combinations

from prism_suites._judging import same
from prism_suites._keyvalue_calls import CALLS, State, looked
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.tap import offers

_SERVER_PART = 7
"""Of a server, where each call takes long, one in so many pairs."""


@check(
    *(
        "keyvalue_basic.1",
        "keyvalue_basic.2",
        "keyvalue_basic.4",
        "keyvalue_basic.5",
        "keyvalue_basic.10",
        "keyvalue_scan.1",
        "keyvalue_scan.5",
    ),
    *("keyvalue_batch.1", "keyvalue_batch.2", "keyvalue_batch.3", "keyvalue_ttl.3", "keyvalue_ttl.7", "keyvalue_ttl.8"),
    *("keyvalue_ttl.9", "keyvalue_ttl.11", "keyvalue_cas.1", "keyvalue_cas.2", "keyvalue_cas.4"),
    *("keyvalue_transactional.1", "keyvalue_transactional.3"),
)
@gauntlet(lambda limits: [{"first": first, "overlap": overlap} for first in CALLS for overlap in (False, True)])
async def of_two_kinds_at_once_each_does_its_own(keyvalue: KeyValueBasic, case: Case, first: str, overlap: bool) -> None:
    """What a client keeps of a call in hand is not the other's: neither its key, its value, its time, nor its answer (KV-05)."""
    slot = await case.whole()
    calls = {name: call for name, call in CALLS.items() if offers(slot, call.interface)}
    if first not in calls or case.limits.max_payload < len(b"other"):
        return
    if overlap:
        case.overlap()
    pairs = [pair for number, pair in enumerate(combinations(calls, 2)) if not (case.server and number % _SERVER_PART)]
    for number, (one, other) in enumerate(pair for pair in pairs if pair[0] == first):
        keys, old = (f"{number:02}a", f"{number:02}b"), State(b"old")
        for key in keys:
            await slot.set(key, b"old")
        names = (other, one) if number % 2 else (one, other)
        answers = await together(*(calls[name].make(slot, key) for name, key in zip(names, keys, strict=True)))
        for name, beside, key, answer in zip(names, reversed(names), keys, answers, strict=True):
            told = f"{name} of one key, at once with {beside} of another"
            same(calls[name].promise, answer, calls[name].answer(old), told)
            await looked(case, slot, key, calls[name].after(old), calls[name].promise, f"behind {told}")
