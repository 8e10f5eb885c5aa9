"""What killed runs left is cleaned, what living runs use is not; kept servers are handed on from run to run."""

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from server_cases import RUN, VALKEY, gone, run, set_and_get, shell, until, valkey_client, valkey_with

from prism_testkit.servers import Record, RunningServer, records, start, sweep
from prism_testkit.servers.own import OwnServer
from prism_testkit.servers.processes import Identity, identify, kill_group
from prism_testkit.servers.records import locked, this_process

OWNER = """
import asyncio, sys, time
from pathlib import Path
from server_cases import RUN, VALKEY
from prism_testkit.servers import start

async def main(keep):
    server = await start("valkey", VALKEY, state=Path(sys.argv[1]), run_id=RUN, keep=keep, prefer="native")
    print(server.pid, server.directory.parent, flush=True)
    return server

server = asyncio.run(main("keep" in sys.argv))
if "stop" in sys.argv:
    asyncio.run(server.stop())
else:
    time.sleep(1000)
"""


@contextmanager
def owner(state: Path, *words: str) -> Iterator[tuple["subprocess.Popen[str]", int, Path]]:
    """Run a process that starts a server and waits; yield it, the server's pid and its directory. Killed at the end."""
    argv = [sys.executable, "-c", OWNER, str(state), *words]
    with subprocess.Popen(argv, cwd=Path(__file__).parent, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            pid, directory = process.stdout.readline().split()
            yield process, int(pid), Path(directory)
        finally:
            process.kill()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    """A state folder of which no server is left, whatever a test did."""
    yield tmp_path
    for record in records(tmp_path):
        if record.process is not None:
            kill_group(record.process)
    sweep(tmp_path, kept=True)
    assert records(tmp_path) == []


def record(state: Path, **changes: object) -> Record:
    """Write a record of a run that is gone, and return it."""
    dead = Identity(os.getpid(), "earlier")
    made = Record(
        name="acme", run_id=RUN, directory=state / f"prism-{RUN}-acme", ports=(1,), fingerprint="", owners=(dead,), kept=False
    )
    made = replace(made, **changes)  # type: ignore[arg-type]
    made.write(state)
    return made


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a server with the process that started it")
def test_a_killed_run_leaves_no_process_and_the_next_sweep_removes_the_rest(state: Path) -> None:
    with owner(state) as (process, pid, directory):
        assert sweep(state) == []
        process.kill()
        process.wait()
        run(until(lambda: gone(pid)))
        assert directory.is_dir()
        assert len(records(state)) == 1
        assert sweep(state) == [f"valkey of run {RUN}: removed {directory}"]
    assert not directory.exists()
    assert records(state) == []
    assert sweep(state) == []


def test_a_server_that_outlived_its_run_is_stopped(state: Path) -> None:
    """Where the kernel does not do it, or the kill hit in the one moment before it could."""
    orphan = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    left = record(state, process=identify(orphan.pid))
    left.directory.mkdir()
    assert sweep(state) == [f"acme of run {RUN}: stopped the server and removed {left.directory}"]
    assert orphan.wait() == -signal.SIGKILL
    assert not left.directory.exists()


def test_the_servers_of_a_living_run_are_left_alone(state: Path) -> None:
    with owner(state) as (_, pid, directory):
        for kept in (False, True):
            assert sweep(state, kept=kept) == []
        assert not gone(pid)
        assert directory.is_dir()
        assert len(records(state)) == 1


def test_a_process_that_got_the_number_of_a_dead_server_is_left_alone(state: Path) -> None:
    stranger = subprocess.Popen(["sleep", "1000"], start_new_session=True)
    left = record(state, process=Identity(stranger.pid, "earlier"))
    assert sweep(state) == [f"acme of run {RUN}: removed {left.directory}"]
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_a_directory_that_is_not_ours_is_left_alone(state: Path) -> None:
    precious = state / "precious"
    precious.mkdir()
    link = state / f"prism-{RUN}-link"
    link.symlink_to(precious)
    for directory in (precious, link):
        left = record(state, directory=directory)
        assert sweep(state) == [f"acme of run {RUN}: could not remove {directory}"]
        assert precious.is_dir()
        left.remove(state)


def test_the_records_of_another_machine_are_left_alone(state: Path) -> None:
    left = record(state, host="elsewhere")
    left.directory.mkdir()
    assert sweep(state, kept=True) == []
    assert left.directory.is_dir()
    left.remove(state)


def test_what_is_no_record_is_passed_over(state: Path) -> None:
    good = record(state)
    for number, text in enumerate(("", "{", "[]", json.dumps({"name": "acme"}))):
        (state / "servers" / f"bad{number}.json").write_text(text)
    assert records(state) == [good]


def test_a_record_says_again_what_was_written(state: Path) -> None:
    made = record(state, owners=(this_process(), Identity(1, "a")), process=Identity(2, "b"), ports=(3, 4), kept=True)
    assert records(state) == [made]
    assert made.living_owners == (this_process(),)
    made.remove(state)


@pytest.mark.skipif(not Path("/proc/locks").exists(), reason="only Linux tells who waits for a lock")
def test_a_sweep_waits_for_its_turn_at_the_records(state: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from prism_testkit.servers import sweep\n"
        "print('asking', flush=True)\nsweep(Path(sys.argv[1]))\nprint('done', flush=True)"
    )
    with locked(state), (state / "said").open("w") as said:
        other = subprocess.Popen([sys.executable, "-c", code, str(state)], stdout=said)
        run(until(lambda: "asking" in (state / "said").read_text()))
        # Asleep in flock, and not just on its way there: the kernel lists who waits for which lock.
        run(until(lambda: f"-> FLOCK  ADVISORY  WRITE {other.pid} " in Path("/proc/locks").read_text()))
        assert (state / "said").read_text() == "asking\n"
    assert other.wait() == 0
    assert (state / "said").read_text() == "asking\ndone\n"


# Kept servers


async def keeper(state: Path, server: object = VALKEY, keep: bool = True) -> RunningServer:
    return await start("valkey", server, state=state, run_id=RUN, keep=keep, prefer="native")  # type: ignore[arg-type]


def test_a_kept_server_is_handed_on_with_its_data_and_ends_when_asked(state: Path) -> None:
    async def main() -> None:
        first = await keeper(state)
        async with valkey_client(first.url) as client:
            await set_and_get(client, "key", b"value")
        await first.stop()
        assert first.alive()
        assert sweep(state) == []
        fresh = await keeper(state, keep=False)
        assert fresh.pid != first.pid
        await fresh.stop()
        assert not fresh.alive()
        second = await keeper(state)
        assert (second.pid, second.url, second.directory) == (first.pid, first.url, first.directory)
        async with valkey_client(second.url) as client:
            assert await client.execute_command("GET", "key") == b"value"
        assert sweep(state, kept=True) == []
        await second.stop()
        assert second.alive()
        assert first.directory is not None
        assert sweep(state, kept=True) == [f"valkey of run {RUN}: stopped the server and removed {first.directory.parent}"]
        assert not second.alive()
        assert records(state) == []

    run(main())


def test_a_kept_server_outlives_the_run_that_stopped_it_and_the_run_that_was_killed(state: Path) -> None:
    for words in (("keep", "stop"), ("keep",)):
        with owner(state, *words) as (process, pid, _):
            if "stop" not in words:
                process.kill()
            process.wait()
        assert not gone(pid)
        assert sweep(state) == []
        adopted = run(keeper(state))
        assert adopted.pid == pid
        run(adopted.stop())
        assert not gone(pid)
        assert len(sweep(state, kept=True)) == 1
        run(until(lambda: gone(pid)))


def test_a_kept_server_that_another_run_uses_is_shared_and_not_swept(state: Path) -> None:
    with owner(state, "keep") as (_, pid, _):
        shared = run(keeper(state))
        assert shared.pid == pid
        assert len(records(state)[0].living_owners) == 2
        run(shared.stop())
        assert len(records(state)[0].living_owners) == 1
        assert sweep(state, kept=True) == []
        assert not gone(pid)


@pytest.mark.parametrize("restarted", [False, True])
def test_whoever_leaves_a_shared_server_does_not_forget_the_others(state: Path, restarted: bool) -> None:
    first = run(keeper(state))
    with owner(state, "keep") as (process, pid, _):
        assert pid == first.pid
        if restarted:
            run(first.restart())
        run(first.stop())
        assert records(state)[0].living_owners == (identify(process.pid),)
        assert sweep(state, kept=True) == []
        assert first.alive()


def test_a_server_kept_under_another_command_is_not_adopted(state: Path) -> None:
    async def main() -> None:
        first = await keeper(state)
        await first.stop()
        other = await keeper(state, valkey_with("--maxclients", "100"))
        assert other.pid != first.pid
        await other.stop()

    run(main())


def test_a_kept_server_that_does_not_answer_is_not_adopted(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = OwnServer.answers
    # Only the one that is asked whether it can be adopted, and never answers: a new one may take its time.
    monkeypatch.setattr(OwnServer, "answers", lambda self, deadline_s: answers(self, 0.2))

    async def main() -> None:
        first = await keeper(state)
        await first.stop()
        assert first.pid is not None
        os.kill(first.pid, signal.SIGSTOP)
        other = await keeper(state)
        assert other.pid != first.pid
        await other.stop()
        assert len(records(state)) == 2

    run(main())


def test_the_remains_of_a_kept_server_that_died_are_swept(state: Path) -> None:
    server = run(keeper(state))
    run(server.stop())
    assert server.pid is not None
    os.killpg(server.pid, signal.SIGKILL)
    os.waitpid(server.pid, 0)
    assert len(sweep(state)) == 1
    assert records(state) == []


def test_an_adopted_server_can_be_killed_and_restarted(state: Path) -> None:
    async def main() -> None:
        await (await keeper(state)).stop()
        server = await keeper(state)
        pid = server.pid
        assert pid is not None
        await server.restart()
        assert server.pid != pid
        assert gone(pid)
        assert server.alive()
        assert "User requested shutdown" in server.last_lines(200)
        await server.stop()

    run(main())


def test_leaving_a_kept_server_warns_of_nothing(state: Path) -> None:
    gc.collect()  # what other tests left behind is not ours
    seen: list[object] = []
    hook = sys.unraisablehook
    sys.unraisablehook = seen.append
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run(_leave(state))
            gc.collect()
    finally:
        sys.unraisablehook = hook
    assert seen == []


async def _leave(state: Path) -> None:
    await (await keeper(state)).stop()


def test_two_runs_in_one_project_start_and_stop_without_harm(state: Path) -> None:
    async def main() -> None:
        with owner(state) as (_, pid, directory):
            for _ in range(3):
                server = await start("valkey", VALKEY, state=state, run_id=RUN, prefer="native")
                await asyncio.gather(*(asyncio.to_thread(sweep, state) for _ in range(3)))
                assert server.alive()
                await server.stop()
            assert not gone(pid)
            assert directory.is_dir()
            assert len(records(state)) == 1

    run(main())


def test_a_server_that_is_no_longer_needed_leaves_no_child(state: Path) -> None:
    server = shell("sleep 1000 & echo $! > child; touch up; wait")

    async def main() -> None:
        running = await start("acme", server, state=state, run_id=RUN)
        assert running.directory is not None
        await until((running.directory / "up").exists)
        child = int((running.directory / "child").read_text())
        await running.kill()
        await until(lambda: gone(child))
        await running.stop()

    run(main())
