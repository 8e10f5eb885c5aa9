"""A template is made once, copied for each server, and never seen half made."""

import asyncio
from pathlib import Path

import pytest
from server_cases import RUN, gone, run, shell

from prism_testkit.servers import ServerUnavailable, start, sweep
from prism_testkit.servers.processes import identify
from prism_testkit.servers.templates import _draft, template


def test_it_is_made_once_and_every_server_has_a_copy(tmp_path: Path) -> None:
    made: list[str] = []

    async def prepare(binary: str, directory: Path) -> None:
        made.append(binary)
        (directory / "disk").write_text("formatted")

    server = shell("echo $1 >> disk; exec sleep 1000", prepare=prepare)

    async def main() -> None:
        for _ in range(2):
            running = await start("acme", server, state=tmp_path, run_id=RUN)
            assert running.directory is not None
            assert (running.directory / "disk").read_text().startswith("formatted")
            await running.stop()

    run(main())
    assert len(made) == 1
    assert [path.name for path in (tmp_path / "templates").glob("*/disk")] == ["disk"]
    assert next((tmp_path / "templates").glob("*/disk")).read_text() == "formatted"


def test_two_that_make_it_at_once_end_up_with_one(tmp_path: Path) -> None:
    meeting = asyncio.Event()

    async def prepare(binary: str, directory: Path) -> None:
        (directory / "disk").touch()
        if len(list((tmp_path / "templates").iterdir())) == 2:
            meeting.set()
        await meeting.wait()

    async def main() -> None:
        found = await asyncio.gather(*(template("acme", shell("", prepare=prepare), "/bin/sh", tmp_path) for _ in range(2)))
        assert found[0] == found[1]

    run(main())
    assert len(list((tmp_path / "templates").iterdir())) == 1


def test_another_binary_needs_another_template(tmp_path: Path) -> None:
    async def prepare(binary: str, directory: Path) -> None:
        (directory / "by").write_text(binary)

    async def main() -> None:
        binary = tmp_path / "acmed"
        found = set()
        for version in ("one", "another"):
            binary.write_text(version)
            found.add(await template("acme", shell("", prepare=prepare), str(binary), tmp_path))
        assert len(found) == 2

    run(main())


def test_one_that_cannot_be_made_makes_the_server_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    async def prepare(binary: str, directory: Path) -> None:
        (directory / "half").touch()
        raise OSError("disk full")

    with pytest.raises(ServerUnavailable, match="acme: its template could not be made: OSError: disk full"):
        run(start("acme", shell("exec sleep 1000", prepare=prepare), state=tmp_path, run_id=RUN))
    assert list((tmp_path / "templates").iterdir()) == []


def test_what_a_killed_run_left_half_made_is_swept_and_what_is_being_made_is_not(tmp_path: Path) -> None:
    ours = _draft(tmp_path / "templates" / "acme-0123")
    dead = next(pid for pid in range(4_000_000, 4_200_000) if gone(pid) and identify(pid) is None)
    theirs = ours.with_name(f"acme-0123.draft-{dead}-01234567-89abcdef")
    theirs.mkdir()
    reused = ours.with_name(f"acme-0123.draft-{ours.name.split('-')[2]}-01234567-89abcdef")
    reused.mkdir()
    assert sorted(sweep(tmp_path)) == sorted(f"removed the half-made template {path.name}" for path in (theirs, reused))
    assert list((tmp_path / "templates").iterdir()) == [ours]
