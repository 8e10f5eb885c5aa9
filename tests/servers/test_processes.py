"""Processes are told apart, die with their parent, and ports are known by who listens on them."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from server_cases import gone, run, until

from prism_testkit.servers.ports import free_ports, is_free, listens
from prism_testkit.servers.processes import Identity, identify, is_running, kill_group, spawn

linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death, and who listens")


def sleeper(tmp_path: Path, script: str = "exec sleep 1000", outlive: bool = False) -> "subprocess.Popen[bytes]":
    return spawn(["sh", "-c", script], directory=tmp_path, output=tmp_path / "output", env={}, outlive=outlive)


def test_a_process_is_itself_and_no_other(tmp_path: Path) -> None:
    ours = identify(os.getpid())
    assert ours is not None
    assert is_running(ours)
    assert not is_running(Identity(ours.pid, ours.started + "0"))
    child = sleeper(tmp_path)
    other = identify(child.pid)
    assert other is not None
    assert other.started != ours.started
    kill_group(child)
    assert child.wait() == -signal.SIGKILL
    assert not is_running(other)
    assert identify(child.pid) is None


def test_one_that_ended_but_was_not_waited_for_does_not_run(tmp_path: Path) -> None:
    child = sleeper(tmp_path, "exit 0")
    run(until(lambda: gone(child.pid)))
    assert identify(child.pid) is None
    child.wait()


def test_the_children_of_a_process_are_killed_with_it(tmp_path: Path) -> None:
    child = sleeper(tmp_path, "sleep 1000 & echo $! > pid; wait")
    run(until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text().endswith("\n")))
    grandchild = int((tmp_path / "pid").read_text())
    kill_group(child)
    child.wait()
    run(until(lambda: gone(grandchild)))


def test_nothing_is_killed_in_place_of_one_that_is_gone(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    found = identify(child.pid)
    assert found is not None
    kill_group(Identity(found.pid, "an earlier one"))
    assert child.poll() is None
    kill_group(found)
    assert child.wait() == -signal.SIGKILL
    kill_group(child)


def test_output_is_appended_and_the_environment_added_to(tmp_path: Path) -> None:
    for number in ("1", "2"):
        argv = ["sh", "-c", "echo $N $PWD; echo error >&2"]
        assert spawn(argv, directory=tmp_path, output=tmp_path / "output", env={"N": number}).wait() == 0
    assert (tmp_path / "output").read_text() == f"1 {tmp_path}\nerror\n2 {tmp_path}\nerror\n"


@linux
def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from prism_testkit.servers.processes import spawn;"
        "d = Path(sys.argv[1]);"
        "print(spawn(['sleep', '1000'], directory=d, output=d / 'o', env={}).pid, flush=True);"
        "print(spawn(['sleep', '1000'], directory=d, output=d / 'o', env={}, outlive=True).pid, flush=True); time.sleep(1000)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        tied, free = int(parent.stdout.readline()), int(parent.stdout.readline())
        run(until(lambda: "sleep" in Path(f"/proc/{tied}/cmdline").read_text().split("\0")[0]))
        parent.kill()
    try:
        run(until(lambda: gone(tied)))
        assert not gone(free)
    finally:
        os.killpg(free, signal.SIGKILL)


def test_a_child_outlives_the_thread_that_asked_for_it(tmp_path: Path) -> None:
    """prctl(2): it is the death of the forking thread that counts, not that of the process."""
    children: list[subprocess.Popen[bytes]] = []
    thread = threading.Thread(target=lambda: children.append(sleeper(tmp_path, "echo up; exec sleep 1000")))
    thread.start()
    thread.join()
    run(until(lambda: (tmp_path / "output").read_bytes() == b"up\n"))
    assert children[0].poll() is None
    kill_group(children[0])
    children[0].wait()


@linux
def test_a_command_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    child = spawn(["/nowhere/acmed"], directory=tmp_path, output=tmp_path / "output", env={})
    assert child.wait() == 1
    assert (tmp_path / "output").read_text() == "cannot run /nowhere/acmed: No such file or directory\n"


def test_free_ports_are_distinct_and_free() -> None:
    ports = [free_ports(20) for _ in range(5)]
    assert all(len(set(each)) == 20 for each in ports)
    assert any(all(map(is_free, each)) for each in ports), "somebody else on this machine may take one meanwhile"


@linux
def test_free_ports_are_not_those_that_outgoing_connections_get() -> None:
    lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert all(port < lowest for port in free_ports(20)) or lowest < 16_000


@linux
def test_who_listens_on_a_port(tmp_path: Path) -> None:
    child = sleeper(tmp_path)
    with socket.create_server(("127.0.0.1", *free_ports(1))) as listener:  # no connection gets it when it is given back
        port = listener.getsockname()[1]
        assert not is_free(port)
        assert listens(port, os.getpid()) is True
        assert listens(port, child.pid) is False
        assert listens(port, os.getppid()) is True  # whose child we are
    assert is_free(port)
    assert listens(port, os.getpid()) is None
    kill_group(child)
    child.wait()
