"""``prism clean``: what killed runs left goes, what lives stays, a repeat does nothing."""

import os
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.servers.processes import identify, is_running

STORE = """
import os
from pathlib import Path

class Store(Dict):
    def __init__(self, client, namespace):
        self.data = {}

@asynccontextmanager
async def folder(place):
    yield Path(place.url.rpartition("@")[2])

async def sweep(client, prefix):
    for path in client.glob(f"{prefix}*"):
        path.unlink()

async def ready(url):
    assert Path(url.rpartition("@")[2]).is_dir(), f"nothing at {url}"

server = prism.Server(url="acme://{port}", ready=ready)
mine = prism.Backend(name="mine", connect=folder, drivers=[Store], clean=sweep, server=server)

@prism.hookimpl"""

NOTHING = "nothing to clean: no killed run left anything on record in"


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_where_no_run_ever_was_nothing_is_done_or_made(shell: Any) -> None:
    assert shell.prism("clean", "--kept", "--examples", code=0).startswith(NOTHING)
    assert not shell.state.exists()


def test_what_killed_runs_left_goes_and_a_repeat_does_nothing(shell: Any) -> None:
    run, server = shell.killed_run(), shell.server()
    said = shell.prism("clean", code=0)
    assert "removed the directory of the killed run deadbeef" in said
    assert f"acme of run killedrun: stopped the server and removed {server.directory}" in said
    assert not is_running(server.process)
    assert not run.directory.exists()
    assert not server.directory.exists()
    assert files(shell.state) <= {"servers/lock"}
    assert shell.prism("clean", code=0).startswith(NOTHING)


def test_what_lives_stays(shell: Any) -> None:
    me = identify(os.getpid())
    run, server, kept = shell.killed_run(owner=me), shell.server(owners=(me,)), shell.server(kept=True)
    assert shell.prism("clean", code=0).startswith(NOTHING)
    assert run.directory.is_dir()
    assert is_running(server.process)
    assert is_running(kept.process)
    assert run.path.exists()


def test_kept_servers_go_when_that_is_asked_for_and_nobody_uses_them(shell: Any) -> None:
    me = identify(os.getpid())
    idle, used = shell.server(kept=True), shell.server(kept=True, owners=(me,))
    said = shell.prism("clean", "--kept", code=0)
    assert f"stopped the server and removed {idle.directory}" in said
    assert not is_running(idle.process)
    assert is_running(used.process)
    assert shell.prism("clean", "--kept", code=0).startswith(NOTHING)


def test_examples_and_witnesses_go_only_when_that_is_asked_for(shell: Any, tmp_path: Path) -> None:
    (shell.state / "examples" / "a").mkdir(parents=True)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").touch()
    (shell.state / "witnesses").symlink_to(precious)
    shell.prism("clean", code=0)
    assert (shell.state / "examples").is_dir()
    said = shell.prism("clean", "--examples", code=0)
    assert f"removed {shell.state}/examples" in said
    assert f"removed the link {shell.state}/witnesses" in said
    assert list(shell.state.iterdir()) == []
    assert files(precious) == {"file"}
    assert shell.prism("clean", "--examples", code=0).startswith(NOTHING)


@pytest.fixture
def store(shell: Any, tmp_path: Path) -> Path:
    """A server given by URL, a password in it, on which a killed run, a living one and a stranger have left data."""
    shell.edit("@prism.hookimpl", STORE)
    folder = tmp_path / "store"
    folder.mkdir()
    shell.killed_run("deadbeef", by_url=("mine",))
    shell.killed_run("alive000", by_url=("mine",), owner=identify(os.getpid()))
    for name in ("prismdeadbeef00100000001", "prismdeadbeef00200000001", "prismalive00000100000001", "stranger"):
        (folder / name).touch()
    shell.env["PRISM_MINE_URL"] = f"acme://joe:hocuspocus@{folder}"
    return folder


def test_namespaces_of_dead_runs_only_are_cleaned_from_a_server_given_by_url(shell: Any, store: Path) -> None:
    said = shell.prism("clean", code=0)
    assert "cleaned the namespaces of the killed run deadbeef from mine" in said
    assert files(store) == {"prismalive00000100000001", "stranger"}
    assert files(shell.state / "runs") == {"alive000.json"}
    assert "hocuspocus" not in said
    assert shell.prism("clean", code=0).startswith(NOTHING)


def test_a_server_whose_address_is_not_given_is_named_and_stays_on_record(shell: Any, store: Path) -> None:
    del shell.env["PRISM_MINE_URL"]
    said = shell.prism("clean", code=0)
    assert "could not clean mine, where a killed run left namespaces: mine: no address is given" in said
    assert "export PRISM_MINE_URL=acme://PORT; then run `prism clean` again" in said
    assert "deadbeef.json" in files(shell.state / "runs")
    assert len(files(store)) == 4


def test_a_server_that_cannot_be_used_is_named_without_its_password(shell: Any, store: Path) -> None:
    shell.env["PRISM_MINE_URL"] += "-elsewhere"
    said = shell.prism("clean", code=0)
    assert "could not clean mine, where a killed run left namespaces: mine: what answers at PRISM_MINE_URL" in said
    assert "hocuspocus" not in said
    assert len(files(store)) == 4


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("registry.add(mine)", "pass", "no such backend is registered here; run `prism clean` in the folder of its conftest.py"),
        ("clean=sweep, ", "", "it has no clean function; add clean=... to its Backend(...)"),
        ("        path.unlink()", "        raise OSError('no luck')", "its clean function raised OSError: no luck"),
        (", server=server", "", "it has no server any more; delete the record in .prism/runs"),
    ],
)
@pytest.mark.usefixtures("store")
def test_why_a_server_could_not_be_cleaned_is_said(shell: Any, old: str, new: str, why: str) -> None:
    text = (shell.path / "conftest.py").read_text()
    assert old in text
    shell.conftest(text.replace(old, new))
    assert f"could not clean mine, where a killed run left namespaces: {why}" in shell.prism("clean", code=0)
