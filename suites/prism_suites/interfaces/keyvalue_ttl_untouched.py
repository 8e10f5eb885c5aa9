"""keyvalue_ttl: a call that fails, is refused, given up or left changes nothing: neither a value nor a deadline, nor its lack."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any, Protocol

from prism_suites._judging import same, truth, value
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_lives import MAKES
from prism_suites._keyvalue_looks import seconds_left
from prism_suites._keyvalue_nothings import NOTHINGS, nothings
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.traits import Limits


class TtlAndBatch(KeyValueTtl, KeyValueBatch, Protocol):
    """Deadlines and batches of one driver."""


class TtlAndCas(KeyValueTtl, KeyValueCas, Protocol):
    """Deadlines and swaps of one driver."""


class TtlAndScan(KeyValueTtl, KeyValueScan, Protocol):
    """Deadlines and scans of one driver."""


class TtlAndTransactions(KeyValueTtl, KeyValueTransactional, Protocol):
    """Deadlines and transactions of one driver."""


_HELD = b"Held"
_TTL_S = 60.0
_LASTING = ("set", "persisted", "deleted", "expired at once")
"""States that time does not change; in the last two the key is missing."""


def _limited(interface: str) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    def cases(limits: Limits) -> Iterator[dict[str, Any]]:
        for number, (nothing, times) in enumerate(product(nothings(interface), (1, 4))):
            made = ("set_with_ttl", "set, expire", "expire, longer")[number % 3]
            yield {"nothing": nothing, "times": times, "made": made, "other": number % 4 == 2}

    return cases


async def _expect_same_deadline(case: Case, kv: Any, nothing: str, times: int, made: str, other: bool) -> None:
    """Make the call on the way to a deadline, and once more behind it: it comes when it was to come."""
    clock, how = Times(case), NOTHINGS[nothing]
    caller = await case.client() if other else kv
    deadline = await MAKES[made].run(kv, clock, "k", _HELD, _TTL_S)
    story = f"after {nothing}"
    for number in range(times):
        await clock.move(_TTL_S / (times + 1))
        # A call that takes its time may see the key expire, and then some of these have an effect.
        if not clock.is_present(deadline, (await clock.during(kv.exists("k")))[1]):
            return
        _, now = await clock.during(how.run(caller, "k", _HELD, case.limits))
        if not clock.is_present(deadline, now):
            return
        if number in (0, times - 1):
            await clock.look(kv, "get", "k", _HELD, deadline, early=how.promise, story=story)
            await clock.left(kv, "k", _TTL_S, deadline, promise=how.promise, story=story)
    if not await clock.past(deadline):
        return
    await clock.look(kv, "get", "k", _HELD, deadline, late=how.promise, story=story)
    if how.missing_too:
        await how.run(caller, "k", _HELD, case.limits)
    for look in ("exists", "ttl"):
        await clock.look(kv, look, "k", _HELD, deadline, late=how.promise, story=story)


def _lasting(interface: str) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    def cases(limits: Limits) -> Iterator[dict[str, Any]]:
        for number, (nothing, state) in enumerate(product(nothings(interface), _LASTING)):
            if NOTHINGS[nothing].missing_too or state in ("set", "persisted"):
                yield {"nothing": nothing, "state": state, "times": (1, 3)[number % 2], "other": number % 5 == 2}

    return cases


async def _expect_same_state(case: Case, kv: Any, nothing: str, state: str, times: int, other: bool) -> None:
    """Make the call where there is no deadline, or no key: there still is none, and none comes to be noticed later."""
    clock, how = Times(case), NOTHINGS[nothing]
    caller = await case.client() if other else kv
    if state == "set":
        await kv.set("k", _HELD)
    elif state == "expired at once":
        await kv.set_with_ttl("k", _HELD, 0)
        if not await clock.past_at_once():
            return
    else:
        await kv.set_with_ttl("k", _HELD, 1e6)
        await (kv.persist("k") if state == "persisted" else kv.delete("k"))
    held = _HELD if state in ("set", "persisted") else None
    for _ in range(times):
        await how.run(caller, "k", _HELD, case.limits)
    story = f"{nothing}, of a key that is {state},"
    value(how.promise, await kv.get("k"), held, f"{story} changed its value")
    same(how.promise, await seconds_left(kv, "k"), None if held else "NotFound", f"{story} changed its deadline")
    await clock.move(2e6)
    truth(how.promise, await kv.exists("k"), held is not None, f"{story} changed whether it is there later")
    truth(how.promise, await kv.delete("k"), held is not None, f"{story} changed whether delete finds it")


@check("keyvalue_ttl.5", "keyvalue_ttl.9", "keyvalue_basic.6")
@gauntlet(_limited("keyvalue_ttl"))
async def what_is_refused_leaves_the_deadline(
    kv: KeyValueTtl, case: Case, nothing: str, times: int, made: str, other: bool
) -> None:
    """A value, type or time that is refused changes neither the value nor the deadline, and none is created (KV-10, KV-34)."""
    await _expect_same_deadline(case, kv, nothing, times, made, other)


@check("keyvalue_ttl.4", "keyvalue_ttl.5", "keyvalue_cas.3", "keyvalue_cas.7")
@gauntlet(_limited("keyvalue_cas"))
async def a_comparison_that_fails_leaves_the_deadline(
    kv: TtlAndCas, case: Case, nothing: str, times: int, made: str, other: bool
) -> None:
    """A failed swap or compare_and_delete, however often, neither takes the deadline away nor moves it (KV-16)."""
    await _expect_same_deadline(case, kv, nothing, times, made, other)


@check("keyvalue_ttl.5", "keyvalue_batch.5", "keyvalue_batch.4", "keyvalue_ttl.11")
@gauntlet(_limited("keyvalue_batch"))
async def a_refused_batch_leaves_the_deadline(
    kv: TtlAndBatch, case: Case, nothing: str, times: int, made: str, other: bool
) -> None:
    """A batch that is refused, reads it or writes beside it has no effect on the deadline of a key."""
    await _expect_same_deadline(case, kv, nothing, times, made, other)


@check("keyvalue_ttl.5", "keyvalue_transactional.2", "keyvalue_transactional.6", "keyvalue_transactional.8")
@gauntlet(_limited("keyvalue_transactional"))
async def a_transaction_without_effect_leaves_the_deadline(
    kv: TtlAndTransactions, case: Case, nothing: str, times: int, made: str, other: bool
) -> None:
    """What a discarded transaction wrote, and what one that commits has only read, keeps its deadline."""
    await _expect_same_deadline(case, kv, nothing, times, made, other)


@check("keyvalue_ttl.5", "keyvalue_scan.7", "keyvalue_scan.4")
@gauntlet(_limited("keyvalue_scan"))
async def a_scan_that_is_left_leaves_the_deadline(
    kv: TtlAndScan, case: Case, nothing: str, times: int, made: str, other: bool
) -> None:
    """Scans that are left or refused neither extend nor remove."""
    await _expect_same_deadline(case, kv, nothing, times, made, other)


@check("keyvalue_ttl.9", "keyvalue_basic.6")
@gauntlet(_lasting("keyvalue_ttl"))
async def what_is_refused_creates_nothing(kv: KeyValueTtl, case: Case, nothing: str, state: str, times: int, other: bool) -> None:
    """What is refused gives no key a deadline, and creates none."""
    await _expect_same_state(case, kv, nothing, state, times, other)


@check("keyvalue_cas.3", "keyvalue_ttl.4", "keyvalue_cas.7")
@gauntlet(_lasting("keyvalue_cas"))
async def a_comparison_that_fails_creates_nothing(
    kv: TtlAndCas, case: Case, nothing: str, state: str, times: int, other: bool
) -> None:
    """A comparison that fails gives no key a deadline, and creates none, also where one was before (KV-16)."""
    await _expect_same_state(case, kv, nothing, state, times, other)


@check("keyvalue_batch.5", "keyvalue_batch.4", "keyvalue_ttl.5", "keyvalue_ttl.11")
@gauntlet(_lasting("keyvalue_batch"))
async def a_refused_batch_creates_nothing(kv: TtlAndBatch, case: Case, nothing: str, state: str, times: int, other: bool) -> None:
    """A refused batch gives no key a deadline, and creates none."""
    await _expect_same_state(case, kv, nothing, state, times, other)


@check("keyvalue_transactional.2", "keyvalue_transactional.6", "keyvalue_transactional.8", "keyvalue_ttl.5")
@gauntlet(_lasting("keyvalue_transactional"))
async def a_transaction_without_effect_creates_nothing(
    kv: TtlAndTransactions, case: Case, nothing: str, state: str, times: int, other: bool
) -> None:
    """A discarded transaction gives no key a deadline, and creates none."""
    await _expect_same_state(case, kv, nothing, state, times, other)
