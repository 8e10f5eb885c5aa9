"""What the SQLite store adds to the promises: durability, sharing one file between processes, pages, and errors."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from embedded_stores import HERE, THERE, World, everything, expect, listed, play

import prism_testkit as prism
from prism_backends.sqlite import SqliteClient, SqliteKeyValue, client, keyvalue, sqlite
from prism_testkit.interfaces.errors import (
    AccessDenied,
    BackendUnavailable,
    Closed,
    Conflict,
    CorruptPayload,
    PrismError,
    QuotaExceeded,
)

BOTH_WAYS = pytest.mark.parametrize("store", ["sqlite-threads", "sqlite-inline"])

WRITER = f"""
import asyncio, pathlib, sys
import prism_testkit as prism
from prism_backends.sqlite import SqliteKeyValue, sqlite

async def main():
    place = prism.Place(directory=pathlib.Path(sys.argv[1]), shared={{}}, clock=prism.VirtualClock())
    async with sqlite.connect(place) as client:
        kv = SqliteKeyValue(client, {HERE!r})
        number = 0
        while True:
            await kv.set_with_ttl(f"key {{number}}", b"%d" % number, 60)
            async with kv.transaction() as transaction:
                await transaction.set(f"left {{number}}", b"")
                await transaction.set(f"right {{number}}", b"")
            print(number, flush=True)
            number += 1

