"""keyvalue_transactional: what must not happen between transactions that are open side by side, one anomaly after the other.

Each script is a schedule, played step by step; see `_keyvalue_serial` for how to read it. A `Conflict` is always legal, but a
commit only if there is a serial order, and whoever met `Conflict` succeeds alone.
"""

from collections.abc import Awaitable, Iterator
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, value
from prism_suites._keyvalue_confusables import confusable_payloads, distant_payloads
from prism_suites._keyvalue_retrying import transacted
from prism_suites._keyvalue_serial import KEYS, Player
from prism_suites._racing import together
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueTransactional, KeyValueTtl
from prism_testkit.tap import offers
from prism_testkit.traits import Limits

_ANOMALIES = {
    "lost update": "1rx 2rx 1wx 2wx 1c 2c",
    "lost update, one after the other": "1rx 2rx 2wx 2c 1wx 1c",
    "lost update by a plain write": "1rx pwx 1wx 1c",
    "lost update by a plain write of another client": "1rx qwx 1wx 1c",
    "lost update by two plain writes": "1rx pwx qwx 1wx 1c",
    "lost delete": "1rx pwx 1dx 1c",
    "update of what was deleted": "1rx pdx 1wx 1c",
    "update of what was deleted by a transaction": "1rx 2dx 2c 1wx 1c",
    "deleted, then written again": "1rx pdx pwx 1wx 1c",
    "deleted by both": "1dx 2dx 1c 2c",
    "deleted by both, and by a plain call": "1dx pdx 2dx 1c 2c",
    "write skew": "1rx 1ry 2rx 2ry 1wx 2wy 1c 2c",
    "write skew, crosswise": "1rx 2ry 1wy 2wx 1c 2c",
    "write skew, one after the other": "1rx 2ry 2wx 2c 1wy 1c",
    "write skew by deletes": "1rx 1ry 2rx 2ry 1dx 2dy 1c 2c",
    "write skew over asked deletes": "1dx 2dy 1wy 2wx 1c 2c",
    "cycle of three": "1rx 2ry 3rz 1wy 2wz 3wx 1c 2c 3c",
    "cycle of three, backwards": "1rx 2ry 3rz 1wy 2wz 3wx 3c 2c 1c",
    "read skew": "1rx 2wx 2wy 2c 1ry 1c",
    "read skew, other way round": "1ry 2wx 2wy 2c 1rx 1c",
    "read skew, then a write": "1rx 2wx 2wy 2c 1ry 1wz 1c",
    "read skew by plain writes": "1rx pwx pwy 1ry 1c",
    "read skew by deletes": "1rx 2dx 2dy 2c 1ry 1c",
    "read twice": "1rx 2wx 2c 1rx 1c",
    "read twice, plain write": "1rx pwx 1rx 1wy 1c",
    "long fork": "3rx 4ry 1wx 1c 2wy 2c 3ry 4rx 3c 4c",
    "seen by a third": "1rx 1ry 2wx 2c 3rx 3ry 3c 1wy 1c",
    "seen by plain reads": "1rx pwx pry 1wy 1c prx",
    "read only, with a change behind it": "1rx 1ry 2wx 2wy 2c 1rz 1c",
    "dirty read": "1wx prx qrx 2rx 2c 1c",
    "dirty read of what is given up": "1wx 2rx 2wy 1a 2c",
    "intermediate read": "1wx 2rx 1wx 1c 2c",
    "dirty write": "1wx 2wx 1wy 2wy 1c 2c",
    "dirty write, crosswise": "1wx 2wy 1wy 2wx 2c 1c",
    "blind writes, one given up": "1wx 2wx 1a 2c",
    "blind write over a plain one": "1wx pwx 1c",
    "blind delete over a plain write": "1dx pwx 1c",
    "write, then read": "1wx pwx 1rx 1wy 1c",
    "delete, then read": "1dx pwx 1rx 1wy 1c",
    "delete, then write": "1dx pwx 1wx 1c",
    "conflict with many writes": "1rx 1wx 1wy 1wz pwx 1c prz",
    "conflict with deletes": "1rx 1dx 1dy 1dz pwx 1c pry",
    "conflict, then again": "1rx 2rx 3rx 1wx 2wx 3wx 1c 2c 3c",
    "four at once": "1rx 2rx 3rx 4rx 1wx 2wx 3wx 4wx 4c 3c 2c 1c",
    "disjoint": "1rx 2ry 3rz 1wx 2wy 3wz 2c 3c 1c",
    "only writes of one key": "1wx 2wx 3wx 3c 2c 1c",
    "nothing but reading": "1rx 2rx 1ry 2ry 1rz 2rz 2c 1c",
    "nothing at all": "1c 2c",
}
_STATES = {"present": "xyz", "missing": "", "one of them": "x", "the others": "yz"}


