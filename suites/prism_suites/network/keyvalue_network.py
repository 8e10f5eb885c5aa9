"""key-value: connections are reset, cut, held and refused, answers are lost, and the server pauses, while clients are at work."""

import asyncio
from typing import Any

from prism_suites._durable_plans import fitting
from prism_suites._judging import broken, value
from prism_suites._keyvalue_losing import LOSSES, judge_loss
from prism_suites._keyvalue_outage import KeyValueOutage, every_call
from prism_suites._network import PATIENCE, Load, at_work, passes, until
from prism_suites._network_faults import everything
from prism_suites._network_losing import ANSWERS, AnswersLost, answered
from prism_testkit.case import Case
from prism_testkit.checkers.linearizability import KeyValueModel, check_history, explain, worst
from prism_testkit.checks import check
from prism_testkit.interfaces import KeyValueBasic, KeyValueCas
from prism_testkit.private import PrivateServer

_KEYS = 2


@check("keyvalue_basic.10", "keyvalue_basic.13", needs_server=True)
async def calls_over_a_failing_network_are_explained(kv: KeyValueBasic, case: Case) -> None:
    """Around resets, lost answers, cuts, held, half-closed and refused connections, pauses of the server and a restart each client
    recovers by itself, and one order explains what all were told: nothing acknowledged is lost, and a call that was not answered
    happened once or not at all (KV-54, KV-55)."""
    load = Load("keyvalue_basic.13")
    async with case.private_server() as private:
        slots = [await private.client(proxied=True), await private.client(proxied=True), await private.client()]
        for slot in slots[:2]:
            await _passes(case, private, slot)
        steps = [_Worker(load, slot).step for slot in slots]
        idle = await at_work(load, steps, everything(case, private, load, restarts=case.traits.durability != "none"))
        await _explained(case, load, slots)
    if idle:
        case.inconclusive(f"took no effect: {', '.join(idle)}")


class _Worker:
    """Writes, swaps, deletes and reads two keys of the turn; what it writes nobody else does."""

    def __init__(self, load: Load, slot: Any) -> None:
        self._load, self._slot = load, slot
        self._seen: dict[str, bytes | None] = {}

    async def step(self, number: int, index: int) -> bool:
        key = f"k{self._load.turn}.{(number + index // 2) % _KEYS}"
        mine = b"%d.%d" % (number, index)
        match index % 8:
            case 1 | 4 | 6:
                answered, got = await self._load.call("get", self._slot.get(key))
                if answered:
                    self._seen[key] = got
                return answered
            case 2 | 5 if hasattr(self._slot, "compare_and_swap"):
                call = self._slot.compare_and_swap(key, self._seen.get(key), mine)
                return (await self._load.call("compare_and_swap", call))[0]
            case 7 if index % 16 == 7:
                return (await self._load.call("delete", self._slot.delete(key)))[0]
            case 7:
                return (await self._load.call("exists", self._slot.exists(key)))[0]
        return (await self._load.call("set", self._slot.set(key, mine)))[0]


async def _explained(case: Case, load: Load, slots: list[Any]) -> None:
    """Look at every key from the last client, then judge each key's calls, those without an answer taken either way."""
    for turn in range(load.turn + 1):
        for number in range(_KEYS):
            await slots[-1].get(f"k{turn}.{number}")
    verdict = worst(check_history(case.history.operations(KeyValueCas), KeyValueModel))
    if verdict.kind == "violation":
        broken(
            "keyvalue_basic.10",
            f"no order of the calls around a fault explains what they returned. {explain(verdict, case.history.step)}",
        )
    if verdict.kind == "undecided":
        case.inconclusive(explain(verdict))


