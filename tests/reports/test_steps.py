"""Each call of a history is one line: who called what, what came of it, and when."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from unittest.mock import AsyncMock, Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import entry

from prism_testkit.asides import WRITER, Said
from prism_testkit.case import CLOCK
from prism_testkit.clock import VirtualClock
from prism_testkit.histories import Entry, History
from prism_testkit.interfaces import (
    Delivery,
    InvalidName,
    KeyValueTransaction,
    Lease,
    Message,
    ObjectInfo,
    ObjectMetadata,
    OperationTimeout,
    QueueMessage,
    Record,
    RecordDelivery,
    Subscription,
)
from prism_testkit.reports.steps import LONGEST_STEP, steps_of
from prism_testkit.tap import Tap, tapped


def test_steps_tell_call_and_return() -> None:
    entries = [
        entry(0, "set_with_ttl", "a", b"x", kwargs={"ttl_s": 60.5}),
        entry(2, "advance", 60.0, client=CLOCK),
        entry(4, "get", "", client=1, error=InvalidName("memory: get: the name is empty")),
        entry(6, "scan", "a", client=2, result=[("a", b"x")]),
        entry(8, "set", "b", b"", client=2, label="client 2 in namespace 2"),
        entry(10, "get", "b", client=3, label="reader"),
        entry(12, "get", "a", ret=None),
    ]
    assert steps_of(entries) == (
        [
            "client 0: set_with_ttl('a', b'x', ttl_s=60.5) -> None",
            "clock +60 s",
            "client 1: get('') raises InvalidName(memory: get: the name is empty)",
            "client 2: scan('a') -> [('a', b'x')]",
            "client 2 in namespace 2: set('b', b'') -> None",
            "reader: get('b') -> None",
            "client 0: get('a') has not ended",
        ],
        [1, 2, 3, 4, 5, 6, 7],
    )


def test_steps_tell_what_overlaps() -> None:
    history = History(VirtualClock())
    slow = history.invoke(0, "set", ("a", b"1"), {})
    other = history.invoke(1, "set", ("a", b"2"), {})
    history.respond(other, None)
    history.respond(history.invoke(1, "get", ("a",), {}), b"1")
    history.respond(slow, None)
    late = history.invoke(0, "get", ("a",), {})
    history.invoke(1, "get", ("b",), {})
    history.fail(late, KeyError("a"))
    assert steps_of(history.entries)[0] == [
        "client 0: set('a', b'1') -> None (overlaps steps 2 to 3)",
        "client 1: set('a', b'2') -> None",
        "client 1: get('a') -> b'1'",
        "client 0: get('a') raises KeyError('a') (overlaps step 5)",
        "client 1: get('b') has not ended",
    ]


def test_of_many_alike_the_first_and_the_last_three_stay() -> None:
    entries = [entry(2 * n, "set" if n == 30 else "get", str(n)) for n in range(50)]
    assert steps_of(entries)[1] == [1, 28, 29, 30, 31, 32, 48, 49, 50]
    assert steps_of([entry(2 * n, "get", str(n)) for n in range(7)], 4)[1] == [1, 5, 6, 7]


def test_what_happened_once_stays_of_what_is_left_out_in_the_middle() -> None:
    entries = [entry(2 * n, "set_ttl" if n in (9, 12) else "get", str(n), client=n % 2) for n in range(50)]
    entries[20] = entry(40, "advance", 5.0, client=CLOCK)
    steps, numbers = steps_of(entries)
    assert numbers == [1, 2, 3, 4, 5, 10, 11, 12, 13, 21, *range(39, 51)], "a gap of two steps is no shorter than its number"
    assert steps[9] == "clock +5 s"


def test_what_the_verdict_names_stays_of_what_is_left_out() -> None:
    entries = [entry(2 * n, "set", f"k{n}", b"x") for n in range(80)] + [entry(2 * n, "get", f"k{n}") for n in range(80, 120)]
    plain, telling = steps_of(entries)[1], steps_of(entries, named=("k33", b"no such", None, 7))[1]
    assert 34 not in plain
    assert telling == sorted({*plain, 34})
    assert len(steps_of(entries, named=(b"x",))[1]) <= 20, "of everything there is too much"


def test_what_was_handed_out_is_told_briefly() -> None:
    lease = Lease("q", QueueMessage("7", b"x"), 2, "token")
    record = RecordDelivery(Record(3, "k", b"v"), 1, "token")
    entries = [
        entry(0, "receive", "q", 60, result=lease),
        entry(2, "ack", lease),
        entry(4, "dequeue", "q", result=QueueMessage("8", b"y")),
        entry(6, "receive", 9, result=[record] * 9),
        entry(8, "read", "s", result=[record.record]),
        entry(10, "ack", *[record] * 100),
    ]
    assert steps_of(entries)[0] == [
        "client 0: receive('q', 60) -> lease of message '7', attempt 2",
        "client 0: ack(lease of message '7', attempt 2) -> None",
        "client 0: dequeue('q') -> message '8' b'y'",
        "client 0: receive(9) -> [delivery 1 of records 3, 3, 3, 3, 3, 3, 3, 3, 3]",
        "client 0: read('s') -> [record 3 'k': b'v']",
        "client 0: ack(delivery 1 of record 3, … 98 more, delivery 1 of record 3) -> None",
    ]


def test_deliveries_are_told_in_one_breath_as_far_as_there_is_room() -> None:
    def held(*given: tuple[str, int]) -> list[str]:
        deliveries = [Delivery(Message(name, "t", b"x", {}), count, "token") for name, count in given]
        return steps_of([entry(0, "receive", 9, result=deliveries)])[0]

    told = "[delivery 2 of messages 'a', 'b', delivery 1 of message 'c']"
    assert held(("a", 2), ("b", 2), ("c", 1)) == [f"client 0: receive(9) -> {told}"]
    assert held(*((str(n), 1) for n in range(99))) == [
        "client 0: receive(9) -> [delivery 1 of message '0', … 97 more, delivery 1 of message '98']"
    ]


def test_an_object_is_told_by_its_etag_and_by_what_else_was_given() -> None:
    plain, rich = ObjectMetadata(1, "e1", 7), ObjectMetadata(2, "e2", 7, "text/plain", None, {"a": "b"}, 9)
    entries = [
        entry(0, "metadata", "bucket", "k", result=plain),
        entry(2, "metadata", "bucket", "k", result=rich),
        entry(4, "list_objects", "bucket", result=[ObjectInfo("k", 2, 7), ObjectInfo("l", 1, 7)]),
    ]
    others = "until 9, type 'text/plain', metadata {'a': 'b'}, put at 7"
    assert steps_of(entries)[0] == [
        "client 0: metadata('bucket', 'k') -> object of 1 byte, etag 'e1', put at 7",
        f"client 0: metadata('bucket', 'k') -> object of 2 bytes, etag 'e2', {others}",
        "client 0: list_objects('bucket') -> ['k' of 2 bytes, 'l' of 1 byte]",
    ]


def test_maps_and_lists_that_change_after_a_call_are_told_as_they_were_given() -> None:
    history, headers, keys = History(VirtualClock()), {"a": "b"}, ["k"]
    history.respond(history.invoke(0, "append", ("s", b"x", None, headers), {}), 0)
    history.respond(history.invoke(0, "batch_get", (), {"keys": keys}), {})
    headers["a"] = "changed"
    keys.clear()
    assert steps_of(history.entries)[0] == [
        "client 0: append('s', b'x', None, {'a': 'b'}) -> 0",
        "client 0: batch_get(keys=['k']) -> {}",
    ]


def test_as_many_steps_as_allowed_are_all_told() -> None:
    entries = [entry(2 * n, "get", str(n)) for n in range(20)]
    assert steps_of(entries) == ([f"client 0: get('{n}') -> None" for n in range(20)], [*range(1, 21)])
    with pytest.raises(ValueError, match="most=0"):
        steps_of(entries, 0)


@given(
    args=st.lists(st.binary(max_size=600) | st.text(max_size=600) | st.dictionaries(st.text(max_size=99), st.binary()), max_size=4),
    output=st.binary(max_size=600) | st.none() | st.dictionaries(st.text(min_size=40), st.binary(min_size=40), min_size=2),
)
def test_any_step_fits_on_a_few_lines_and_keeps_what_came_back(args: list[object], output: object) -> None:
    (step,), _ = steps_of([entry(0, "batch_set", *args, result=output)])
    assert len(step) <= LONGEST_STEP
    assert step.isprintable()
    assert re.match(r"client 0: batch_set\(.* -> .", step)


def test_the_step_that_a_fault_befell_is_told() -> None:
    lost = OperationTimeout("set: injected error after the effect, the acknowledgement is lost")
    lost.prism_injected = True  # type: ignore[attr-defined]
    entries = [entry(2 * n, "set", str(n), client=n % 2) for n in range(80)]
    entries[30] = entry(60, "set", "30", error=lost)
    entries[40:45] = [entry(2 * n, "set_ttl" if n < 42 else "expire", str(n)) for n in range(40, 45)]
    steps, numbers = steps_of(entries)
    assert steps[numbers.index(31)] == "client 0: set('30') raises OperationTimeout(injected error after the effect)"
    assert len(steps) == 20
    assert {41, 42} <= {*numbers}, "what is rare stays beside it"


def test_what_was_entered_is_told_by_its_interface() -> None:
    class Native(KeyValueTransaction):
        """As a driver's own class is, made of the Protocol."""

    Native.__abstractmethods__ = frozenset()  # type: ignore[attr-defined]
    made: object = Native()  # type: ignore[abstract]
    assert steps_of([entry(0, "transaction", result=made)])[0] == ["client 0: transaction() -> <KeyValueTransaction>"]


