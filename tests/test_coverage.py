"""The coverage table: what kinds of calls a history holds."""

import asyncio

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.coverage import Reached, class_of
from prism_testkit.histories import History
from prism_testkit.traits import Limits

LIMITS = Limits(max_name=64, max_payload=100)


def reached(*interfaces: str) -> tuple[Reached, History]:
    return Reached({"kv": interfaces or ("keyvalue_basic",)}, LIMITS), History(VirtualClock())


def cells(found: Reached, history: History) -> set[str]:
    found.case(history)
    return {str(cell) for cell in found.table()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"", "empty"),
        (b"x" * 64, "short"),
        (b"x" * 65, "long"),
        (b"x" * 100, "at the limit"),
        (memoryview(b"x" * 101), "over the limit"),
        ("", "empty"),
        ("a", "short"),
        ("é", "short, beyond ASCII"),
        ("é" * 32, "at the limit, beyond ASCII"),
        ("a" * 65, "over the limit"),
        (-1, "negative"),
        (0.0, "0"),
        (1, "1"),
        (0.5, "fraction"),
        (11, "many"),
        (2**31, "beyond 32 bits"),
        (float("inf"), "beyond 32 bits"),
        (float("nan"), "nan"),
        (True, "True"),
        (None, "None"),
        ([], "none"),
        ({"a": 1}, "one"),
        (range(3), "range"),
    ],
)
def test_a_value_has_a_class(value: object, expected: str) -> None:
    assert class_of(value, LIMITS) == expected


def test_each_argument_of_a_call_is_a_cell_by_its_name() -> None:
    found, history = reached()
    history.respond(history.invoke(0, "set", ("a",), {"value": b""}), None)
    assert cells(found, history) == {"set(key: short), first", "set(value: empty), first", "set -> None, first"}
    assert set(found.told()) == {"keyvalue_basic"}


def test_the_state_says_what_stood_around_a_call() -> None:
    found, history = reached()
    history.respond(history.invoke(0, "get", ("a",), {}), None)
    one, two = history.invoke(0, "get", ("a",), {}), history.invoke(1, "exists", ("a",), {})
    history.respond(two, True)
    history.respond(one, None)
    history.respond(history.invoke(0, "delete", ("a",), {}), False)
    history.respond(history.invoke(0, "crash", (), {}), None)
    history.respond(history.invoke(0, "get", ("a",), {}), None)
    told = {cell for cell in cells(found, history) if "(" in cell}
    assert told == {
        "get(key: short), first",
        "get(key: short), overlapping",
        "exists(key: short), overlapping",
        "delete(key: short), alone",
        "crash(), alone",
        "get(key: short), recovered",
    }
    assert found.overlapped


def test_a_cancelled_call_a_refused_one_and_one_that_never_returned_are_told_apart() -> None:
    found, history = reached()
    history.fail(history.invoke(0, "get", ("a",), {}), asyncio.CancelledError())
    history.fail(history.invoke(0, "get", ("",), {}), ValueError("x"))
    history.invoke(0, "exists", ("a",), {})
    told = cells(found, history)
    assert {
        "get(key: short), cancelled, first",
        "get -> raises ValueError, alone",
        "exists(key: short), never returned, alone",
    } <= told


def test_a_call_of_what_was_entered_and_the_rest_of_arguments_have_names() -> None:
    found, history = reached("pubsub_persistent")
    history.respond(history.invoke(0, "subscribe_durable.ack", tuple(range(30)), {}), None)
    history.respond(history.invoke(0, "subscribe_durable.nack", (), {"delay_s": 0}), None)
    told = cells(found, history)
    assert {"subscribe_durable.ack(deliveries: many), first", "subscribe_durable.nack(deliveries: none), alone"} <= told
    assert "subscribe_durable.nack(delay_s: 0), alone" in told


def test_faults_that_struck_are_cells_of_the_pattern() -> None:
    found = Reached({"store": ("object_storage",)}, LIMITS, "claim-check:mine")
    found.struck([(0, "store.put", "crash before"), (1, "store.put", "delay 3.0")])
    assert found.told() == {"claim-check:mine": {"store.put(), crash before, alone": 1, "store.put(), delay, recovered": 1}}


def test_a_long_check_is_sampled_but_not_before_something_overlapped() -> None:
    found, _ = reached()
    found.must_overlap = True
    for _ in range(700):
        history = History(VirtualClock())
        history.respond(history.invoke(0, "get", ("a",), {}), None)
        found.case(history)
    assert sum(found.told()["keyvalue_basic"].values()) == 2 * 700
    one, two = (history.invoke(client, "get", ("a",), {}) for client in (0, 1))
    history.respond(one, None)
    history.respond(two, None)
    found.case(history)
    counted = sum(found.told()["keyvalue_basic"].values())
    for _ in range(8):
        found.case(history)
    assert 0 < sum(found.told()["keyvalue_basic"].values()) - counted <= 6
