"""What the SQLite store adds to the promises: the size of scans and batches, what becomes of expired rows, and errors."""

import asyncio
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from awaiting import expect
from embedded_stores import HERE, THERE, World, everything, listed, place_of, play, raw_sqlite

from prism_backends.sqlite import SqliteKeyValue, client, keyvalue, sqlite
from prism_backends.sqlite.schema import above
from prism_testkit.interfaces.errors import (
    AccessDenied,
    BackendUnavailable,
    Closed,
    Conflict,
    CorruptPayload,
    PrismError,
    QuotaExceeded,
)

BOTH_WAYS = pytest.mark.parametrize("store", ["sqlite-threads", "sqlite-virtual"])


# Sizes, and what expired


def test_a_batch_may_have_more_items_than_a_statement_has_variables(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        items = {f"{number}": b"%d" % number for number in range(33_000)}
        await world.kv.batch_set(items)
        assert await world.kv.batch_get(list(items)) == items
        assert await world.kv.batch_delete(list(items)) == len(items)

    play("sqlite-virtual", tmp_path, scenario)


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
        play("sqlite-virtual", tmp_path, scenario)
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

    play("sqlite-virtual", tmp_path, scenario)


def test_the_bound_above_a_prefix() -> None:
    assert above(b"a") == b"b"
    assert above(b"a\xff\xff") == b"b"
    assert above(b"a\xffb") == b"a\xffc"
    assert above(b"") > b"\xff" * 512
    assert above(b"\xff\xff") > b"\xff" * 512


def test_expired_rows_are_removed_by_later_writes(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        there = world.driver(world.connection, THERE)
        for number in range(150):
            await world.kv.set_with_ttl(f"{number}", b"", 1)
        await world.kv.set_with_ttl("kept", b"", 5)
        await world.kv.set("kept too", b"")
        await there.set_with_ttl("theirs", b"", 1)
        world.wait(2)
        with raw_sqlite(tmp_path) as stranger:

            def rows() -> int:
                count: int = stranger.execute("SELECT count(*) FROM keyvalue").fetchone()[0]
                return count

            assert rows() == 153
            await world.kv.set_with_ttl("new", b"", 1)
            assert rows() == 54
            await world.kv.set_with_ttl("new", b"", 1)
            assert rows() == 4

        assert sorted(await everything(world.kv)) == ["kept", "kept too", "new"]

    play("sqlite-virtual", tmp_path, scenario)


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

        with raw_sqlite(tmp_path) as stranger:
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


def test_a_write_that_fails_half_way_is_undone(tmp_path: Path) -> None:
    async def scenario(world: World) -> None:
        def half(connection: sqlite3.Connection, now_s: float) -> None:
            connection.execute("INSERT INTO keyvalue (namespace, key, value) VALUES (?, ?, ?)", (HERE.encode(), b"key", b"v"))
            raise KeyError("half")

        await expect(KeyError, world.connection.write("half", half))
        assert await everything(world.kv) == {}
        await world.kv.set("key", b"w")

    play("sqlite-virtual", tmp_path, scenario)


def test_errors_are_told_by_their_primary_code() -> None:
    def translated(code: int) -> type[PrismError]:
        error = sqlite3.OperationalError("native")
        error.sqlite_errorcode = code
        return client._translated(error, Conflict)

    assert translated(sqlite3.SQLITE_BUSY) is translated(sqlite3.SQLITE_BUSY_SNAPSHOT) is Conflict
    assert translated(sqlite3.SQLITE_FULL) is QuotaExceeded
    assert translated(sqlite3.SQLITE_READONLY_DIRECTORY) is AccessDenied
    assert translated(sqlite3.SQLITE_IOERR_FSYNC) is BackendUnavailable


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

    play("sqlite-virtual", tmp_path, scenario)


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
    with raw_sqlite(tmp_path):
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
