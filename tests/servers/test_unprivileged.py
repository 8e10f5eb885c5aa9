"""A server that root may not run is run as nobody, in a directory that is nobody's; one that has children takes them with it."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
from server_cases import RUN, gone, run, shell, until

from prism_testkit.accounts import unprivileged
from prism_testkit.servers import records, start
from prism_testkit.servers.processes import kill_group, spawn

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


def words(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() and path.read_text().endswith("\n") else []


@root
@pytest.mark.parametrize("keep", [False, True])
def test_root_runs_it_as_nobody(tmp_path: Path, keep: bool) -> None:
    script = "cat made; echo x > made; echo $(id -u) $(id -g) $(id -G) > who; exec sleep 1000"
    account = unprivileged()
    assert account is not None

    async def prepare(binary: str, directory: Path) -> None:
        (directory / "made").write_text("by the template\n")

    async def main() -> None:
        server = replace(shell(script), unprivileged=True, prepare=prepare)
        running = await start("acme", server, state=tmp_path, run_id=RUN, keep=keep)
        assert running.directory is not None
        assert running.pid is not None
        who = running.directory / "who"
        await until(lambda: bool(words(who)))
        assert words(who) == [str(account.uid), str(account.gid), str(account.gid)]
        assert "by the template" in running.last_lines()
        assert words(who.with_name("made")) == ["x"]
        assert {path.stat().st_uid for path in (running.directory.parent, running.directory, who)} == {account.uid}
        pid = running.pid
        await running.kill()
        assert gone(pid)
        who.unlink()
        await running.restart()
        await until(lambda: bool(words(who)))
        for record in records(tmp_path):
            replace(record, kept=False).write(tmp_path)
        running._own.record = replace(running._own.record, kept=False)  # type: ignore[union-attr]
        await running.stop()
        assert records(tmp_path) == []
        assert not who.parent.parent.exists()

    run(main())


@root
def test_it_still_dies_with_the_one_that_started_it(tmp_path: Path) -> None:
    """The signal has to be asked for after the change of the user, which clears it."""
    pid = os.fork()
    if pid == 0:
        child = spawn(["sleep", "1000"], directory=tmp_path, output=tmp_path / "output", env={}, account=unprivileged())
        (tmp_path / "child").write_text(f"{child.pid}\n")
        os.kill(os.getpid(), signal.SIGSTOP)
    run(until(lambda: bool(words(tmp_path / "child"))))
    child_pid = int(words(tmp_path / "child")[0])
    run(until(lambda: Path(f"/proc/{child_pid}/comm").read_text() == "sleep\n"))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    run(until(lambda: gone(child_pid)))


def test_nobody_else_is_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert unprivileged() is None


def test_without_a_user_to_become_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr("prism_testkit.accounts._NAME", "prism-no-such-user")
    with pytest.raises(OSError, match="no user 'prism-no-such-user'"):
        unprivileged()


def test_a_child_in_a_session_of_its_own_is_killed_with_it(tmp_path: Path) -> None:
    script = "setsid sh -c 'echo $$ > child; exec sleep 1000' & exec sleep 1000"
    process = spawn(["sh", "-c", script], directory=tmp_path, output=tmp_path / "output", env={})
    run(until(lambda: bool(words(tmp_path / "child"))))
    child = int(words(tmp_path / "child")[0])
    assert child in {other.pid for other in kill_group(process)}
    process.wait()
    run(until(lambda: gone(child)))


def test_it_is_asked_to_end_by_its_own_signal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prism_testkit.servers.own._GRACE_S", 1e6)  # it is never killed for being slow
    script = "trap 'echo asked; exit 0' USR1; trap '' TERM; touch up; while :; do sleep 0.01; done"

    async def main() -> None:
        running = await start("acme", replace(shell(script), stop_signal=signal.SIGUSR1), state=tmp_path, run_id=RUN, keep=False)
        assert running.directory is not None
        await until((running.directory / "up").exists)
        assert running._own is not None
        await running._own.end()
        assert "asked" in running.last_lines()
        await running.stop()

    run(main())