def _before(state: str) -> dict[str, bytes | None]:
    return {key: b"old %s" % key.encode() if key in _STATES[state] else None for key in KEYS}


def _schedules(limits: Limits) -> Iterator[dict[str, Any]]:
    for number, (anomaly, script) in enumerate(_ANOMALIES.items()):
        for state, clients in (("present", 2), (("missing", "one of them", "missing", "the others")[number % 4], 1)):
            yield {"anomaly": anomaly, "script": script, "state": state, "clients": clients}


@check(*(f"keyvalue_transactional.{number}" for number in (5, 6, 4, 3, 2, 1)))
@gauntlet(_schedules)
async def no_anomaly_is_committed(
    kv: KeyValueTransactional, case: Case, anomaly: str, script: str, state: str, clients: int
) -> None:
    """Lost updates, skews, forks, phantoms and dirty reads end in `Conflict`, or do not happen (KV-27, KV-28, KV-29)."""
    player = Player(case, kv, await case.client() if clients == 2 else kv, _before(state))
    await player.prepare()
    await player.play(script)


_TWO = ("rx wx", "rx wy", "rx ry", "wx wy", "dx wy", "rx dy", "rx dx wx", "wx rx wy")
_WEAVES = ((1, 2, 1, 2), (1, 2, 2, 1), (1, 1, 2, 2), (2, 1, 1, 2))