async def entering_twice() -> History:
    """Two subscriptions of one client at once, and two transactions one after the other."""
    history = History(VirtualClock())

    class Store:
        @asynccontextmanager
        async def transaction(self) -> AsyncIterator[object]:
            yield Mock(spec=KeyValueTransaction, set=AsyncMock(return_value=None))

        @asynccontextmanager
        async def subscribe(self, topic: str) -> AsyncIterator[object]:
            yield Mock(spec=Subscription, receive=AsyncMock(return_value=topic))

    tap = Tap(history=history)
    topics, keys = tapped(Store(), ("pubsub_basic",), tap), tapped(Store(), ("keyvalue_transactional",), tap)
    async with topics.subscribe("a") as a, topics.subscribe("b") as b:
        await b.receive(1)
        await a.receive(1)
    for _ in range(2):
        async with keys.transaction() as transaction:
            await transaction.set("k", b"v")
    return history


def test_of_two_contexts_that_are_open_at_once_each_call_says_in_which_it_was_made() -> None:
    steps, _ = steps_of(asyncio.run(entering_twice()).entries)
    told = [re.sub(r" -> <Mock.*(?=#)| -> <Mock.*", " -> ", step.removeprefix("client 0: ")) for step in steps]
    assert told[:6] == [
        "subscribe('a') -> #1>",
        "subscribe('b') -> #2>",
        "subscribe#2.receive(1) -> 'b'",
        "subscribe#1.receive(1) -> 'a'",
        "subscribe#2.exit() -> False",
        "subscribe#1.exit() -> False",
    ]
    assert told[6:9] == ["transaction() -> ", "transaction.set('k', b'v') -> None", "transaction.exit() -> False"]


