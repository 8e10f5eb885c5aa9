"""What the harness itself does with a server has deadlines of its own, and is no hang of the backend; for ever it is one."""

import signal
import threading
import time

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
            stand_still(60)

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
            stand_still(60)
    finally:
        dog.close()