@check(
    "keyvalue_basic.10",
    "keyvalue_basic.4",
    "keyvalue_basic.13",
    "keyvalue_cas.3",
    "keyvalue_cas.4",
    "keyvalue_cas.6",
    "keyvalue_batch.3",
    "keyvalue_transactional.5",
    "keyvalue_transactional.6",
    needs_server=True,
)
async def a_write_whose_answer_was_lost_happens_once(kv: KeyValueBasic, case: Case) -> None:
    """The server does what it was asked, its answer is swallowed, another client sees the effect and writes, and then the
    connection is reset: the key keeps what the other wrote, and a call that is answered says what happened (KV-54)."""
    load = Load("keyvalue_basic.13")
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        losing = AnswersLost(private.proxy, load)
        for loss in [loss for loss in LOSSES if hasattr(one, loss.method)]:
            for after, acts in [(after, acts) for after in range(ANSWERS) for acts in (True, False)]:
                key = f"{loss.method} {after} {acts}"
                for warm in (f"{key} warm", key):
                    await other.set(warm, loss.before)
                await answered(load, loss.method, lambda key=key, make=loss.make: make(one, f"{key} warm"))  # type: ignore[misc]

                async def happened(key: str = key, after: bytes | None = loss.after) -> bool:
                    return bool(await other.get(key) == after)

                async def act(key: str = key, between: bytes = loss.between) -> None:
                    await other.set(key, between)

                fate = await losing.lose(loss.method, loss.make(one, key), after, happened, act if acts else None)
                judge_loss(loss, fate, await other.get(key))
                if fate.finished:
                    break
        if hasattr(one, "transaction"):
            await _cut_in_two(private, load, one, other)
    if not losing.effects:
        case.inconclusive("no call took effect before its answer was lost")


async def _cut_in_two(private: PrivateServer, load: Load, one: Any, other: Any) -> None:
    """Lose the connections of a transaction that has read: it may go on, over others, but does not commit what no longer holds."""
    for reads in (True, False):
        key = f"cut in two {reads}"
        await other.set(key, b"read")
        answered_at_exit = False

        async def transact(key: str = key, reads: bool = reads) -> None:
            async with one.transaction() as transaction:
                await transaction.get(key)
                await private.proxy.reset()
                if reads:
                    await load.call("get", transaction.get(f"{key}, another"))
                await other.set(key, b"changed")
                await transaction.set(f"{key}, result", b"of what was read")
            nonlocal answered_at_exit
            answered_at_exit = True

        await load.call("transaction", transact())
        if answered_at_exit:
            sentence = "a transaction whose connection was lost commits, though what it had read was changed since"
            broken("keyvalue_transactional.5", sentence, expected="Conflict, or that the server is away", got="it commits")


@check("keyvalue_basic.8", "keyvalue_basic.13", needs_server=True)
async def who_is_cut_off_knows_nothing(kv: KeyValueBasic, case: Case) -> None:
    """While nothing passes between a client and its server, it is told no old value and no write of its own is acknowledged; while
    its connections are refused every call says so; afterwards it reads what was written meanwhile, and works (KV-54, KV-55)."""
    outage, load = KeyValueOutage(case.limits.max_payload), Load("keyvalue_basic.13")
    before, after = (fitting(text, case.limits.max_payload) for text in (b"before", b"after"))
    async with case.private_server() as private:
        one, other = await private.client(proxied=True), await private.client()
        await _passes(case, private, one)
        await one.set("k", before)
        value("keyvalue_basic.8", await one.get("k"), before, "a client does not read what it wrote")
        proxy, held = private.proxy, private.proxy.counts.held
        await proxy.hold()
        await other.set("k", after)
        reading, writing = asyncio.ensure_future(one.get("k")), asyncio.ensure_future(one.set("mine", after))
        cut_off = await until(lambda: (reading.done() and writing.done()) or proxy.counts.held > held)
        await until(reading.done, PATIENCE)  # one that gives up the server answers by itself
        if writing.done() and writing.exception() is None:
            got = await other.get("mine")
            value("keyvalue_basic.8", got, after, "a write is acknowledged that never reached the server")
        await proxy.reset()  # what is held is gone; what connects again meanwhile is reset below
        await proxy.refuse()
        await proxy.reset()
        there, got = await load.call("get", reading)
        if there:
            value("keyvalue_basic.8", got, after, "a client that was cut off reads an old value")
        await load.call("set", writing)
        refused = proxy.counts.refused
        await outage.none_answered(every_call(one))
        cut_off = cut_off and proxy.counts.refused > refused
        await proxy.pass_on()
        await outage.all_answered(every_call(one))
        value("keyvalue_basic.8", await one.get("k"), after, "a client that was cut off reads an old value afterwards")
    if not cut_off:
        case.inconclusive("the client was not cut off")


async def _passes(case: Case, private: PrivateServer, slot: Any) -> None:
    await passes(case, private, lambda: slot.set("warm", b"v"), lambda: slot.get("unseen"))
