"""``prism servers``: each way to a server, taken away in turn, gives its own line, and the doctor says the same command."""

import fcntl
import os
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

SERVER = """
import sys
from pathlib import Path

async def ready(url):
    _, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.close()

async def version(url):
    return "7.7.7"

def script(making):
    if Path("no-network").exists():
        raise OSError("the network is away")
    (making.directory / "acme.py").write_text(
        "import socket, sys\\n"
        "if '--version' in sys.argv: sys.exit(print('acme 9.8.7-rc1 (c) Acme'))\\n"
        "listener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\\n"
        "while True: listener.accept()[0].close()\\n"
    )

def command(binary, directory, port):
    return [sys.executable, binary, str(port)] if binary.endswith(".py") else [binary, str(port)]

server = prism.Server(url="acme://127.0.0.1:{port}", ready=ready, version=version, command=command, MORE)
mine = prism.Backend(name="mine", connect=connect, drivers=[Dict], clean=clean, server=server)

@prism.hookimpl"""
RECIPE = 'recipe=prism.Recipe(version="1.2", steps=[prism.Step(what="script", make=script)], binary="acme.py", cost="a moment")'
NO_ENGINE = {"DOCKER_HOST": "unix:///nowhere/engine.sock"}
EVERY_WAY = f'binary="acme-server", wheel="acme_wheel", {RECIPE}'


def declare(shell: Any, more: str = EVERY_WAY) -> None:
    shell.edit("@prism.hookimpl", SERVER.replace("MORE", more))
    shell.env["PRISM_CACHE"] = str(shell.path.parent / "cache")


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}\nprint('acme-server v3.2.1, built by hand')\n")
    path.chmod(0o755)
    return path


def test_each_way_taken_away_in_turn_gives_its_own_line(shell: Any) -> None:
    declare(shell)
    shell.env["PRISM_MINE_URL"] = "acme://joe:hocuspocus@127.0.0.1:1"
    shell.env["PATH"] = str(shell.path.parent / "bin")
    on_path = program(shell.path.parent / "bin/acme-server")
    in_wheel = program(shell.site / "acme_wheel/acme-server")
    (shell.site / "acme_wheel/__init__.py").touch()
    made = re.search(r"mine is in (.*)", shell.prism("servers", "add", "mine", code=0))
    assert made is not None
    said = shell.prism("servers", "mine", code=0)
    assert re.match(r"mine +url +unusable: what answers at PRISM_MINE_URL cannot be used: .*; PRISM_MINE_URL$", said.strip()), said
    assert "hocuspocus" not in said
    del shell.env["PRISM_MINE_URL"]
    assert shell.prism("servers", "mine").split() == ["mine", "native", "3.2.1", str(on_path)]
    on_path.unlink()
    assert shell.prism("servers", "mine").split() == ["mine", "wheel", "3.2.1", "acme_wheel"]
    in_wheel.unlink()
    assert shell.prism("servers", "mine").split() == ["mine", "fetched", "1.2", made.group(1)]
    assert shell.prism("doctor", "mine", code=0)
    (Path(made.group(1)) / "acme.py").write_text("")
    said = shell.prism("servers", "mine", code=0)
    assert "the one in the cache is broken (acme.py has 0 bytes instead of" in said
    assert said.splitlines()[-1].split() == ["prism", "servers", "add", "mine"]


@pytest.mark.parametrize(
    ("more", "cure"),
    [
        (EVERY_WAY, "prism servers add mine"),
        ('binary="acme-server", wheel="acme_wheel"', "pip install acme_wheel"),
        ('binary="acme-server"', "export PRISM_MINE_URL=acme://127.0.0.1:PORT"),
    ],
)
def test_the_doctor_says_the_same_command(shell: Any, more: str, cure: str) -> None:
    declare(shell, more)
    assert shell.prism("servers", "mine", code=0).splitlines()[-1].strip() == cure
    assert shell.prism("doctor", "mine", code=1).splitlines()[-2].strip() == cure


def test_a_server_that_answers_at_an_address_tells_its_version(shell: Any) -> None:
    from doctor_illnesses import listening

    declare(shell)
    with listening() as port:
        shell.env["PRISM_MINE_URL"] = f"acme://127.0.0.1:{port}"
        assert shell.prism("servers", "mine", code=0).split() == ["mine", "url", "7.7.7", "PRISM_MINE_URL"]


