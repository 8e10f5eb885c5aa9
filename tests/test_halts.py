"""A process that stands still in the middle of its own call."""

import signal
import time
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from prism_testkit.halts import Halt

STILL_S = 0.02
CALL_NS = 5_000_000


@pytest.fixture(autouse=True)
def alarm_is_given_back() -> Iterator[None]:
    before = signal.getsignal(signal.SIGALRM)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_call_of_a_known_kind_is_halted_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    stood: list[float] = []
    monkeypatch.setattr("prism_testkit.halts.time", SimpleNamespace(sleep=stood.append, monotonic_ns=time.monotonic_ns))
    halt = Halt(STILL_S)
    halt.returned("set", CALL_NS)
    halt.in_the_middle_of("set")
    end_s = time.monotonic() + 60
    while not stood and time.monotonic() < end_s:
        continue
    assert stood == [STILL_S]


def test_the_quickest_of_a_kind_tells_how_long_a_call_takes() -> None:
    halt = Halt(STILL_S)
    halt.returned("set", CALL_NS)
    halt.returned("set", CALL_NS * 100_000)
    halt.in_the_middle_of("set")
    assert signal.getitimer(signal.ITIMER_REAL)[0] <= CALL_NS / 1e9


def test_a_kind_that_is_not_known_runs_through() -> None:
    halt = Halt(STILL_S)
    halt.in_the_middle_of("get")
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_call_that_returned_halts_none_behind_it() -> None:
    halt = Halt(STILL_S)
    halt.returned("set", CALL_NS * 100_000)
    halt.in_the_middle_of("set")
    halt.returned("set", CALL_NS)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
