"""A plan on virtual time reorders those who wait at the tap, and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.clock import VirtualClock
from prism_testkit.plan import Plan
from prism_testkit.schedules import VirtualLoop
from prism_testkit.scheduling import FAIR
from prism_testkit.tap import Tap
from prism_testkit.turns import Turns

from .racing import FIFO

Body = Callable[[Tap], Awaitable[None]]


async def nothing() -> None:
    """A call with no effect."""


async def call(tap: Tap) -> None:
    await tap.call("get", nothing, (), {})


def run(plan: Plan | None, *bodies: Body) -> Turns:
    """Run each body in a task of its own, client 1 the first; None is plain overlap, without anything that chooses."""
    loop = VirtualLoop(VirtualClock())
    loop.step_limit = 100_000
    turns = Turns(plan or FIFO, loop)
    if plan is None:
        turns.close()

    async def main() -> None:
        taps = [Tap(client=n, suspend=True, scheduler=turns if plan else None) for n in range(1, len(bodies) + 1)]
        await asyncio.gather(*(body(tap) for body, tap in zip(bodies, taps, strict=True)))

    try:
        loop.run_until_complete(main())
    finally:
        turns.close()
        loop.close()
    return turns


ACTIONS = st.lists(st.sampled_from(["call", "call", "turn", "lock", "put", "wait"]), max_size=8)


def logged(plan: Plan | None, scripts: list[list[str]]) -> list[tuple[int, int]]:
    log: list[tuple[int, int]] = []
    lock, queue = asyncio.Lock(), asyncio.Queue[int]()

    def body(script: list[str]) -> Body:
        async def act(tap: Tap) -> None:
            for place, action in enumerate(script):
                log.append((tap.client, place))
                match action:
                    case "call":
                        await call(tap)
                    case "turn":
                        await asyncio.sleep(0)
                    case "lock":
                        async with lock:
                            await call(tap)
                    case "put":
                        await queue.put(tap.client)
                    case "wait":
                        await asyncio.sleep(0.5)
            log.append((tap.client, len(script)))

        return act

    run(plan, *map(body, scripts))
    return log


@given(scripts=st.lists(ACTIONS, min_size=2, max_size=4))
def test_without_a_deviation_the_order_is_that_of_plain_overlap(scripts: list[list[str]]) -> None:
    assert logged(FIFO, scripts) == logged(None, scripts)


@given(scripts=st.lists(ACTIONS, min_size=2, max_size=4), low=st.integers(1, 9))
def test_a_plan_gives_one_order_on_every_run(scripts: list[list[str]], low: int) -> None:
    plan = Plan((low, 0, 1), ((low, 0),))
    assert logged(plan, scripts) == logged(plan, scripts)


def test_the_highest_goes_first_and_a_change_lets_the_others_pass() -> None:
    order: list[int] = []

    async def body(tap: Tap) -> None:
        for _ in range(2):
            await call(tap)
            order.append(tap.client)

    run(FIFO, body, body, body)
    assert order == [1, 2, 3, 1, 2, 3]
    order.clear()
    run(Plan((0, 2, 1)), body, body, body)
    assert order == [2, 2, 3, 3, 1, 1]
    order.clear()
    # Steps 1 to 4 are client 2's two calls: at step 3 it waits before its second one.
    run(Plan((0, 2, 1), ((3, 0),)), body, body, body)
    assert order == [2, 3, 3, 1, 1, 2]


def test_of_two_changes_the_lower_one_goes_last() -> None:
    order: list[int] = []

    async def body(tap: Tap) -> None:
        await call(tap)
        order.append(tap.client)

    # At step 1 client 1 waits and client 2 goes; at step 2 client 3, which came before client 2 came again, waits.
    run(Plan((), ((1, 0), (2, 1))), body, body, body)
    assert order == [2, 3, 1]
    order.clear()
    run(Plan((), ((1, 1), (2, 0))), body, body, body)
    assert order == [2, 1, 3]


def test_hand_offs_of_a_lock_and_of_a_queue_stay_in_order() -> None:
    order: list[int] = []
    lock = asyncio.Lock()
    queue: asyncio.Queue[None] = asyncio.Queue()

    async def body(tap: Tap) -> None:
        async with lock:
            order.append(tap.client)
        await queue.get()
        order.append(-tap.client)
        await call(tap)

    async def feed(tap: Tap) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        async with lock:
            for _ in range(3):
                queue.put_nowait(None)

    run(Plan((1, 5, 7), ((1, 0),)), body, body, body, feed)
    assert order == [1, 2, 3, -1, -2, -3]


def test_time_stands_still_while_anybody_waits_at_the_tap() -> None:
    seen: list[tuple[str, float]] = []

    async def calls(tap: Tap) -> None:
        for _ in range(20):
            await call(tap)
        seen.append(("calls", asyncio.get_running_loop().time()))

    async def sleeps(tap: Tap) -> None:
        await call(tap)
        await asyncio.sleep(1e-9)
        seen.append(("sleeps", asyncio.get_running_loop().time()))

    run(Plan((0, 7)), calls, sleeps)
    assert seen == [("calls", 0), ("sleeps", 1e-9)]


def test_a_callback_may_be_a_method_of_anything() -> None:
    async def body(tap: Tap) -> None:
        tasks: set[asyncio.Task[None]] = set()  # without a hash, and its method is what the loop calls
        task = asyncio.ensure_future(call(tap))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        for _ in range(3):
            await call(tap)
        await task

    assert run(Plan(changes=((1, 0), (3, 1))), body, body).steps > 0


@pytest.mark.parametrize("pollers", [1, 2, 5])
@pytest.mark.parametrize("at_the_tap", [True, False])
def test_a_loop_that_polls_starves_nobody(pollers: int, at_the_tap: bool) -> None:
    done = asyncio.Event()

    async def poll(tap: Tap) -> None:
        await call(tap)
        while not done.is_set():
            await (call(tap) if at_the_tap else asyncio.sleep(0))

    async def work(tap: Tap) -> None:
        await call(tap)
        await call(tap)
        done.set()

    turns = run(Plan((7,) * pollers), *[poll] * pollers, work)
    assert turns.steps <= 20 * FAIR * pollers


def test_many_at_once_are_not_taken_for_starved_ones() -> None:
    order: list[int] = []

    async def body(tap: Tap) -> None:
        await call(tap)
        order.append(tap.client)

    run(FIFO, *[body] * 200)
    assert order == list(range(1, 201))
    order.clear()
    run(Plan(changes=((1, 0),)), *[body] * 200)
    assert order[:50] == list(range(2, 52))


def test_a_cancelled_one_leaves_when_its_turn_comes_and_nobody_is_lost() -> None:
    ends: list[str] = []

    async def waits(tap: Tap) -> None:
        try:
            await call(tap)
        except asyncio.CancelledError:
            ends.append("cancelled")

    async def cancels(tap: Tap) -> None:
        task = asyncio.create_task(waits(tap))
        await asyncio.sleep(0)
        task.cancel()
        await call(tap)
        await asyncio.gather(task)
        ends.append("done")

    run(Plan((7,), ((1, 0),)), cancels, call)
    assert ends == ["cancelled", "done"]


def test_after_the_end_everybody_gets_on() -> None:
    order: list[int] = []

    async def ends(tap: Tap) -> None:
        assert tap.scheduler is not None
        await call(tap)
        tap.scheduler.close()
        await call(tap)
        order.append(tap.client)

    async def body(tap: Tap) -> None:
        for _ in range(3):
            await call(tap)
        order.append(tap.client)

    run(Plan((7,)), ends, body, body)
    assert sorted(order) == [1, 2, 3]


def label(client: int) -> str:
    return f"client {client}"


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(changes=((2, 0),)), "one preemption at step 2: client 2 waits before its get"),
        (Plan((0, 3)), "client 2 before client 1"),
        (
            Plan((), ((1, 1), (2, 0))),
            "2 preemptions, at step 1: client 1 waits before its get; at step 2: client 2 waits after its get",
        ),
        (Plan(changes=((9, 0),)), "1 of 1 preemptions not reached in 4 steps"),
    ],
)
def test_the_story_says_who_waited_and_where(plan: Plan, words: str) -> None:
    assert run(plan, call, call).told(label) == words


def test_two_tasks_of_one_client_are_told_apart() -> None:
    async def both(tap: Tap) -> None:
        await asyncio.gather(call(tap), call(tap))

    assert run(Plan(changes=((1, 0),)), both).told(label) == (
        "one preemption at step 1: client 1 (its task 1) waits before its get"
    )
