"""A process that stands still in the middle of its own call, where others can notice how far it is."""

import hashlib
import io
import os
import socket
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from prism_testkit import halts as halting
from prism_testkit.halts import Halts


@pytest.fixture(autouse=True)
def profiles_are_given_back() -> Iterator[None]:
    here, later = sys.getprofile(), threading.getprofile()
    yield
    sys.setprofile(here)
    threading.setprofile(later)  # type: ignore[arg-type]  # None is what takes it away


def _write(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"x")
    path.replace(path.with_suffix(".new"))


def _stops(at: int, call: Callable[[], object], times: int = 1) -> tuple[list[str], int]:
    """Return where a call stood still that is to do so at a point, the last time that it is made; and its points then."""
    stood: list[str] = []
    halts = Halts(stood.append)
    points = 0
    for number in range(1, times + 1):
        halts.begins("call", at if number == times else 0)
        call()
        points = halts.returned("call")
    return stood, points


def test_a_call_stands_still_behind_each_thing_that_it_asks_of_the_system(tmp_path: Path) -> None:
    stood = [_stops(at, lambda: _write(tmp_path / "a"))[0] for at in range(1, 6)]
    assert stood == [["open"], ["BufferedWriter.write"], ["BufferedWriter.__exit__"], ["replace"], []]


def test_it_stands_still_in_the_middle_and_the_rest_comes_later(tmp_path: Path) -> None:
    seen: list[bool] = []
    halts = Halts(lambda where: seen.append((tmp_path / "a.new").exists()))
    halts.begins("call", 3)
    _write(tmp_path / "a")
    assert halts.returned("call") == 4
    assert seen == [False]
    assert (tmp_path / "a.new").exists()


def test_statements_are_points_and_what_stays_in_memory_is_none(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)

    def call() -> None:
        io.BytesIO().write(b"x")
        os.getpid()
        sorted([2, 1])
        connection.execute("SELECT 1").fetchone()

    try:
        assert [_stops(at, call)[0] for at in (1, 2, 3)] == [["Connection.execute"], ["Cursor.fetchone"], []]
    finally:
        connection.close()


def test_of_sockets_what_is_sent_is_a_point_and_not_what_comes() -> None:
    here, there = socket.socketpair()

    def call() -> None:
        here.send(b"x")
        there.recv(1)
        there.sendall(b"y")
        here.recv(1)

    with here, there:
        assert [_stops(at, call)[0] for at in (1, 2, 3)] == [["socket.send"], ["socket.sendall"], []]


def test_a_thread_that_begins_later_is_seen(tmp_path: Path) -> None:
    def call() -> None:
        thread = threading.Thread(target=_write, args=(tmp_path / "a",))
        thread.start()
        thread.join()

    assert _stops(4, call) == (["replace"], 4)


def test_behind_a_call_that_returned_nothing_stands_still(tmp_path: Path) -> None:
    stood: list[str] = []
    halts = Halts(stood.append)
    halts.begins("call", 1)
    halts.returned("call")
    _write(tmp_path / "a")
    assert stood == []


def test_a_library_that_does_not_ask_through_python_is_halted_from_the_second_time_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halting, "_of_others", lambda what: what.__name__.startswith("openssl"))  # as if it were not Python's
    assert _stops(1, lambda: hashlib.sha256(b"x"), times=1)[0] == []
    assert _stops(1, lambda: hashlib.sha256(b"x"), times=2)[0] == ["openssl_sha256"]


def test_who_looks_for_a_module_is_not_halted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prism_late_module.py").write_text("LATE = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert _stops(1, lambda: __import__("prism_late_module"))[0] == []
