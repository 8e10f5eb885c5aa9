"""keyvalue_cas: several clients, names and namespaces, and the other ways to write a key that is then compared."""

import contextlib
from collections.abc import Awaitable, Callable
from itertools import product
from typing import Any, Protocol

from hypothesis import given

from prism_suites._judging import refused, same, truth, value
from prism_suites._keyvalue_confusables import confusable_names
from prism_suites._keyvalue_retrying import transacted
from prism_testkit import strategies
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import InvalidName, KeyValueBatch, KeyValueCas, KeyValueTransactional, PayloadTooLarge


class CasAndBatch(KeyValueCas, KeyValueBatch, Protocol):
    """Swaps and batches of one driver."""


class CasAndTransactions(KeyValueCas, KeyValueTransactional, Protocol):
    """Swaps and transactions of one driver."""


async def _expect_keys_apart(kv: KeyValueCas, names: tuple[str, ...]) -> None:
    """Create, swap and delete each of several keys by comparing, and see that it is that one only."""
    taken = "a key is not created: another, of a similar name, is taken for it"
    changed = "a call from the value is refused: one on another key, of a similar name, changed it"
    for name in names:
        truth("keyvalue_basic.3", await kv.compare_and_swap(name, None, b"v"), True, taken)
    for number, name in enumerate(names):
        truth("keyvalue_basic.3", await kv.compare_and_swap(name, b"v", b"%d" % number), True, changed)
    for number, name in enumerate(names):
        value("keyvalue_basic.3", await kv.get(name), b"%d" % number, "a swap of one key changed another, of a similar name")
        truth("keyvalue_basic.3", await kv.compare_and_delete(name, b"%d" % number), True, changed)


@check("keyvalue_basic.3", "keyvalue_cas.1")
@gauntlet(lambda limits: [{"names": names} for names in confusable_names(limits)])
async def confusable_names_are_swapped_apart(kv: KeyValueCas, names: tuple[str, ...]) -> None:
    """A swap of one key touches no other, however alike their names are (KV-07, KV-08, KV-12)."""
    await _expect_keys_apart(kv, names)


@check("keyvalue_basic.3", "keyvalue_cas.1")
@given(names=strategies.universes(2, 8))
async def drawn_names_are_swapped_apart(kv: KeyValueCas, names: tuple[str, ...]) -> None:
    """The same with drawn names."""
    await _expect_keys_apart(kv, names)


@check("keyvalue_basic.8", "keyvalue_cas.1", "keyvalue_cas.4")
@gauntlet(lambda limits: [{"late_comer": late, "rounds": rounds} for late in (False, True) for rounds in (1, 6)])
async def a_swap_compares_with_what_any_client_wrote(kv: KeyValueCas, case: Case, late_comer: bool, rounds: int) -> None:
    """What one client swapped, set or deleted, the next swap of every other one goes by, at once (KV-05)."""
    other: KeyValueCas = kv if late_comer else await case.client()
    truth("keyvalue_cas.2", await kv.compare_and_swap("k", None, b"0"), True, "a missing key is not created")
    other = await case.client() if late_comer else other
    promise, stale = "keyvalue_basic.8", "a swap goes by a value that another client has replaced"
    truth(promise, await other.compare_and_swap("k", None, b"x"), False, "a key that another client created is created again")
    for number in range(rounds):
        first, second = b"%d" % number, b"%d again" % number
        truth(promise, await other.compare_and_swap("k", first, second), True, "a swap does not see what another client swapped in")
        truth(promise, await kv.compare_and_swap("k", first, b"x"), False, stale)
        value(promise, await kv.get("k"), second, "get does not see what another client swapped in")
        await kv.set("k", b"%d" % (number + 1))
        truth(promise, await other.compare_and_delete("k", second), False, stale)
        truth(promise, await other.compare_and_swap("k", second, b"x"), False, stale)
    await kv.delete("k")
    truth(
        promise,
        await other.compare_and_swap("k", b"%d" % rounds, b"x"),
        False,
        "a swap goes by a value that another client deleted",
    )
    truth(promise, await other.compare_and_swap("k", None, b"new"), True, "a key that another client deleted is not created again")
    truth(promise, await kv.compare_and_delete("k", b"new"), True, "compare_and_delete does not see what another client swapped in")
    truth(promise, await other.exists("k"), False, "exists finds a key that another client deleted")


@check("keyvalue_cas.1")
@gauntlet(lambda limits: [{"change": change} for change in ("swap", "set", "delete")])
async def a_value_that_came_back_is_the_value(kv: KeyValueCas, case: Case, change: str) -> None:
    """Compared are values, not versions: changed and changed back, by whomever, it is the expected one again (KV-20, KV-21)."""
    other = await case.client()
    await kv.set("k", b"a")
    value("keyvalue_basic.1", await kv.get("k"), b"a", "get returns another value than was set")
    if change == "swap":
        await other.compare_and_swap("k", b"a", b"b")
        await other.compare_and_swap("k", b"b", b"a")
    elif change == "set":
        await other.set("k", b"b")
        await other.set("k", b"a")
    else:
        await other.delete("k")
        await other.compare_and_swap("k", None, b"a")
    truth("keyvalue_cas.1", await kv.compare_and_swap("k", b"a", b"c"), True, f"a swap is refused: the value came back by {change}")
    value("keyvalue_cas.1", await other.get("k"), b"c", "a swap stored another value than the new one")