def test_steps_tell_time_that_passed_in_a_call_and_before_it() -> None:
    clock = VirtualClock()
    history = History(clock)

    def call(op: str, lasts_s: float, error: BaseException | None = None) -> None:
        event = history.invoke(0, op, (), {})
        clock.jump(round(lasts_s * 1e9))
        history.fail(event, error) if error is not None else history.respond(event, None)

    call("get", 0)
    clock.jump(101_000_000)
    call("receive", 60)
    call("ack", 0.25, asyncio.CancelledError())
    clock.jump(50_000_000)
    call("get", 0.001)
    assert steps_of(history.entries)[0] == [
        "client 0: get() -> None",
        "(0.101 s later) client 0: receive() -> None after 60 s",
        "client 0: ack() is cancelled after 0.25 s",
        "client 0: get() -> None",
    ]
    assert steps_of(history.entries, least_s=0.001)[0][3] == "(0.05 s later) client 0: get() -> None after 0.001 s"


def test_a_cancelled_call_says_at_which_line_of_the_driver_it_waited() -> None:
    async def wait() -> None:
        await asyncio.sleep(1000)  # here

    async def cancel(history: History, *, suspend: bool) -> None:
        task = asyncio.ensure_future(Tap(history=history, suspend=suspend).call("get", wait, (), {}))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    line = next(number for number, text in enumerate(Path(__file__).read_text().splitlines(), 1) if text.endswith("# here"))
    history = History(VirtualClock())
    asyncio.run(cancel(history, suspend=False))
    asyncio.run(cancel(history, suspend=True))
    assert steps_of(history.entries)[0] == [f"client 0: get() is cancelled at test_steps.py:{line}", "client 0: get() is cancelled"]