asyncio.run(main())
"""


@contextlib.contextmanager
def raw(directory: Path) -> Iterator[sqlite3.Connection]:
    """Open the file as a stranger would."""
    with contextlib.closing(sqlite3.connect(directory / "prism.sqlite", timeout=0, isolation_level=None)) as connection:
        yield connection


def place_of(directory: Path) -> prism.Place:
    return prism.Place(directory=directory, shared={}, clock=prism.VirtualClock())


# Durability


@BOTH_WAYS
def test_data_and_deadlines_survive_reopening(store: str, tmp_path: Path) -> None:
    async def write(world: World) -> None:
        await world.kv.set("key", b"v")
        await world.kv.set_with_ttl("brief", b"v", 5)

    async def read(world: World) -> None:
        assert await everything(world.kv) == {"key": b"v", "brief": b"v"}
        world.wait(5.001)
        assert await everything(world.kv) == {"key": b"v"}

    play(store, tmp_path, write)
    play(store, tmp_path, read)


def test_what_was_acknowledged_survives_sigkill(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
        os.kill(writer.pid, signal.SIGKILL)
        acknowledged += map(int, writer.stdout.read().split())

    async def read(world: World) -> None:
        found = await everything(world.kv)
        for number in acknowledged:
            assert found[f"key {number}"] == b"%d" % number
            left = await world.kv.ttl(f"key {number}")
            assert left is not None
            assert 59.999 <= left <= 60
        pairs = [{key.split()[1] for key in found if key.startswith(side)} for side in ("left", "right")]
        assert pairs[0] == pairs[1] >= {str(number) for number in acknowledged}
        await world.kv.set("key", b"writable")

    play("sqlite-threads", tmp_path, read)


def test_commits_are_synced_and_logged_ahead(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        def settings(connection: sqlite3.Connection, now_s: float) -> list[object]:
            names = ("journal_mode", "synchronous", "busy_timeout")
            return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

        assert await world.connection.read("settings", settings) == ["wal", 2, 10_000]

    play("sqlite-inline", tmp_path, scenario)


# Sharing one file


def test_many_may_open_a_new_file_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        place, ready = place_of(tmp_path), threading.Barrier(10)
        clients = [SqliteClient(tmp_path / "prism.sqlite", place.clock) for _ in range(10)]
        loop = asyncio.get_running_loop()
        # Each client's thread waits for the others' before it opens the file.
        waits = [loop.run_in_executor(one._executor, ready.wait) for one in clients]
        await asyncio.gather(*(one.open() for one in clients), *waits)
        drivers = [SqliteKeyValue(one, HERE) for one in clients]
        await asyncio.gather(*(kv.set(f"{number}", b"") for number, kv in enumerate(drivers)))
        assert [await kv.count() for kv in drivers] == [10] * 10
        for one in clients:
            await one.close()

    asyncio.run(main())
    assert [path.name for path in tmp_path.iterdir()] == ["prism.sqlite"]


def test_opening_and_closing_never_disturbs_the_others(tmp_path: Path) -> None:
    async def visit(place: prism.Place, number: int) -> None:
        for turn in range(5):
            async with sqlite.connect(place) as opened:
                await SqliteKeyValue(opened, HERE).set(f"{number} {turn}", b"")

    async def scenario(world: World) -> None:
        await asyncio.gather(*(visit(world.place, number) for number in range(4)))
        assert await world.kv.count() == 20

    async def unwatched() -> None:
        await asyncio.gather(*(visit(place_of(tmp_path), number) for number in range(4)))

    asyncio.run(unwatched())
    play("sqlite-threads", tmp_path, scenario)


def test_two_processes_share_the_file(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()

        async def scenario(world: World) -> None:
            for number in range(20):
                await world.kv.set(f"mine {number}", b"")
                assert await world.kv.get("key 0") == b"0"
            assert await world.kv.count("mine") == 20

        try:
            play("sqlite-threads", tmp_path, scenario)
        finally:
            os.kill(writer.pid, signal.SIGKILL)


@BOTH_WAYS
def test_nothing_is_held_between_two_calls(store: str, tmp_path: Path) -> None:
    """Not by an open transaction, nor by a scan: a checkpoint that waits for nobody gets through, and so does a writer."""

    async def scenario(world: World) -> None:
        await world.kv.batch_set({f"{number}": b"" for number in range(1200)})
        scan = world.kv.scan()
        await anext(scan)
        async with world.kv.transaction() as transaction:
            await transaction.get("1")
            await transaction.set("new", b"")
            with raw(tmp_path) as stranger:
                assert stranger.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
                stranger.execute("BEGIN EXCLUSIVE")
                stranger.execute("ROLLBACK")
        assert len(await listed(scan)) in (1199, 1200)

    play(store, tmp_path, scenario)


def test_the_instant_of_a_write_is_that_of_its_turn(tmp_path: Path) -> None:
    """A swap that has to wait for another writer until its key has expired must not revive it."""

    async def scenario(world: World) -> None:
        def the_turn_comes_late(statement: str) -> None:
            if statement == "BEGIN IMMEDIATE":
                world.wait(2)

        await world.kv.set_with_ttl("key", b"v", 1)
        await world.connection.read("trace", lambda connection, now_s: connection.set_trace_callback(the_turn_comes_late))
        assert await world.kv.compare_and_swap("key", b"v", b"w") is False

    play("sqlite-inline", tmp_path, scenario)


# Scans, and what expired


def test_a_scan_of_large_values_is_read_in_pages_of_bounded_size(tmp_path: Path) -> None:
    pages: list[int] = []
    page = keyvalue._page

    async def scenario(world: World) -> None:
        await world.kv.batch_set({f"{number}": bytes(300_000) for number in range(20)})
        found = [len(value) async for _, value in world.kv.scan()]
        assert found == [300_000] * 20

    def watched(*arguments: object) -> object:
        found = page(*arguments)  # type: ignore[arg-type]
        pages.append(len(found[0]))
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keyvalue, "_page", watched)
        play("sqlite-inline", tmp_path, scenario)
    assert sum(pages) == 20
    assert max(pages) <= 4


def test_rows_are_found_by_the_key_and_never_sorted(tmp_path: Path) -> None:
    statements = {name: sql for name, sql in vars(keyvalue).items() if str(sql).startswith(("SELECT", "UPDATE", "DELETE"))}
    assert len(statements) > 8

    async def scenario(world: World) -> None:
        row = dict.fromkeys(("namespace", "key", "lower", "upper", "value", "expected", "now_s", "ttl_s"), b"")

        def plan(sql: str, connection: sqlite3.Connection, now_s: float) -> list[str]:
            return [step[3] for step in connection.execute(f"EXPLAIN QUERY PLAN {sql}", row)]

        for name, sql in statements.items():
            steps = await world.connection.read("plan", partial(plan, sql))
            assert any(step.startswith("SEARCH") for step in steps), (name, steps)
            assert not any("SCAN" in step or "TEMP B-TREE" in step for step in steps), (name, steps)

    play("sqlite-inline", tmp_path, scenario)


def test_the_bound_above_a_prefix() -> None:
    assert keyvalue._above(b"a") == b"b"
    assert keyvalue._above(b"a\xff\xff") == b"b"
    assert keyvalue._above(b"a\xffb") == b"a\xffc"
    assert keyvalue._above(b"") > b"\xff" * 512
    assert keyvalue._above(b"\xff\xff") > b"\xff" * 512


def test_expired_rows_are_removed_by_later_writes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        there = world.driver(world.connection, THERE)
        for number in range(150):
            await world.kv.set_with_ttl(f"{number}", b"", 1)
        await world.kv.set_with_ttl("kept", b"", 5)
        await world.kv.set("kept too", b"")
        await there.set_with_ttl("theirs", b"", 1)
        world.wait(2)
        with raw(tmp_path) as stranger:

            def rows() -> int:
                count: int = stranger.execute("SELECT count(*) FROM keyvalue").fetchone()[0]
                return count

            assert rows() == 153
            await world.kv.set_with_ttl("new", b"", 1)
            assert rows() == 54
            await world.kv.set_with_ttl("new", b"", 1)
            assert rows() == 4

        assert sorted(await everything(world.kv)) == ["kept", "kept too", "new"]

    play("sqlite-inline", tmp_path, scenario)


# Errors


@BOTH_WAYS
def test_a_writer_whose_turn_never_comes_says_so(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "BUSY_S", 0.0)

    async def scenario(world: World) -> None:
        await world.kv.set("key", b"v")

        async def transact() -> None:
            async with world.kv.transaction() as transaction:
                await transaction.get("key")
                await transaction.set("key", b"w")

        with raw(tmp_path) as stranger:
            stranger.execute("BEGIN IMMEDIATE")
            error = await expect(BackendUnavailable, world.kv.set("key", b"w"))
            assert isinstance(error.__cause__, sqlite3.OperationalError)
            assert str(error) == "sqlite: set 'key': database is locked"
            await expect(Conflict, transact())
            assert await world.kv.get("key") == b"v"
            stranger.execute("ROLLBACK")
        await transact()
        assert await world.kv.get("key") == b"w"

    play(store, tmp_path, scenario)


def test_a_full_store_refuses_and_goes_on(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        await world.kv.set("key", b"v")

        def fill(connection: sqlite3.Connection, now_s: float) -> None:
            pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count = {pages + 1}")

        await world.connection.read("fill", fill)
        error = await expect(QuotaExceeded, world.kv.batch_set({f"{number}": bytes(1000) for number in range(100)}))
        assert isinstance(error.__cause__, sqlite3.OperationalError)
        assert await everything(world.kv) == {"key": b"v"}
        await world.kv.set("key", b"w")
        assert await world.kv.get("key") == b"w"

    play("sqlite-inline", tmp_path, scenario)


def test_a_file_that_is_none_of_ours_is_refused(tmp_path: Path) -> None:
    (tmp_path / "prism.sqlite").write_bytes(b"not a database" * 100)
    check_connect_raises(CorruptPayload, tmp_path)


def test_a_place_that_is_gone_is_unavailable(tmp_path: Path) -> None:
    check_connect_raises(BackendUnavailable, tmp_path / "gone")


def test_a_place_that_may_not_be_written_denies_access(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(client, "_create", refuse)
    check_connect_raises(AccessDenied, tmp_path)


def check_connect_raises(wanted: type[PrismError], directory: Path) -> None:
    async def main() -> None:
        async with sqlite.connect(place_of(directory)):
            pass

    error = asyncio.run(expect(wanted, main()))
    assert error.__cause__ is not None
    assert str(error).startswith("sqlite: connect: ")


@BOTH_WAYS
def test_after_connect_is_left_calls_raise_closed(store: str, tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        async with sqlite.connect(world.place) as opened:
            kv = SqliteKeyValue(opened, HERE)
            pending = asyncio.ensure_future(kv.set("key", b"v"))
            await asyncio.sleep(0)
        await pending
        await expect(Closed, kv.get("key"))
        await expect(Closed, kv.set("key", b"w"))
        await expect(Closed, listed(kv.scan()))
        await opened.close()
        assert await world.kv.get("key") == b"v"

    play(store, tmp_path, scenario)
    with raw(tmp_path):
        pass


def test_a_cancelled_connect_leaves_nothing_open(tmp_path: Path) -> None:
    async def main() -> None:
        async def visit() -> None:
            async with sqlite.connect(place_of(tmp_path)):
                await asyncio.Event().wait()

        for turns in range(5):
            task = asyncio.ensure_future(visit())
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            await expect(asyncio.CancelledError, task)

    asyncio.run(main())
