"""What a history keeps, and what an error says of the effect."""

import asyncio

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.histories import History, Operation, Outcome, outcome_of
from prism_testkit.interfaces import KeyValueCas, KeyValueScan
from prism_testkit.interfaces.errors import (
    BackendUnavailable,
    Closed,
    Conflict,
    InvalidName,
    NotFound,
    OperationTimeout,
    PayloadTooLarge,
)


class Crash(BaseException):
    pass


@pytest.fixture
def clock() -> VirtualClock:
    return VirtualClock()


@pytest.fixture
def history(clock: VirtualClock) -> History:
    return History(clock)


def test_calls_and_returns_are_numbered_by_one_counter(history: History) -> None:
    first = history.invoke(1, "set", ("k", b"v"), {})
    second = history.invoke(2, "get", ("k",), {})
    history.respond(second, b"v")
    third = history.invoke(2, "get", ("k",), {})
    history.fail(third, Conflict("no"))
    history.respond(first, None)

    assert [(entry.call, entry.ret) for entry in history.entries] == [(0, 5), (1, 2), (3, 4)]
    assert len(history) == 6


def test_an_entry_tells_the_whole_story(history: History, clock: VirtualClock) -> None:
    history.labels[1] = "writer"
    event = history.invoke(1, "set", ("k",), {"value": b"v"})
    clock.jump(1_500_000_000)
    error = BackendUnavailable("gone")
    history.fail(event, error)
    history.invoke(2, "get", ("k",), {})

    told, open_ = history.entries

    assert (told.client, told.label, told.op, told.args, told.kwargs) == (1, "writer", "set", ("k",), {"value": b"v"})
    assert (told.called_s, told.returned_s) == (VirtualClock.START_S, VirtualClock.START_S + 1.5)
    assert told.error is error
    assert told.returned
    assert told.outcome is Outcome.UNKNOWN
    assert (open_.label, open_.returned, open_.ret, open_.outcome) == ("client 2", False, None, Outcome.UNKNOWN)


def test_a_client_of_another_namespace_is_told_as_one(history: History) -> None:
    history.namespace(1, 0)
    history.namespace(2, 1)
    history.labels[3] = "stranger 1"
    history.namespace(3, 2)
    for client in (1, 2, 3):
        history.invoke(client, "get", ("k",), {})
    assert [(entry.label, entry.space) for entry in history.entries] == [
        ("client 1", 0),
        ("client 2 in namespace 2", 1),
        ("stranger 1 in namespace 3", 2),
    ]


def test_a_result_is_kept_as_it_is(history: History) -> None:
    result = object()
    history.respond(history.invoke(1, "get", ("k",), {}), result)
    assert history.entries[0].result is result
    assert history.entries[0].outcome is Outcome.OK


def test_buffers_are_copied_since_their_owner_may_change_them(history: History) -> None:
    buffer = bytearray(b"before")
    history.invoke(1, "set", ("k", buffer), {})
    history.invoke(1, "set", ("k", memoryview(buffer)), {})
    history.invoke(1, "set", ("k",), {"value": buffer})
    buffer[:] = b"after!"

    assert [(*entry.args, *entry.kwargs.values()) for entry in history.entries] == [("k", b"before")] * 3


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BackendUnavailable(), Outcome.UNKNOWN),
        (OperationTimeout(), Outcome.UNKNOWN),
        (asyncio.CancelledError(), Outcome.UNKNOWN),
        (Crash(), Outcome.UNKNOWN),
        (OSError("leaked from a client library"), Outcome.UNKNOWN),
        (InvalidName(), Outcome.FAILED),
        (PayloadTooLarge(), Outcome.FAILED),
        (Conflict(), Outcome.FAILED),
        (NotFound(), Outcome.FAILED),
        (Closed(), Outcome.FAILED),
        (ValueError(), Outcome.FAILED),
        (TypeError(), Outcome.FAILED),
        (IndexError(), Outcome.FAILED),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_what_an_error_says_of_the_effect(error: BaseException, outcome: Outcome) -> None:
    assert outcome_of(error) is outcome


def test_operations_are_what_a_checker_needs(history: History) -> None:
    history.respond(history.invoke(1, "set", ("a", b"1"), {}), None)
    history.respond(history.invoke(2, "compare_and_swap", (), {"new": b"2", "key": "a", "expected": None}), False)
    history.fail(history.invoke(1, "set", ("",), {"value": b"3"}), InvalidName("empty"))
    history.fail(history.invoke(1, "delete", ("b",), {}), OperationTimeout("late"))
    history.invoke(2, "get", ("b",), {})

    assert history.operations(KeyValueCas) == [
        Operation(1, "set", "a", (b"1",), 0, 1, Outcome.OK, None),
        Operation(2, "compare_and_swap", "a", (None, b"2"), 2, 3, Outcome.OK, False),
        Operation(1, "set", "", (b"3",), 4, 5, Outcome.FAILED, None),
        Operation(1, "delete", "b", (), 6, None, Outcome.UNKNOWN, None),
        Operation(2, "get", "b", (), 8, None, Outcome.UNKNOWN, None),
    ]


def test_operations_leave_out_what_names_no_such_object_and_fill_in_defaults(history: History) -> None:
    history.invoke(-1, "advance", (5.0,), {})
    history.invoke(1, "scan", ("p",), {})
    history.invoke(1, "count", (), {})
    history.invoke(1, "get", ("k",), {})

    assert [operation.op for operation in history.operations(KeyValueScan)] == ["get"]
    scans = history.operations(KeyValueScan, key="prefix")
    assert [(operation.op, operation.key, operation.arguments) for operation in scans] == [
        ("scan", "p", (None,)),
        ("count", "", ()),
    ]