@check("keyvalue_basic.9", "keyvalue_cas.1", "keyvalue_cas.2")
async def swaps_stay_in_their_namespace(kv: KeyValueCas, case: Case) -> None:
    """A key of another namespace is missing here: not compared, not swapped, not deleted, and free to be created (KV-60)."""
    sibling = await case.sibling()
    promise = "keyvalue_basic.9"
    await kv.set("k", b"v")
    truth(promise, await sibling.compare_and_swap("k", b"v", b"x"), False, "a key of another namespace is swapped")
    truth(promise, await sibling.compare_and_delete("k", b"v"), False, "a key of another namespace is deleted")
    truth(promise, await sibling.compare_and_swap("k", None, b"mine"), True, "a key is not created: another namespace has one")
    value(promise, await kv.get("k"), b"v", "a swap in another namespace changed a key")
    truth(promise, await kv.compare_and_swap("k", b"v", b"w"), True, "a swap goes by a value of another namespace")
    truth(promise, await kv.compare_and_delete("k", b"w"), True, "compare_and_delete goes by a value of another namespace")
    value(promise, await sibling.get("k"), b"mine", "a swap changed a key of another namespace")


@check("keyvalue_cas.1", "keyvalue_cas.2")
async def a_swap_goes_by_what_a_batch_wrote(kv: CasAndBatch) -> None:
    """Keys of a batch are compared like any others, and what was swapped is in the next batch."""
    await kv.batch_set({"a": b"1", "b": b""})
    truth("keyvalue_cas.1", await kv.compare_and_swap("a", b"1", b"2"), True, "a swap from a value of a batch is refused")
    truth(
        "keyvalue_cas.2",
        await kv.compare_and_swap("b", None, b"x"),
        False,
        "a key of a batch is created anew",
    )
    truth("keyvalue_cas.2", await kv.compare_and_swap("c", None, b"3"), True, "a missing key is not created")
    got = await kv.batch_get(["a", "b", "c", "d"])
    same("keyvalue_cas.1", got, {"a": b"2", "b": b"", "c": b"3"}, "batch_get after swaps")
    same("keyvalue_cas.1", await kv.batch_delete(["a", "b", "c", "d"]), 3, "batch_delete after swaps")
    truth("keyvalue_cas.1", await kv.compare_and_swap("a", b"2", b"x"), False, "a swap from a deleted value succeeds")
    truth("keyvalue_cas.2", await kv.compare_and_swap("a", None, b"x"), True, "a deleted key is not created again")


@check("keyvalue_cas.1", "keyvalue_cas.2")
async def a_swap_goes_by_what_a_transaction_wrote(kv: CasAndTransactions) -> None:
    """Keys of a committed transaction are compared like any others, and a transaction reads what was swapped."""

    async def body(transaction: Any) -> None:
        await transaction.set("a", b"1")
        await transaction.set("b", b"")

    await transacted(kv, body)
    truth("keyvalue_cas.1", await kv.compare_and_swap("a", b"1", b"2"), True, "a swap from a value of a transaction is refused")
    truth("keyvalue_cas.2", await kv.compare_and_swap("b", None, b"x"), False, "a key of a transaction is created anew")
    value("keyvalue_cas.1", await transacted(kv, lambda tx: tx.get("a")), b"2", "a transaction does not read what was swapped")
    await transacted(kv, lambda tx: tx.delete("a"))
    truth(
        "keyvalue_cas.1",
        await kv.compare_and_swap("a", b"2", b"x"),
        False,
        "a swap from a deleted value succeeds",
    )
    truth("keyvalue_cas.2", await kv.compare_and_swap("a", None, b"x"), True, "a deleted key is not created again")


_CALLS: dict[str, Callable[[Any, str], Awaitable[Any]]] = {
    "from the value": lambda kv, key: kv.compare_and_swap(key, b"held", b"new"),
    "from another value": lambda kv, key: kv.compare_and_swap(key, b"other", b"new"),
    "from None": lambda kv, key: kv.compare_and_swap(key, None, b"new"),
    "compare_and_delete": lambda kv, key: kv.compare_and_delete(key, b"held"),
}


@check("keyvalue_cas.7")
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
async def names_are_refused_whatever_is_expected(kv: KeyValueCas, case: Case, call: str, name: str) -> None:
    """An empty, over-long or surrogate-holding key raises `InvalidName`, and no shortened one is touched (KV-09)."""
    cut = name[: case.limits.max_name] if name.isascii() else ""
    if cut:
        await kv.set(cut, b"held")
    await refused(
        "keyvalue_cas.7", _CALLS[call](kv, name), InvalidName, f"a swap {call}, of an illegal name, does not raise InvalidName"
    )
    if cut:
        value("keyvalue_cas.7", await kv.get(cut), b"held", f"a swap {call} was refused, yet changed a shortened name")