def _woven(limits: Limits) -> Iterator[dict[str, Any]]:
    """Pairs of small transactions, the second on the same keys or with both exchanged, woven in one of several ways."""
    for number, (first, second) in enumerate(product(_TWO, _TWO)):
        other = second.translate(str.maketrans("xy", "yx")) if number % 3 else second
        script = _weave(first, other, _WEAVES[(number + number // len(_TWO)) % len(_WEAVES)])
        yield {"script": script, "state": ("present", "missing", "one of them")[number % 3]}


def _weave(first: str, second: str, turns: tuple[int, ...]) -> str:
    """Let two transactions take turns, half of their steps at a time; the last turn says who commits last."""
    steps = {1: [f"1{step}" for step in first.split()], 2: [f"2{step}" for step in second.split()]}
    script = []
    for turn in turns[:-1]:
        half = -(-len(steps[turn]) // 2)
        script += steps[turn][:half]
        steps[turn] = steps[turn][half:]
    return " ".join([*script, *steps[1], *steps[2], *(("1c", "2c") if turns[-1] == 2 else ("2c", "1c"))])


@check(*(f"keyvalue_transactional.{number}" for number in (5, 6, 4, 3, 1)))
@gauntlet(_woven)
async def two_small_transactions_are_serializable(kv: KeyValueTransactional, case: Case, script: str, state: str) -> None:
    """However the steps of two small transactions are woven, those that commit have an order."""
    player = Player(case, kv, await case.client(), _before(state))
    await player.prepare()
    await player.play(script)


_TOKENS = st.tuples(st.sampled_from("123pq"), st.sampled_from("rwd"), st.sampled_from(KEYS)).map("".join)


@check(*(f"keyvalue_transactional.{number}" for number in (5, 6, 4, 3, 2, 1)))
@given(
    tokens=st.lists(_TOKENS, min_size=1, max_size=14),
    ends=st.permutations(("1c", "2c", "3c")),
    early=st.integers(0, 14),
    gives_up=st.sampled_from(("", "", "1", "2")),
    state=st.sampled_from(tuple(_STATES)),
)
async def drawn_schedules_are_serializable(
    kv: KeyValueTransactional, case: Case, tokens: list[str], ends: list[str], early: int, gives_up: str, state: str
) -> None:
    """Three transactions and two plain clients in any order: those that commit have a serial order."""
    script = [*tokens[:early], ends[0], *tokens[early:], *ends[1:]]
    script = [token.replace("c", "a") if token[0] == gives_up else token for token in script]
    player = Player(case, kv, await case.client(), _before(state))
    await player.prepare()
    await player.play(" ".join(script))


@check("keyvalue_transactional.6")
@gauntlet(lambda limits: [{"times": times, "clients": clients} for times in (1, 20) for clients in (1, 2)])
async def after_any_number_of_conflicts_a_retry_succeeds(kv: KeyValueTransactional, case: Case, times: int, clients: int) -> None:
    """A transaction whose reads change under it never commits; alone it does, and nothing of the tries before is left."""
    rival = await case.client() if clients == 2 else kv
    whole = await case.whole()
    living = [key for key in ("living", "aging") if offers(whole, KeyValueTtl)]
    await kv.set("k", b"0")
    for key in ("held", "kept", *living):
        await kv.set(key, b"old")
    for key in living:
        await whole.expire(key, 1e6)
    for number in range(1, times + 1):
        try:
            async with kv.transaction() as transaction:
                held = await transaction.get("k")
                await transaction.set("left behind", b"x")
                if number == times:
                    await transaction.set("held", b"x")
                    await transaction.delete("kept")
                    for key in living:
                        await (transaction.delete(key) if key == "living" else transaction.set(key, b"x"))
                await rival.set("k", b"%d" % number)
                await transaction.set("k", b"after %s" % (held or b"nothing"))
            broken(
                "keyvalue_transactional.5",
                "a transaction commits though what it read has changed",
                expected="Conflict",
                got="a commit",
            )
        except Conflict:
            value("keyvalue_transactional.6", await kv.get("k"), b"%d" % number, "a transaction that raised Conflict changed a key")
            value("keyvalue_transactional.6", await kv.get("left behind"), None, "a transaction that raised Conflict left a key")

    for key in ("held", "kept", *living):
        value("keyvalue_transactional.6", await rival.get(key), b"old", f"a transaction that raised Conflict changed a key, {key}")
    for key in living:
        same(
            "keyvalue_transactional.6",
            await whole.persist(key),
            True,
            f"a transaction that raised Conflict changed a deadline, {key}",
        )

    async def body(transaction: Any) -> None:
        await transaction.set("k", b"after %s" % (await transaction.get("k") or b"nothing"))

    await transacted(kv, body)
    value("keyvalue_transactional.6", await rival.get("k"), b"after %d" % times, "a retry that succeeded is not seen")
    value("keyvalue_transactional.6", await kv.get("left behind"), None, "a transaction that raised Conflict left a key")


@check("keyvalue_transactional.6", "keyvalue_transactional.5")
@gauntlet(
    lambda limits: [{"number": number, "order": order} for number in (2, 5, 10) for order in ("same", "reverse", "middle first")]
)
async def disjoint_transactions_all_commit_in_the_end(kv: KeyValueTransactional, case: Case, number: int, order: str) -> None:
    """Side by side on keys of their own, at once or after a needless `Conflict` retried alone, all of them are there."""
    managers = [kv.transaction() for _ in range(number)]
    transactions = [await manager.__aenter__() for manager in managers]
    for index, transaction in enumerate(transactions):
        same("keyvalue_transactional.5", await transaction.get(f"k{index}"), None, "a key of another transaction is seen")
        await transaction.set(f"k{index}", b"%d" % index)
    turns = list(range(number))[:: -1 if order == "reverse" else 1]
    turns = turns[number // 2 :] + turns[: number // 2] if order == "turned" else turns
    conflicts = []
    for index in turns:
        try:
            await managers[index].__aexit__(None, None, None)
        except Conflict:
            conflicts.append(index)
            value("keyvalue_transactional.6", await kv.get(f"k{index}"), None, "a transaction that raised Conflict left a key")
    for index in conflicts:

        async def body(transaction: Any, index: int = index) -> None:
            await transaction.get(f"k{index}")
            await transaction.set(f"k{index}", b"%d" % index)

        await transacted(kv, body)
    if conflicts:
        case.note("transactions on keys of their own met a needless Conflict")
    for index in range(number):
        value("keyvalue_transactional.1", await kv.get(f"k{index}"), b"%d" % index, "a committed write is not there")


@check("keyvalue_transactional.6")
@gauntlet(lambda limits: [{"kind": kind} for kind in ("get", "set", "delete", "nothing", "all")])
async def a_transaction_alone_succeeds(kv: KeyValueTransactional, kind: str) -> None:
    """With nobody else about, a few tries suffice, again and again."""

    async def body(transaction: Any) -> None:
        if kind in ("get", "all"):
            await transaction.get("k")
        if kind in ("set", "all"):
            await transaction.set("k", b"v")
        if kind in ("delete", "all"):
            await transaction.delete("other")

    for _ in range(10):
        await transacted(kv, body)


def _similar(limits: Limits) -> Iterator[dict[str, Any]]:
    """All that may be taken for a short text, a few of every other group, and the ways between an empty value and none."""
    for before, after in ((None, b""), (b"", None), (b"", b"\x00"), (b"0", b""), (b"same", None)):
        yield {"before": before, "after": after}
    for base, others in (*confusable_payloads(limits), *distant_payloads(limits)):
        if len(base) < 100_000:
            yield from ({"before": base, "after": other} for other in others[:: 1 if base == b"abc" else 9])


@check("keyvalue_transactional.5", "keyvalue_transactional.6")
@gauntlet(_similar)
async def a_change_to_a_similar_value_is_a_change(
    kv: KeyValueTransactional, case: Case, before: bytes | None, after: bytes | None
) -> None:
    """A value that was read and then replaced by one of the same length, beginning or meaning is not the one that was read."""
    if before is not None:
        await kv.set("k", before)
    try:
        async with kv.transaction() as transaction:
            value("keyvalue_transactional.3", await transaction.get("k"), before, "a transaction reads another value than was set")
            await (kv.delete("k") if after is None else kv.set("k", after))
            await transaction.set("k", b"by the transaction")
    except Conflict:
        value("keyvalue_transactional.6", await kv.get("k"), after, "a transaction that raised Conflict changed a key")
    else:
        broken("keyvalue_transactional.5", "a transaction commits though what it read has changed", expected="Conflict")


@check("keyvalue_transactional.5")
@gauntlet(lambda limits: [{"rounds": 8, "reads": reads, "other": other} for reads in (2, 8) for other in (False, True)])
async def reads_of_one_key_at_once_are_one_read(
    kv: KeyValueTransactional, case: Case, rounds: int, reads: int, other: bool
) -> None:
    """A transaction reads a key several times at once, while somebody writes it: if it was told two values, it does not commit."""
    rival = await case.client() if other else kv
    case.overlap()
    for number in range(rounds):
        await kv.set("k", b"%d before" % number)
        try:
            async with kv.transaction() as transaction:
                calls: list[Awaitable[Any]] = [transaction.get("k") for _ in range(reads)]
                calls.insert(reads // 2, rival.set("k", b"%d after" % number))
                told = {seen for seen in await together(*calls) if seen is not None}
                if number % 2:
                    await transaction.set("l", b"written")
        except Conflict:
            continue
        if len(told) > 1:
            sentence = "a transaction commits that was told two values of one key, which it read more than once at a time"
            broken("keyvalue_transactional.5", sentence, expected="one value, or Conflict", got=sorted(told))