def test_making_one_tells_its_steps_and_what_it_costs(shell: Any) -> None:
    declare(shell)
    said = shell.prism("servers", "add", "mine", code=0)
    assert [re.sub(r"^ *\d+\.\d s ", "", line) for line in said.splitlines()] == [
        "mine 1.2: a moment",
        f"mine is in {next((shell.path.parent / 'cache/servers').glob('mine-1.2-1-*[!k]'))}",
        "script",
        "starting it once",
        "it is mine 7.7.7",
    ]


def test_what_cannot_be_made_is_told_with_its_reason(shell: Any) -> None:
    declare(shell)
    (shell.path / "no-network").touch()
    said = shell.prism("servers", "add", "mine", code=1)
    assert said.splitlines()[-1] == "prism: mine: script: the network is away"
    (shell.path / "no-network").unlink()
    shell.prism("servers", "add", "mine", code=0)


def test_what_cannot_be_meant_is_exit_code_4(shell: Any) -> None:
    declare(shell, 'binary="acme-server", wheel="acme_wheel"')
    assert "there is no server 'mind' (did you mean 'mine'?)" in shell.prism("servers", "mind", code=4)
    assert "mine is not made by a command of ours: pip install acme_wheel" in shell.prism("servers", "add", "mine", code=4)
    assert "what can be made is kafka, minio" in shell.prism("servers", "add", code=4)


def test_all_of_them_are_listed_and_embedded_backends_are_not(shell: Any) -> None:
    declare(shell)
    names = [line.split()[0] for line in shell.prism("servers", code=0).splitlines() if not line.startswith(" ")]
    assert names == sorted(names)
    assert {"kafka", "minio", "mine", "valkey"} <= set(names)
    assert "memory" not in names


def test_a_server_whose_client_library_is_missing_is_listed_with_the_cure(shell: Any) -> None:
    shell.conftest()
    shell.env["BLOCKED"] = "redis"
    said = shell.prism("servers", "valkey", code=0)
    assert (
        " ".join(said.split()) == "valkey unknown its client library is not installed (redis): pip install 'prism-testkit[valkey]'"
    )


def test_a_server_that_no_backend_is_on_is_known_to_the_doctor_by_name_only(shell: Any) -> None:
    shell.conftest()
    shell.distribution("acme", "1.0", "[prism_testkit.servers]\nlone = prism_backends.kafka.server:server\n")
    shell.env |= {"PRISM_CACHE": str(shell.path / "cache"), "PATH": "", **NO_ENGINE}
    said = shell.prism("doctor", "lone", code=1)
    what, cure = said.splitlines()[:2]
    assert what == "missing: lone: PRISM_LONE_URL is not set, and none is in the cache"
    assert cure.strip() == "prism servers add lone"
    assert "lone" not in shell.prism("doctor")


def test_a_server_of_ours_is_known_without_its_client_library(shell: Any) -> None:
    shell.conftest()
    shell.env |= {"PRISM_CACHE": str(shell.path / "cache"), "PATH": "", "BLOCKED": "aiokafka", **NO_ENGINE}
    assert shell.prism("servers", "kafka", code=0).splitlines()[1].strip() == "prism servers add kafka"


def test_on_a_terminal_one_line_a_step_changes(shell: Any) -> None:
    pyte = pytest.importorskip("pyte", reason="pyte, a terminal in memory, is not installed")
    declare(shell)
    master, slave = os.openpty()
    screen = pyte.Screen(60, 10)
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 60, 0, 0))
    environ = {**os.environ, "PYTHONPATH": str(shell.site), **shell.env}
    command = [sys.executable, "-m", "prism_testkit.cli", "servers", "add", "mine"]
    done = subprocess.run(command, cwd=shell.path, env=environ, stdout=subprocess.PIPE, stderr=slave, text=True, check=True)
    os.close(slave)
    shown = "".join(iter(lambda: _read(master), ""))
    os.close(master)
    pyte.Stream(screen).feed(shown)
    assert [line[9:].rstrip() for line in screen.display if line.strip()] == ["script", "starting it once", "it is mine 7.7.7"]
    assert shown.count("\r\x1b[K") == 3
    assert done.stdout.startswith("mine 1.2: a moment\nmine is in ")


def _read(terminal: int) -> str:
    """Read what the system has brought so far; nothing at the end, which Linux tells by an error."""
    try:
        return os.read(terminal, 65_536).decode()
    except OSError:
        return ""
