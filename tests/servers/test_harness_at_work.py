"""What the harness itself does with a server has deadlines of its own, and is no hang of the backend; for ever it is one."""

import signal
import threading
import time
from pathlib import Path

import pytest

from prism_testkit import watchdog
from prism_testkit.outcomes import Hung
from prism_testkit.watchdog import Watchdog

pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGURG"), reason="there are no signals here, so nothing is watched")
_LIMIT_S = 0.2


def stand_still(seconds: float) -> None:
    threading.Event().wait(seconds)


def test_a_start_that_takes_longer_than_a_call_may_is_no_hang() -> None:
    dog, began = Watchdog(_LIMIT_S), []

    def work_and_hang() -> None:
        with dog:
            with dog.at_work(), dog.at_work():
                stand_still(4 * _LIMIT_S)
                began.append(time.monotonic())
            stand_still(600)

    try:
        with pytest.raises(Hung):
            work_and_hang()
        assert time.monotonic() - began[0] >= _LIMIT_S  # it is counted from the end of the work on
    finally:
        dog.close()


def test_one_that_takes_for_ever_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdog, "_WORK_S", 2 * _LIMIT_S)
    dog = Watchdog(_LIMIT_S)
    try:
        with pytest.raises(Hung), dog, dog.at_work():
            stand_still(600)
    finally:
        dog.close()


def test_no_time_passes_while_there_is_no_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever computes on a busy machine goes on; who then stands still is ended as ever."""
    began = time.monotonic()
    until = began + 4 * _LIMIT_S
    monkeypatch.setattr(watchdog, "_starved_s", lambda: min(time.monotonic(), until) - began)
    dog = Watchdog(_LIMIT_S)
    try:
        with pytest.raises(Hung), dog:
            stand_still(600)
        assert time.monotonic() >= until + _LIMIT_S
    finally:
        dog.close()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="this system does not say how long a thread waited")
def test_standing_still_is_no_wait_for_a_processor() -> None:
    """However long it waits for one when it would go on: that, and only that, is taken off."""
    before, began = watchdog._starved_s(), time.monotonic()
    stand_still(1.0)
    starved_s = watchdog._starved_s() - before
    assert time.monotonic() - began - starved_s > 0.9
