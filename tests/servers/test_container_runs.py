"""The acceptance run on a server in a container: as any other run, and in words where it cannot be."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest
from container_cases import IMAGE, contained, engine, why_no_engine

from prism_testkit.servers.engines import ask

RUN = ("--prism-backend=valkey", "--prism-server=container", "--prism-level=smoke", "--prism-suite=keyvalue_basic")


def acceptance(folder: Path, *arguments: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    (folder / "pytest.ini").touch()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PRISM_", "PYTEST_"))}
    command = [sys.executable, "-m", "pytest", "-p", "no:randomly", *RUN, *arguments]
    return subprocess.run(command, cwd=folder, env={**inherited, **environ}, capture_output=True, text=True, check=False)


@pytest.mark.skipif(importlib.util.find_spec("testcontainers") is None, reason="testcontainers is not installed")
def test_without_an_engine_nothing_ran_and_it_says_why(tmp_path: Path) -> None:
    done = acceptance(tmp_path, DOCKER_HOST=f"unix://{tmp_path}/none.sock", COLUMNS="300")
    assert done.returncode == 1
    said = " ".join(done.stdout.split())
    assert f"valkey is unavailable: valkey: no container engine answers: unix://{tmp_path}/none.sock: " in said
    assert "; start it, or: export DOCKER_HOST=ADDRESS" in said


def test_an_image_for_nobody_is_a_usage_error(tmp_path: Path) -> None:
    done = acceptance(tmp_path, "--prism-image=valke=x")
    assert done.returncode == 4
    assert "--prism-image=valke=...: there is no server 'valke' (did you mean 'valkey'?)" in done.stderr
    done = acceptance(tmp_path, "--prism-image=valkey")
    assert done.returncode == 4
    assert "--prism-image=valkey: expected NAME=IMAGE" in done.stderr


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
@pytest.mark.parametrize("way", ["option", "environment", "ini"])
def test_it_runs_in_a_container_of_the_image_that_is_named(tmp_path: Path, way: str) -> None:
    contained()
    arguments = [f"--prism-image=valkey={IMAGE}"] if way == "option" else []
    environ = {"PRISM_VALKEY_IMAGE": IMAGE} if way == "environment" else {}
    if way == "ini":
        (tmp_path / "tox.ini").write_text(f"[pytest]\nprism_image = valkey={IMAGE}\n")
        arguments = ["-c", "tox.ini"]
    done = acceptance(tmp_path, "-k", "latest_value", *arguments, **environ)
    assert done.returncode == 0, done.stdout
    assert "prism: valkey (real server " in done.stdout
    assert ", container); level smoke" in done.stdout
    assert not list((tmp_path / ".prism/servers").glob("*.json"))
    with ask(engine()) as client:
        assert not [c.name for c in client.containers.list(all=True, filters={"ancestor": IMAGE}) if "-valkey-" in c.name]


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_the_server_that_a_check_kills_is_in_a_container_too(tmp_path: Path, workers: tuple[str, ...]) -> None:
    contained()
    (tmp_path / "test_kills.py").write_text(
        "import prism_testkit as prism\n"
        "from prism_testkit.interfaces import KeyValueBasic\n"
        "@prism.check('keyvalue_basic.1', needs_server=True)\n"
        "async def test_killed(kv: KeyValueBasic, case: prism.Case) -> None:\n"
        "    async with case.private_server() as private:\n"
        "        assert private._server.origin == 'container'\n"
    )
    done = acceptance(tmp_path, f"--prism-image=valkey={IMAGE}", *workers, "test_kills.py")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
