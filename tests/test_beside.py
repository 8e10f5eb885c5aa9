"""An interface that is claimed beside a data model: who may claim it, what asks for it, and who fits."""

import contextlib
import types
from typing import Any, Protocol

import pytest

import prism_testkit as prism
from prism_testkit.bindings import bindings_for, candidates
from prism_testkit.checks import CheckError, check
from prism_testkit.interfaces import BESIDE, INTERFACES, KeyValueBasic, Lifecycle, QueueBasic, StreamBasic
from prism_testkit.outcomes import Outcome
from prism_testkit.registry import RegistrationError, Registry
from prism_testkit.reports.matrix import matrix
from prism_testkit.results import BackendReport, CheckResult, Report
from prism_testkit.slots import SlotError, needs_of, slot_of


class LivingQueue(QueueBasic, Lifecycle, Protocol):
    """Both, of one driver."""


class LivingKeyValue(KeyValueBasic, Lifecycle, Protocol):
    """Both, of one driver."""


def driver(*protocols: Any) -> type:
    """Return a class that has every method of these, each doing nothing."""
    body: dict[str, Any] = {}
    for name in {name for protocol in protocols for name in protocol.__abstractmethods__}:
        wanted = next(getattr(protocol, name) for protocol in protocols if hasattr(protocol, name))
        body[name] = types.FunctionType(wanted.__code__, wanted.__globals__, name, wanted.__defaults__)
        body[name].__kwdefaults__ = wanted.__kwdefaults__
    return type("Driver", protocols, body)


def registered(*drivers: type) -> Registry:
    registry = Registry(adding="test")
    registry.add(prism.Backend(name="mine", connect=lambda place: contextlib.nullcontext(), drivers=drivers))
    return registry


def test_it_is_an_interface() -> None:
    assert INTERFACES["lifecycle"] is BESIDE["lifecycle"] is Lifecycle


def test_drivers_of_several_models_may_claim_it() -> None:
    registry = registered(driver(KeyValueBasic, Lifecycle), driver(QueueBasic, Lifecycle), driver(StreamBasic))
    assert list(registry.offers["mine"]) == ["keyvalue_basic", "lifecycle", "queue_basic", "stream_basic"]


def test_alone_it_is_refused() -> None:
    with pytest.raises(RegistrationError, match="expected a data model beside lifecycle, found bases Lifecycle"):
        registered(driver(Lifecycle))


def test_the_driver_that_has_both_fits() -> None:
    registry = registered(driver(KeyValueBasic, Lifecycle), driver(QueueBasic), driver(StreamBasic))
    keyvalue, queue = slot_of("slot", LivingKeyValue), slot_of("slot", LivingQueue)
    assert keyvalue is not None
    assert queue is not None
    found, _ = candidates(keyvalue, registry, ["mine"])
    assert [(each.interfaces, each.offer.interface, each.label) for each in found] == [
        (("lifecycle", "keyvalue_basic"), "keyvalue_basic", "mine")
    ]
    assert candidates(queue, registry, ["mine"]) == ([], {"mine": "does not claim lifecycle for queue"})


def test_a_binding_is_called_after_the_model() -> None:
    @check("lifecycle.1")
    async def either(slot: LivingKeyValue | LivingQueue) -> None:
        """Either."""

    registry = registered(driver(KeyValueBasic, Lifecycle), driver(QueueBasic, Lifecycle))
    bindings, _ = bindings_for(either, registry, ["mine"])
    assert [binding.name for binding in bindings] == ["mine.keyvalue_basic", "mine.queue_basic"]


def test_a_slot_that_asks_for_it_alone_is_told_so() -> None:
    class Pattern:
        def __init__(self, *, store: Lifecycle) -> None: ...

    async def alone(slot: Lifecycle) -> None:
        """Alone."""

    said = (
        "expected a Protocol that inherits both, as in `class LivingQueue.QueueBasic, Lifecycle, Protocol.`, found Lifecycle alone"
    )
    for make in (lambda: slot_of("slot", Lifecycle | LivingQueue), lambda: needs_of(Pattern)):
        with pytest.raises(SlotError, match=said):
            make()
    with pytest.raises(CheckError, match=f"check .*alone: slot: Lifecycle is claimed beside a data model.*{said}"):
        check("lifecycle.1")(alone)


def test_a_cell_sums_up_all_models_and_theirs_are_left_alone() -> None:
    results = [
        CheckResult(
            id=f"lifecycle_{model}.py::closed[mine]",
            check="closed",
            suite="s",
            binding="mine",
            backends=["mine"],
            interfaces=["lifecycle", f"{model}_basic"],
            promises=["lifecycle.2"],
            outcome=Outcome.PASSED,
        )
        for model in ("keyvalue", "queue")
    ]
    claims = ["keyvalue_basic", "queue_basic", "lifecycle"]
    backends = [BackendReport(name="mine", kind="embedded", status="available", interfaces=claims)]
    (row,) = matrix(Report(backends=backends, results=results))
    assert {name: cell.text for name, cell in row.cells.items()} == {"keyvalue_basic": "0", "lifecycle": "✓ 2", "queue_basic": "0"}