def test_how_a_context_was_left_is_told() -> None:
    @asynccontextmanager
    async def subscribe(topic: str) -> AsyncIterator[Mock]:
        yield Mock()

    async def leave() -> None:
        async with slot.subscribe("t"):
            pass
        for by in (asyncio.CancelledError, AssertionError):
            with pytest.raises(by):
                async with slot.subscribe("t"):
                    raise by

    history = History(VirtualClock())
    slot = tapped(Mock(subscribe=subscribe), ("pubsub_basic",), Tap(history=history))
    asyncio.run(leave())
    assert [step.partition(" -> ")[0] for step in steps_of(history.told)[0]] == [
        "client 0: subscribe('t')",
        "client 0: subscribe.exit()",
        "client 0: subscribe('t')",
        "client 0: subscribe.exit(by CancelledError)",
        "client 0: subscribe('t')",  # the verdict ends the story
    ]


def test_what_was_given_is_told_as_it_was_when_it_was_given() -> None:
    history = History(VirtualClock())
    history.respond(history.invoke(0, "receive", (2,), {}), given := ["a"])
    given += ["b"]
    assert steps_of(history.told)[0] == ["client 0: receive(2) -> ['a']"]


def test_what_the_last_call_was_made_for_stays() -> None:
    entries = [entry(2 * n, "enqueue", f"q{n}", b"x") for n in range(80)] + [
        entry(2 * n, "receive", f"q{n - 80}") for n in range(80, 120)
    ]
    assert 40 in steps_of(entries)[1], "it took from q39"


def test_of_two_names_that_are_used_often_what_was_done_with_both_stays() -> None:
    names = [(f"s{n % 9}", f"g{n // 9}") for n in range(81)]
    entries = [entry(2 * n, "seek" if n % 2 else "read", *of) for n, of in enumerate(names)]
    entries += [entry(2 * n, "read", "s4", "g3", "after") for n in range(81, 84)]
    assert 32 in steps_of(entries)[1], "the move of this group"


def test_what_was_done_before_a_kill_with_what_the_verdict_names_stays_with_what_came_of_it() -> None:
    def writer(number: int, op: str, *args: object) -> Entry:
        return replace(entry(2 * number, op, *args), client=WRITER, label="writer", aside=True)

    calls = [
        ("publish", f"t{n}", b"%d" % n) if n % 3 == 0 else ("receive", Said(f"<what its call {n} returned>")) for n in range(150)
    ]
    before = [writer(number, *call) for number, call in enumerate(calls)]
    after = [entry(300 + 2 * n, op, *args) for n in range(99) for op, args in [(("get", "list")[n % 2], (f"x{n}",))]]
    steps, numbers = steps_of([*before, *after], named=([b"60"],))
    assert {61, 62} <= {*numbers}
    assert "writer: receive(<what its call 61 returned>) -> None" in steps
    assert len(steps) < 40