@check("keyvalue_cas.7")
@gauntlet(
    lambda limits: [
        {"more": more, "expected": expected, "held": held}
        for more, expected, held in product((1, 2, limits.max_payload), (b"held", b"other", b"", None), (b"held", b"", None))
    ]
)
async def a_value_that_is_too_large_is_refused_whatever_is_expected(
    kv: KeyValueCas, case: Case, more: int, expected: bytes | None, held: bytes | None
) -> None:
    """`PayloadTooLarge` comes before the comparison and before any effect (KV-10)."""
    if held is not None:
        await kv.set("k", held)
    large = b"x" * (case.limits.max_payload + more)
    sentence = "a swap to a value over the limit does not raise PayloadTooLarge"
    await refused("keyvalue_cas.7", kv.compare_and_swap("k", expected, large), PayloadTooLarge, sentence)
    value("keyvalue_cas.7", await kv.get("k"), held, "a swap to a value over the limit was refused, yet changed the key")
    truth(
        "keyvalue_cas.7",
        await kv.exists("k"),
        held is not None,
        "a swap to a value over the limit was refused, yet changed the key",
    )


@check("keyvalue_cas.7", "keyvalue_cas.5")
@gauntlet(lambda limits: [{"more": more, "held": held} for more in (1, 300) for held in (True, False)])
async def expecting_a_value_over_the_limit_never_succeeds(kv: KeyValueCas, case: Case, more: int, held: bool) -> None:
    """Such a value is nowhere: the call is refused or says False, also where the longest value is its beginning."""
    longest = strategies.patterned(case.limits.max_payload)
    if held:
        await kv.set("k", longest)
    large = longest + b"\x00" * more
    for call in (kv.compare_and_swap("k", large, b"new"), kv.compare_and_delete("k", large)):
        try:
            truth("keyvalue_cas.5", await call, False, "a swap from a value over the limit succeeds")
        except PayloadTooLarge:
            case.note("an expected value over the limit is refused")
    value("keyvalue_cas.3", await kv.get("k"), longest if held else None, "a swap from a value over the limit changed the key")


@check("keyvalue_cas.7")
@gauntlet(
    lambda limits: [
        {"argument": argument, "kind": kind}
        for argument, kind in product(("key", "new", "expected", "dropped"), ("text", "number", "list", "None"))
        if (argument, kind) not in (("key", "text"), ("expected", "None"))
    ]
)
async def wrong_types_are_refused_whatever_is_expected(kv: KeyValueCas, argument: str, kind: str) -> None:
    """A key that is not text, or a value that is not bytes-like, raises ``TypeError`` before any effect."""
    store: Any = kv
    bad: Any = {"text": "held", "number": 4, "list": [104, 101], "None": None}[kind]
    await kv.set("k", b"held")
    calls: dict[str, Callable[[], Any]] = {
        "key": lambda: store.compare_and_swap(bad, b"held", b"new"),
        "new": lambda: store.compare_and_swap("k", b"held", bad),
        "expected": lambda: store.compare_and_swap("k", bad, b"new"),
        "dropped": lambda: store.compare_and_delete("k", bad),
    }
    if argument in ("expected", "dropped"):
        # To compare with what cannot be a value may also be answered: it is not the value.
        with contextlib.suppress(TypeError):
            truth("keyvalue_cas.7", await calls[argument](), False, f"a comparison with {kind}, which is no value, succeeds")
    else:
        await refused(
            "keyvalue_cas.7", calls[argument](), TypeError, f"a swap with {kind} as its {argument} does not raise TypeError"
        )
    value("keyvalue_cas.7", await kv.get("k"), b"held", "a swap with a wrong type changed the key")


@check("keyvalue_cas.7", "keyvalue_cas.5")
async def names_and_values_at_the_limit_are_swapped(kv: KeyValueCas, case: Case) -> None:
    """A key of ``max_name`` bytes is created, swapped and deleted by values of ``max_payload`` bytes, told apart (KV-02)."""
    longest, largest = "n" * case.limits.max_name, strategies.patterned(case.limits.max_payload)
    other = largest[:-1] + bytes([largest[-1] ^ 1])
    sentence = "a call with a name and a value at the limit, "
    truth("keyvalue_cas.7", await kv.compare_and_swap(longest, None, largest), True, sentence + "from None")
    truth("keyvalue_cas.5", await kv.compare_and_swap(longest, other, b"x"), False, sentence + "from another value")
    truth("keyvalue_cas.7", await kv.compare_and_swap(longest, largest, other), True, sentence + "from the value")
    truth("keyvalue_cas.5", await kv.compare_and_delete(longest, largest), False, sentence + "from another value")
    value("keyvalue_cas.7", await kv.get(longest), other, "the value after swaps at the limit")
    truth("keyvalue_cas.7", await kv.compare_and_delete(longest, other), True, sentence + "from the value")
