"""keyvalue_transactional: transactions of several tasks and clients at once. Nobody sees a part, nothing is lost, sums stay.

A commit that checks and then writes, or writes one key after the other, can be caught in the middle only by a task that runs just
then, so tasks start at different offsets and with and without a turn of the loop around each call.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from functools import partial
from itertools import product
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from prism_suites._judging import broken, same, value
from prism_suites._keyvalue_retrying import transacted
from prism_suites._keyvalue_serial import KEYS, Player
from prism_suites._racing import PLANS
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import Conflict, KeyValueTransactional
from prism_testkit.plan import Plan
from prism_testkit.traits import Limits

_MOST = 400
"""Looks or tries after which a task gives up, so that no check runs for ever."""


async def _turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


def _windows(limits: Limits) -> Iterator[dict[str, Any]]:
    for keys, offset, reader in product((2, 5, 70, 130, 520, 1100), range(5), ("forwards", "backwards", "by transaction")):
        # A commit of many keys may be done by portions, of 25, 100, 500 or 1000: its first and its last key are looked at.
        if (keys == 70 and offset % 2) or (keys > 70 and (offset, reader) not in ((0, "forwards"), (4, "by transaction"))):
            continue
        yield {"keys": keys, "offset": offset, "reader": reader, "overlap": offset == 4, "clients": 1 + (offset + keys) % 2}


@check("keyvalue_transactional.1", "keyvalue_transactional.5")
@gauntlet(_windows)
async def nobody_ever_sees_a_part(
    kv: KeyValueTransactional, case: Case, keys: int, offset: int, reader: str, overlap: bool, clients: int
) -> None:
    """While commit follows commit, who has read one key as new reads no other as old; a transaction reads one state (KV-29)."""
    if case.server and keys > 130:
        return  # each write may be a round trip
    other: KeyValueTransactional = await case.client() if clients == 2 else kv
    names = [f"k{index}" for index in range(keys)]
    await transacted(kv, lambda transaction: _fill(transaction, names, 0))
    if overlap:
        case.overlap()
    written, done = 0, False

    async def write() -> None:
        nonlocal written, done
        try:
            await _turns(3)
            for number in range(1, 5):
                if await _committed(kv, names, number):
                    written = number
                await _turns(offset)
        finally:
            done = True

    async def read() -> None:
        await _turns(offset)
        ends = names if keys <= 5 else [names[0], names[-1]]
        order = ends if reader != "backwards" else ends[::-1]
        newest = 0
        for _ in range(_MOST):
            if reader == "by transaction":
                seen = await _snapshot(other, order)
                if seen is not None:
                    same("keyvalue_transactional.5", len(set(seen)), 1, "a transaction that committed had read a part")
            else:
                newest = await _look(other, order, newest)
            if done:
                break
            await asyncio.sleep(0)

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        group.create_task(read())
    for name in names:
        value("keyvalue_transactional.1", await other.get(name), b"%d" % written, "a committed write is not there")


async def _fill(transaction: Any, names: list[str], number: int) -> None:
    for name in names:
        await transaction.set(name, b"%d" % number)


async def _committed(kv: Any, names: list[str], number: int) -> bool:
    """Write all keys in one transaction, waiting differently after each `Conflict`; False if it never got through."""
    for attempt in range(_MOST):
        try:
            async with kv.transaction() as transaction:
                await _fill(transaction, names, number)
        except Conflict:
            await _turns(1 + attempt % 7)
            continue
        return True
    return False


async def _snapshot(kv: Any, names: list[str]) -> list[bytes | None] | None:
    """Read all keys in one transaction; None if it met `Conflict`."""
    try:
        async with kv.transaction() as transaction:
            seen = [await transaction.get(name) for name in names]
    except Conflict:
        return None
    return seen


async def _look(kv: Any, names: list[str], newest: int) -> int:
    """Read keys one by one: each is at least as new as the newest one read before."""
    for name in names:
        held = await kv.get(name)
        number = int(held) if held else -1
        if number < newest:
            broken(
                "keyvalue_transactional.1",
                "one key of a transaction was read as new, then another one as old",
                expected=f"{newest} or later",
                got=held,
            )
        newest = number
    return newest


_CREWS: dict[str, tuple[str, ...]] = {
    "increments": ("1rx 1wx 1c", "2rx 2wx 2c"),
    "three increments": ("1rx 1wx 1c", "2rx 2wx 2c", "3rx 3wx 3c"),
    "transaction and plain write": ("1rx 1wx 1c", "qwx"),
    "transaction and plain delete": ("1rx 1wx 1c", "pdx"),
    "write skew": ("1rx 1ry 1wx 1c", "2rx 2ry 2wy 2c"),
    "write skew, crosswise": ("1rx 1wy 1c", "2ry 2wx 2c"),
    "cycle of three": ("1rx 1wy 1c", "2ry 2wz 2c", "3rz 3wx 3c"),
    "writers and a reader": ("1wx 1wy 1wz 1c", "2rz 2ry 2rx 2c", "3rx 3rz 3wy 3c"),
    "two writers of two keys": ("1wx 1wy 1c", "2wy 2wx 2c", "prx pry qrx"),
    "writer and plain reads": ("1wx 1wy 1c", "pry prx pry", "qrx qry qrx"),
    "deletes": ("1dx 1wy 1c", "2dx 2wz 2c"),
    "delete and update": ("1rx 1wx 1c", "2dx 2c", "prx"),
    "creation and creation": ("1rz 1wz 1c", "2rz 2wz 2c"),
    "given up and reader": ("1rx 1wx 1wy 1a", "2rx 2ry 2c", "prx pry"),
}


def _races(limits: Limits) -> Iterator[dict[str, Any]]:
    waits = ((0, 0, 0), (0, 1, 0), (1, 0, 1), (0, 2, 1), (0, 3, 2))
    for crew, scripts in _CREWS.items():
        for number, wait in enumerate(waits):
            started = [f"{'.' * turns} {script}".strip() for turns, script in zip(wait, scripts, strict=False)]
            yield {"crew": crew, "scripts": started, "overlap": number % 2 == 1, "state": ("present", "missing")[number % 3 == 2]}


async def _expect_serial(case: Case, kv: Any, scripts: list[str], overlap: bool, state: str, plan: Plan | None = None) -> None:
    before: dict[str, bytes | None] = {key: b"old %s" % key.encode() if state == "present" else None for key in KEYS}
    player = Player(case, kv, await case.client(), before)
    await player.prepare()
    if overlap:
        case.schedule(plan or Plan())
    await player.play(*scripts)


@check(*(f"keyvalue_transactional.{number}" for number in (5, 6, 1, 4, 2)))
@gauntlet(_races)
async def tasks_at_once_are_serializable(
    kv: KeyValueTransactional, case: Case, crew: str, scripts: list[str], overlap: bool, state: str
) -> None:
    """Two or three tasks with a transaction each, or plain calls: what commits has a serial order (KV-56)."""
    await _expect_serial(case, kv, scripts, overlap, state)


_STEPS = st.lists(st.tuples(st.sampled_from("rwd"), st.sampled_from(KEYS), st.integers(0, 3)), min_size=1, max_size=4)


def _spelt(actor: str, steps: list[tuple[str, str, int]], ending: str) -> str:
    tokens = [f"{'.' * turns} {actor}{kind}{key}".strip() for kind, key, turns in steps]
    return " ".join([*tokens, *([actor + ending] if actor.isdigit() else [])])


@check(*(f"keyvalue_transactional.{number}" for number in (5, 6, 1, 4, 2)))
@given(
    programs=st.lists(st.tuples(_STEPS, st.sampled_from("ccca")), min_size=2, max_size=3),
    plain=st.lists(st.tuples(st.sampled_from("rwd"), st.sampled_from(KEYS), st.integers(0, 3)), max_size=3),
    overlap=st.booleans(),
    state=st.sampled_from(("present", "missing")),
    plan=PLANS,
)
async def drawn_tasks_are_serializable(
    kv: KeyValueTransactional,
    case: Case,
    programs: list[tuple[list[tuple[str, str, int]], str]],
    plain: list[tuple[str, str, int]],
    overlap: bool,
    state: str,
    plan: Plan,
) -> None:
    """Small random transactions of two or three tasks, and a task of plain calls, with drawn turns in between."""
    scripts = [_spelt(str(number + 1), steps, ending) for number, (steps, ending) in enumerate(programs)]
    await _expect_serial(case, kv, [*scripts, *([_spelt("p", plain, "")] if plain else [])], overlap, state, plan)


async def _work_off(kv: Any, jobs: list[Any], body: Callable[[Any, Any], Awaitable[None]], turns: int) -> list[Any]:
    """Commit one transaction for each job, trying again after `Conflict`; return the jobs that never got through."""
    left = []
    await _turns(turns)
    for job in jobs:
        for attempt in range(12):
            try:
                async with kv.transaction() as transaction:
                    await body(transaction, job)
                break
            except Conflict:
                # Others are about, so a conflict proves nothing; those who meet again and again part by waiting differently.
                await _turns(1 + (turns * 3 + attempt) % 5)
        else:
            left.append(job)
    return left


async def _work_off_alone(kv: Any, left: Iterable[list[Any]], body: Callable[[Any, Any], Awaitable[None]]) -> None:
    for job in [job for some in left for job in some]:
        await transacted(kv, partial(_with, body, job))


async def _with(body: Callable[[Any, Any], Awaitable[None]], job: Any, transaction: Any) -> None:
    await body(transaction, job)


@check("keyvalue_transactional.5", "keyvalue_transactional.6", "keyvalue_transactional.1")
@gauntlet(
    lambda limits: [
        {"workers": workers, "rounds": rounds, "clients": clients, "overlap": overlap}
        for workers, rounds in ((2, 8), (5, 3))
        for clients in (1, 2)
        for overlap in (False, True)
    ]
)
async def no_increment_is_lost(
    kv: KeyValueTransactional, case: Case, workers: int, rounds: int, clients: int, overlap: bool
) -> None:
    """W workers that read and write a counter K times, each in a transaction, end at W*K (KV-23)."""
    crowd = [kv, *[await case.client() for _ in range(clients - 1)]]
    if overlap:
        case.overlap()

    async def increment(transaction: Any, job: int) -> None:
        held = await transaction.get("counter")
        await transaction.set("counter", b"%d" % (int(held or b"0") + 1))
        await transaction.set(f"job {job}", b"done")

    jobs = [[worker * rounds + number for number in range(rounds)] for worker in range(workers)]
    left = await asyncio.gather(*(_work_off(crowd[n % clients], jobs[n], increment, n) for n in range(workers)))
    await _work_off_alone(kv, left, increment)
    total = workers * rounds
    value("keyvalue_transactional.5", await kv.get("counter"), b"%d" % total, "an increment was lost, or counted twice")
    for job in range(total):
        value("keyvalue_transactional.1", await kv.get(f"job {job}"), b"done", "a part of a committed transaction is not there")


@check("keyvalue_transactional.5", "keyvalue_transactional.6", "keyvalue_transactional.1")
@gauntlet(
    lambda limits: [
        {"accounts": accounts, "workers": workers, "clients": clients, "overlap": overlap}
        for accounts, workers in ((2, 2), (3, 3), (4, 4))
        for clients in (1, 2)
        for overlap in (False, True)
    ]
)
async def transfers_keep_the_sum(
    kv: KeyValueTransactional, case: Case, accounts: int, workers: int, clients: int, overlap: bool
) -> None:
    """Whatever is transferred at once, each transaction that reads all accounts, and commits, finds the sum it was (KV-30)."""
    crowd = [kv, *[await case.client() for _ in range(clients - 1)]]
    names = [f"account {index}" for index in range(accounts)]
    for name in names:
        await kv.set(name, b"100")
    if overlap:
        case.overlap()
    running = workers

    async def transfer(transaction: Any, job: tuple[int, int, int]) -> None:
        giver, taker, amount = job
        balance = int(await transaction.get(names[giver]) or b"0")
        await transaction.set(names[giver], b"%d" % (balance - amount))
        balance = int(await transaction.get(names[taker]) or b"0")
        await transaction.set(names[taker], b"%d" % (balance + amount))

    async def work(number: int) -> list[Any]:
        nonlocal running
        jobs = [((number + turn) % accounts, (number + turn + 1) % accounts, 7 * number + turn + 1) for turn in range(4)]
        try:
            return await _work_off(crowd[number % clients], jobs, transfer, number)
        finally:
            running -= 1

    async def audit() -> list[Any]:
        for _ in range(_MOST):
            seen = await _snapshot(crowd[-1], names)
            if seen is not None:
                total = sum(int(held or b"0") for held in seen)
                same("keyvalue_transactional.5", total, 100 * accounts, "a transaction that committed read another sum")
            if not running:
                break
            await asyncio.sleep(0)
        return []

    left = (await asyncio.gather(audit(), *(work(number) for number in range(workers))))[1:]
    await _work_off_alone(kv, left, transfer)
    total = sum([int(await crowd[-1].get(name) or b"0") for name in names])
    same("keyvalue_transactional.5", total, 100 * accounts, "transfers changed the sum of all accounts")
    done = [[(n + t) % accounts, (n + t + 1) % accounts, 7 * n + t + 1] for n in range(workers) for t in range(4)]
    for index, name in enumerate(names):
        expected = 100 + sum(amount for _, taker, amount in done if taker == index) - sum(a for g, _, a in done if g == index)
        value("keyvalue_transactional.5", await kv.get(name), b"%d" % expected, "a transfer was lost, or made twice")
