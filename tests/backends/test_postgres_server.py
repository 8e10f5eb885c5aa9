"""The PostgreSQL that the harness starts: as whom, for whom, and what is left of it; and how another server is known."""

import asyncio
import contextlib
import importlib
import os
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from awaiting import HANGS_S, until
from postgres_store import connected, missing, name, private

from prism_backends.postgres import PostgresKeyValue, postgres
from prism_testkit.accounts import unprivileged
from prism_testkit.interfaces.errors import ConfigError
from prism_testkit.servers.families import family
from prism_testkit.servers.processes import identify, is_running

pytestmark = pytest.mark.skipif(bool(missing()), reason=missing())
root = pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")


def run(main: Any) -> None:
    asyncio.run(asyncio.wait_for(main, HANGS_S))


def test_a_killed_server_leaves_no_child_and_comes_back_with_what_was_acknowledged(tmp_path: Path) -> None:
    async def main() -> None:
        async with private(tmp_path) as running, connected(running.url) as client:
            kv = PostgresKeyValue(client, name())
            done: list[int] = []
            stop = asyncio.Event()

            async def write(which: int) -> None:
                for number in range(which, 10**9, 4):
                    if stop.is_set():
                        return
                    try:
                        await kv.set(f"k{number}", b"x" * 3000)
                    except Exception:
                        return
                    done.append(number)

            for _ in range(3):
                writers = [asyncio.create_task(write(which)) for which in range(4)]
                before = len(done)
                await until(lambda enough=before + 200: len(done) >= enough)  # type: ignore[misc]
                assert running.pid is not None
                children = [found for pid in family(running.pid) if (found := identify(pid)) is not None]
                assert len(children) > 5
                await running.kill()
                assert not any(map(is_running, children))
                stop.set()
                await asyncio.gather(*writers)
                stop.clear()
                await running.restart()
                assert set(await kv.batch_get([f"k{number}" for number in done])) == {f"k{number}" for number in done}

    run(main())


def owners(*paths: Path) -> set[int]:
    found = set()
    for path in paths:
        with contextlib.suppress(FileNotFoundError):  # it ended meanwhile
            found.add(path.stat().st_uid)
    return found


@root
def test_root_runs_it_as_nobody(tmp_path: Path) -> None:
    async def main() -> None:
        async with private(tmp_path) as running:
            account = unprivileged()
            assert account is not None
            assert running.directory is not None
            processes = [Path(f"/proc/{pid}") for pid in family(running.pid or 0)]
            assert owners(running.directory, *running.directory.rglob("*"), *processes) == {account.uid}

    run(main())


def test_nobody_gets_in_as_the_superuser(tmp_path: Path) -> None:
    async def main() -> None:
        async with private(tmp_path) as running:
            with pytest.raises(asyncpg.InvalidAuthorizationSpecificationError):
                await asyncpg.connect(running.url.replace("prism@", "postgres@"))
            async with connected(running.url) as client:
                assert await client.value("look", "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
                assert await client.value("look", "SHOW listen_addresses") == "127.0.0.1"

    run(main())


class Other:
    """A connection to a server that only speaks the protocol."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    async def fetchval(self, query: str) -> str:
        return self.answers[query]


@pytest.mark.parametrize(
    ("what", "number", "says"),
    [
        ("CockroachDB CCL v23.1.14 (x86_64-pc-linux-gnu)", "13.0.0", "it is not PostgreSQL: it calls itself 'CockroachDB"),
        ("PostgreSQL 11.2-YB-2.20.1.0-b0 on x86_64", "11.2-YB-2.20.1.0-b0", "it is not PostgreSQL"),
        ("PostgreSQL 8.0.2 on i686, Redshift 1.0.60353", "8.0.2", "it is not PostgreSQL"),
        ("PostgreSQL 14.9 on x86_64-pc-linux-gnu", "14.9", "it is PostgreSQL 14.9, and this needs 15 or newer"),
        ("PostgreSQL 9.6.24 on x86_64-pc-linux-gnu", "9.6.24", "it is PostgreSQL 9.6.24"),
        ("PostgreSQL 18.1 on x86_64-pc-linux-gnu", "18.1 (Debian 18.1-1)", ""),
        ("PostgreSQL 19beta1 on x86_64-pc-linux-gnu", "19beta1", ""),
    ],
)
def test_another_kind_of_server_is_known(monkeypatch: pytest.MonkeyPatch, what: str, number: str, says: str) -> None:
    @contextlib.asynccontextmanager
    async def opened(url: str) -> AsyncIterator[Other]:
        yield Other({"SELECT version()": what, "SHOW server_version": number})

    monkeypatch.setattr(importlib.import_module("prism_backends.postgres.server"), "opened", opened)
    assert postgres.server is not None
    version = postgres.server.version
    assert version is not None
    if not says:
        assert asyncio.run(version("postgresql://somewhere")) == number.partition(" ")[0]
        return
    with pytest.raises(ConfigError, match=says):
        asyncio.run(version("postgresql://somewhere"))


def test_a_cluster_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    assert postgres.server is not None
    prepare = postgres.server.prepare
    assert prepare is not None
    with tempfile.TemporaryDirectory() as folder:  # not below pytest's own, which is closed to others
        Path(folder).chmod(0o755)
        broken = Path(folder) / "postgres"
        broken.with_name("initdb").write_text("#!/bin/sh\necho no room >&2; exit 1\n")
        broken.with_name("initdb").chmod(0o755)
        (tmp_path / "made").mkdir()
        with pytest.raises(ConfigError, match="initdb failed: no room"):
            asyncio.run(prepare(str(broken), tmp_path / "made"))


@root
def test_binaries_that_nobody_may_reach_are_told_of(tmp_path: Path) -> None:
    assert postgres.server is not None
    prepare = postgres.server.prepare
    assert prepare is not None
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    (closed / "initdb").write_text("#!/bin/sh\n")
    (closed / "initdb").chmod(0o755)
    (tmp_path / "made").mkdir()
    with pytest.raises(ConfigError, match="initdb cannot be run by nobody, as whom root runs it: a folder above it is closed"):
        asyncio.run(prepare(str(closed / "postgres"), tmp_path / "made"))
