"""What the tap does to calls, what a crash leaves, and how an explored check finds the call that matters."""

import asyncio
import types
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Protocol, Self, cast

import pytest
from hypothesis import given

from prism_backends.memory import memory
from prism_testkit.bindings import Binding, Candidate
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import Check, CheckError, check, explored
from prism_testkit.clock import Clock, VirtualClock
from prism_testkit.exploring import CAPS, Caps, caps_of, explore
from prism_testkit.faults import Faults, Incarnation, Plan
from prism_testkit.interfaces import KeyValueBasic, KeyValueTransactional, QueueBasic
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout
from prism_testkit.outcomes import Crashed, Outcome
from prism_testkit.pattern import Pattern, kind
from prism_testkit.plan import Plan as Schedule
from prism_testkit.schedules import VirtualLoop
from prism_testkit.strategies.schedules import plans as schedule_plans
from prism_testkit.tap import Tap, tapped
from prism_testkit.traits import Traits
from tests.zoo.kill import Runner


class Noted(KeyValueBasic):
    """Remembers what took effect."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    async def set(self, key: str, value: Any) -> None:
        self.calls.append(key)

    async def get(self, key: str) -> bytes | None:
        return None

    async def delete(self, key: str) -> bool:
        return False

    async def exists(self, key: str) -> bool:
        return False


def struck(plan: Plan, *keys: str) -> tuple[list[str], list[str], Faults, float]:
    """Set keys one after another under a plan; return what took effect, what was told, the faults and how long it took."""
    clock = VirtualClock()
    loop = VirtualLoop(clock)
    driver, faults = Noted(), Faults(plan, clock)
    slot = tapped(driver, ("keyvalue_basic",), Tap(client=0, faults=faults, incarnation=Incarnation(0)))
    told = []

    async def run() -> None:
        for key in keys:
            try:
                await slot.set(key, b"")
                told.append("ok")
            except (Exception, Crashed) as error:
                told.append(type(error).__name__)

    began = clock.now_s()
    loop.run_until_complete(run())
    loop.close()
    return driver.calls, told, faults, clock.now_s() - began


@pytest.mark.parametrize(
    ("what", "effects", "told", "seconds"),
    [
        ("error before", "ac", ["ok", "BackendUnavailable", "ok"], 0),
        ("error after", "abc", ["ok", "OperationTimeout", "ok"], 0),
        ("refuse AccessDenied", "ac", ["ok", "AccessDenied", "ok"], 0),
        ("crash before", "a", ["ok", "Crashed", "Crashed"], 0),
        ("crash after", "ab", ["ok", "Crashed", "Crashed"], 0),
        ("delay 7", "abc", ["ok", "ok", "ok"], 7),
        ("duplicate", "abbc", ["ok", "ok", "ok"], 0),
        ("cut 1", "a", ["ok", "BackendUnavailable", "BackendUnavailable"], 0),
    ],
)
def test_each_fault_does_what_it_says(what: str, effects: str, told: list[str], seconds: float) -> None:
    found, said, faults, took = struck(((0, "set", 1, what),), "a", "b", "c")
    assert ("".join(found), said, took) == (effects, told, seconds)
    assert not faults.missed
    assert faults.passed[:2] == [(0, "set", 0), (0, "set", 1)]


def test_a_fault_that_no_call_reaches_is_known() -> None:
    _, told, faults, _ = struck(((0, "set", 5, "error before"), (1, "set", 0, "error before"), (0, "get", 0, "cut 1")), "a")
    assert told == ["ok"]
    assert len(faults.missed) == 3


def test_a_word_that_is_no_fault_is_refused() -> None:
    with pytest.raises(ValueError, match="no fault is called 'explode'"):
        Faults([(0, "set", 0, "explode")], VirtualClock())


# -- a client that dies ---


@check("keyvalue_transactional.2")
async def a_client_dies_in_a_transaction(kv: KeyValueTransactional, case: Case) -> None:
    """What a dead client had begun has no effect, and nothing that it does later."""
    await kv.set("kept", b"1")
    with suppress(Crashed):
        async with kv.transaction() as transaction:
            await transaction.set("lost", b"1")
            again = await case.crash(kv)
    with suppress(Crashed):
        await kv.set("late", b"1")
        pytest.fail("a dead client wrote")
    assert [await again.get(key) for key in ("kept", "lost", "late")] == [b"1", None, None]


@pytest.fixture
def runner() -> Iterator[Any]:
    made: list[Runner] = []

    def make(pattern: Pattern | None = None) -> Runner:
        made.append(Runner(memory, pattern=pattern))
        return made[-1]

    yield make
    for each in made:
        assert each.close() == []


def test_a_crash_ends_what_was_begun(runner: Any) -> None:
    (result,) = runner().run("tests::dies", a_client_dies_in_a_transaction)
    assert result.outcome is Outcome.PASSED, result.failure


# -- an explored pattern ---


@kind("pair", promises="ZP")
class Pair(Protocol):
    """Two values that are written together.

    1. Whatever happens, after `settle` either both are there or none.
    """

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    async def write(self) -> None: ...
    async def settle(self) -> None: ...


class CarefulPair(Pair):
    """Writes its intention first, and settles by it."""

    order = ("intent", "left", "right")

    def __init__(self, *, store: KeyValueBasic, spare: QueueBasic | None = None, clock: Clock) -> None:
        self.store = store

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self._idle())
        return self

    async def _idle(self) -> None:
        await asyncio.Event().wait()

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.task.cancel()

    async def write(self) -> None:
        for key in self.order:
            await self.store.set(key, b"1")

    async def settle(self) -> None:
        if await self.store.exists("intent"):
            await self.write()


class CarelessPair(CarefulPair):
    order = ("left", "intent", "right")


async def both_or_none(pair: Bound[Pair], case: Case, faults: Plan) -> None:
    """Both values or none, whatever befalls the writer."""

    async def work(instance: Pair) -> None:
        with suppress(BackendUnavailable, OperationTimeout):
            await instance.write()

    with suppress(Crashed):
        async with pair.opened() as instance:
            await work(instance)
    pair.heal()
    pair.struck()
    async with pair.opened() as instance:
        await instance.settle()
    store = await pair.look("store")
    found = [await store.exists(key) for key in ("left", "right")]
    assert found[0] == found[1], found


def explored_check() -> Check:
    return check("ZP1")(explored(both_or_none))


def test_a_careful_pattern_survives_every_fault(runner: Any) -> None:
    results = list(runner(Pattern(kind="pair", name="careful", implementation=CarefulPair)).run("tests::pair", explored_check()))
    assert [result.outcome for result in results] == [Outcome.PASSED] * 2, results
    assert [result.binding for result in results] == ["pair:careful[store=memory]", "pair:careful[spare=memory,store=memory]"]
    # Without faults, 3 calls x (2 errors + 2 crashes), then the pairs.
    assert all(result.cases >= 1 + 12 for result in results)
    assert {(result.pattern, *result.interfaces) for result in results} == {("pair:careful",)}


def test_a_careless_one_is_caught_at_the_call_that_matters(runner: Any) -> None:
    results = list(runner(Pattern(kind="pair", name="careless", implementation=CarelessPair)).run("tests::pair", explored_check()))
    for result in results:
        assert result.outcome is Outcome.FAILED
        assert result.failure is not None
        assert result.failure.promise == "ZP1"
        assert result.failure.promise_text.startswith("Whatever happens")
        assert result.failure.arguments == {"faults": "error after: call 1 of store.set by incarnation 1"}


class HastyPair(CarefulPair):
    """Reads before it writes."""

    async def write(self) -> None:
        for key in ("left", "right"):
            await self.store.set(key, (await self.store.get(key) or b"") + b"1")


seen: list[tuple[Plan, Schedule]] = []


async def two_at_once(pair: Bound[Pair], case: Case, faults: Plan, plan: Schedule) -> None:
    """Both values, though two write them at once."""
    seen.append((faults, plan))
    case.schedule(plan)
    with suppress(Crashed):
        async with pair.opened() as first:
            results = await asyncio.gather(first.write(), first.write(), return_exceptions=True)
            for result in results:
                if isinstance(result, Crashed):
                    raise result


def test_an_explored_check_may_draw_a_schedule_beside_its_pairs_of_faults(runner: Any) -> None:
    seen.clear()
    run = runner(Pattern(kind="pair", name="hasty", implementation=HastyPair))
    (result, _) = run.run("tests::two", check("ZP1")(explored(two_at_once)))
    assert result.outcome is Outcome.PASSED, result.failure
    cases = seen[: result.cases]
    listed = next(place for place, (_, plan) in enumerate(cases) if plan.deviates)
    assert all(not plan.deviates for _, plan in cases[:listed])
    assert listed > 30, "every error and every crash comes first"
    drawn = cases[listed:]
    assert sum(plan.deviates for _, plan in drawn) > len(drawn) / 2
    assert any(len(faults) == 2 and plan.changes for faults, plan in drawn), "pairs of faults meet schedules"


def test_a_check_of_a_pattern_draws_few_schedules(runner: Any) -> None:
    async def two(pair: Bound[Pair], case: Case, plan: Schedule) -> None:
        """Two at once."""
        case.schedule(plan)
        async with pair.opened() as first:
            await asyncio.gather(first.write(), first.write())

    run = runner(Pattern(kind="pair", name="hasty", implementation=HastyPair))
    (result, _) = run.run("tests::two", check("ZP1")(given(plan=schedule_plans())(two)))
    assert result.outcome is Outcome.PASSED, result.failure
    assert result.cases == CAPS["standard"]["memory"].schedules < 25


def test_an_explored_check_takes_faults() -> None:
    async def forgot(pair: Bound[Pair]) -> None: ...

    with pytest.raises(CheckError, match="expected an explored check to take 'faults'"):
        check("ZP1")(explored(forgot))


def test_passes_come_in_order_and_are_capped() -> None:
    plans: list[Plan] = []

    def case(plan: Plan) -> Faults:
        plans.append(plan)
        faults = Faults(plan, VirtualClock())
        faults.passed = [(0, "set", number) for number in range(4)] + ([(1, "get", 0)] if plan else [])
        return faults

    calls = explore(case, CAPS["smoke"]["disk"], 1)
    assert len(calls) == 4
    assert plans[0] == ()
    assert [what.partition(" ")[0] for plan in plans[1:] for *_, what in plan] == ["error"] * 4 + ["crash"] * 4
    plans.clear()
    explore(case, CAPS["standard"]["memory"], 1)
    assert {fault for plan in plans[1:9] for fault in plan} == {
        (0, "set", number, what) for number in range(4) for what in ("error before", "error after")
    }
    assert sum(len(plan) == 2 for plan in plans) == 8
    assert all(plan[1][:3] == (1, "get", 0) for plan in plans if len(plan) == 2)


def test_of_many_bindings_each_draws_half_as_many() -> None:
    def caps(siblings: int) -> Caps:
        slot = types.SimpleNamespace(
            offer=types.SimpleNamespace(traits=Traits()), backend=types.SimpleNamespace(clock_kind="virtual")
        )
        return caps_of("standard", Binding("b", {"queue": cast(Candidate, slot)}, None, siblings))

    assert caps(4) == CAPS["standard"]["memory"]
    assert caps(5) == replace(caps(4), recoveries=6, pairs=13, schedules=8, examples=13)


def test_a_clock_may_be_wrong_and_a_slot_may_answer_otherwise_for_those_opened_afterwards(runner: Any) -> None:
    told: list[tuple[float, float, float, bool]] = []

    class TellingPair(CarefulPair):
        def __init__(self, *, store: KeyValueBasic, clock: Clock) -> None:
            super().__init__(store=store, clock=clock)
            self.clock = clock

    async def skewed(pair: Bound[Pair], case: Case) -> None:
        """What an incarnation is told."""

        def change(store: Any) -> None:
            async def exists(key: str) -> bool:
                return True

            store.exists = exists

        for seconds in (0.0, 3600.0, -3600.0, 0.0):
            pair.skew(seconds)
            async with pair.opened() as opened:
                instance: Any = opened
                began = instance.clock.now_s() - case.clock.now_s()
                await instance.clock.sleep(1.0)
                told.append((seconds, began, instance.clock.now_ms() / 1000 - case.clock.now_s(), await instance.store.exists("x")))
            pair.change("store", change)

    run = runner(Pattern(kind="pair", name="telling", implementation=TellingPair))
    (result,) = run.run("tests::skewed", check("ZP1")(skewed))
    assert result.outcome is Outcome.PASSED, result.failure
    for seconds, began, ended, _ in told:
        assert abs(began - seconds) < 0.01
        assert abs(ended - seconds) < 0.01
    assert [exists for *_, exists in told[:4]] == [False, True, True, True]
