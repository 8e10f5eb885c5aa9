"""The acceptance run on a server in a container: as any other run, and in words where it cannot be."""

import importlib.util
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Iterator
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


@pytest.fixture
def image() -> Iterator[str]:
    """The image under a name that nobody else has, so that the containers of other tests are told apart."""
    contained()
    repository, tag = "localhost/prism-testkit-trial", secrets.token_hex(4)
    with ask(engine()) as client:
        client.images.get(IMAGE).tag(repository, tag)
        yield f"{repository}:{tag}"
        client.images.remove(f"{repository}:{tag}")


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
@pytest.mark.parametrize("way", ["option", "environment", "ini"])
def test_it_runs_in_a_container_of_the_image_that_is_named(tmp_path: Path, way: str, image: str) -> None:
    arguments = [f"--prism-image=valkey={image}"] if way == "option" else []
    environ = {"PRISM_VALKEY_IMAGE": image} if way == "environment" else {}
    if way == "ini":
        (tmp_path / "tox.ini").write_text(f"[pytest]\nprism_image = valkey={image}\n")
        arguments = ["-c", "tox.ini"]
    done = acceptance(tmp_path, "-k", "latest_value", *arguments, **environ)
    assert done.returncode == 0, done.stdout
    assert "prism: valkey (real server " in done.stdout
    assert ", container); level smoke" in done.stdout
    assert not list((tmp_path / ".prism/servers").glob("*.json"))
    with ask(engine()) as client:
        there = client.containers.list(all=True, ignore_removed=True)
        assert not [each.name for each in there if each.attrs["Config"]["Image"] == image]


CHECK = """
import prism_testkit as prism
from prism_testkit.interfaces import BackendUnavailable, KeyValueBasic

@prism.check("keyvalue_basic.13", needs_server=True)
async def test_faults(kv: KeyValueBasic, case: prism.Case) -> None:
    async with case.private_server() as private:
        assert private._server.origin == "container"
        near, far = await private.client(), await private.client(proxied=True)
        await far.set("a", b"1")
        await private.proxy.lose_answer()
        try:
            await far.set("a", b"2")
        except BackendUnavailable:
            case.note("lost")
        assert private.proxy.counts.lost_answers == 1
        assert await near.get("a") == b"2"
        assert private.pausable and await private.pause()
        await private.resume()
        assert await near.get("a") == b"2"
        await private.pause()
        await private.kill()
        await private.restart()
        assert await far.get("a") == b"2"
        await private.pause()
"""


@pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["alone", "xdist"])
def test_what_happens_to_a_server_of_a_check_happens_in_a_container_too(tmp_path: Path, workers: tuple[str, ...]) -> None:
    """The proxy before it, a pause, a kill, a restart; and it ends paused."""
    contained()
    (tmp_path / "test_faults.py").write_text(CHECK)
    done = acceptance(tmp_path, f"--prism-image=valkey={IMAGE}", *workers, "--prism-json=report.json", "test_faults.py")
    assert done.returncode == 0, done.stdout + done.stderr
    (result,) = json.loads((tmp_path / "report.json").read_text())["results"]
    assert (result["outcome"], result["notes"]) == ("passed", ["lost"])
    assert not list((tmp_path / ".prism/servers").glob("*.json"))
