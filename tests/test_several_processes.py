"""Several processes at once: what is right in one process, by a lock or a cache of its own, is caught; what is right is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.clock import RealClock
from prism_testkit.histories import History
from prism_testkit.processes import PROCESS, _overlapping, _written
from prism_testkit.returned import Told

CONFTEST = '''
import asyncio
from dataclasses import replace
import prism_testkit as prism
from prism_backends.filesystem import FilesystemObjectStorage, filesystem
from prism_backends.sqlite import SqliteKeyValue, SqliteQueue, SqliteStream, sqlite

HERE = {}


def lock():
    """Return the lock of this process and loop."""
    return HERE.setdefault(asyncio.get_running_loop(), asyncio.Lock())


class Swaps(SqliteKeyValue):
    async def compare_and_swap(self, key, expected, new):
        async with lock():
            if await self.get(key) != expected:
                return False
            await self.set(key, new)
            return True


class Caches(SqliteKeyValue):
    async def get(self, key):
        if (self._namespace, key) not in HERE:
            HERE[self._namespace, key] = await super().get(key)
        return HERE[self._namespace, key]

    async def set(self, key, value):
        await super().set(key, value)
        HERE[self._namespace, key] = bytes(value)

    async def delete(self, key):
        HERE[self._namespace, key] = None
        return await super().delete(key)


class Peeks(SqliteQueue):
    async def dequeue(self, queue, timeout_s=0):
        async with lock():
            first = await self.peek(queue)
            await super().dequeue(queue)
            return first

    async def receive(self, queue, visibility_s, timeout_s=0):
        async with lock():
            lease = await super().receive(queue, visibility_s)
            if lease is not None:
                await self.release(lease)  # it is taken again, by us
                lease = replace(await super().receive(queue, visibility_s) or lease, message=lease.message)
            return lease


class Counts(SqliteStream):
    async def append(self, stream, payload, key=None, headers=None):
        async with lock():
            latest = await self.latest_offset(stream)
            offset = await super().append(stream, payload, key, headers)
            return offset if latest is None else latest + 1


class Looks(FilesystemObjectStorage):
    async def put_if_absent(self, bucket, key, data, *, content_type=None, content_encoding=None, user_metadata=None):
        async with lock():
            if await self.exists(bucket, key):
                return False
            await self.put(bucket, key, data)
            return True


class Locked(SqliteKeyValue):
    async def compare_and_swap(self, key, expected, new):
        async with lock():
            return await super().compare_and_swap(key, expected, new)


def row(of, driver):
    return replace(of, name=driver.__name__.lower(), drivers=[driver])


@prism.hookimpl
def prism_register_backends(registry):
    for driver in (Swaps, Caches, Peeks, Counts, Locked):
        registry.add(row(sqlite, driver))
    registry.add(row(filesystem, Looks))
    registry.add(replace(sqlite, name="alone", drivers=[type("Alone", (SqliteKeyValue,), {"traits": prism.Traits()})]))
'''


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Any:
    pytester.makeconftest(CONFTEST)

    def run(backend: str) -> dict[str, str]:
        report = Path(pytester.path) / "report.json"
        pytester.runpytest_subprocess(
            f"--prism-backend={backend}", "--prism-suite=*_processes", f"--prism-json={report}", "-p", "no:randomly"
        )
        found = json.loads(report.read_text())
        return {each["check"]: _promise(each) for each in found["results"]}

    return run


def _promise(result: dict[str, Any]) -> str:
    return str(result["failure"]["promise"]) if result["outcome"] == "failed" else str(result["outcome"])


_RUNS = 10
_LUCK = ("passed", "inconclusive")
"""Whether processes meet within a few microseconds is the system's to say, above all while other tests run."""


@pytest.mark.parametrize(
    ("backend", "check", "promise"),
    [
        ("swaps", "of_swaps_by_several_processes_one_succeeds", "keyvalue_cas.6"),
        ("caches", "processes_agree_on_an_order", "keyvalue_basic.10"),
        ("peeks", "processes_share_a_queue", "queue_basic.10"),
        ("counts", "processes_append_to_one_log", "stream_basic.12"),
        ("looks", "of_processes_that_create_an_object_one_succeeds", "object_storage_conditional.2"),
    ],
)
def test_what_is_right_in_one_process_only_is_caught(run: Any, backend: str, check: str, promise: str) -> None:
    told = [run(backend)[check]]
    while told[-1] in _LUCK and len(told) < _RUNS:
        told.append(run(backend)[check])
    assert told[-1] == promise, told


def test_a_lock_that_is_not_needed_is_right(run: Any) -> None:
    told = [run("locked")]
    while "inconclusive" in told[-1].values() and len(told) < _RUNS:
        told.append(run("locked"))
    assert {outcome for each in told for outcome in each.values()} <= set(_LUCK), told
    assert set(told[-1].values()) == {"passed"}, told


def test_who_does_not_claim_to_be_shared_by_processes_is_not_asked(run: Any) -> None:
    assert run("alone") == {}


def call(process: int, began_ns: int, ended_ns: int, result: Any = None, error: Exception | None = None) -> Told:
    return Told(process, 0, "get", ("k",), began_ns, ended_ns, result, error)


def test_calls_overlap_only_if_they_are_of_two_processes() -> None:
    assert not _overlapping([call(0, 1, 5), call(0, 3, 6), call(1, 6, 7)])
    assert _overlapping([call(0, 1, 5), call(1, 4, 6)])
    assert _overlapping([call(0, 1, 9), call(0, 2, 3), call(1, 8, 10)])


def test_the_history_has_all_calls_in_the_order_of_their_times() -> None:
    history = History(RealClock())
    refused = ValueError("no")
    told = _written([call(0, 10, 40, "late"), call(1, 20, 30, error=refused), call(0, 40, 50)], history)
    assert [(each.call, each.ret) for each in told] == [(0, 4), (1, 2), (3, 5)]
    first, second, third = history.entries
    assert (first.client, first.label, first.result) == (PROCESS, "process 1", "late")
    assert (second.client, second.error) == (PROCESS + 1, refused)
    assert third.call == 3, "of a call and a return at one instant the call comes first: nobody can say that it came later"
