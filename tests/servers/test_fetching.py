"""A server that a recipe makes: once, whole or not at all, and never one that does not start."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from recipe_cases import SCRIPT, Counted, made_server
from server_cases import RUN, VALKEY, run

from prism_testkit.backend import Server
from prism_testkit.recipe import Making
from prism_testkit.servers import ServerUnavailable, fetch, locate, start
from prism_testkit.servers.cache import MANIFEST, cache_home

Environ = dict[str, str]


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Environ:
    monkeypatch.setenv("PRISM_CACHE", str(tmp_path / "cache"))
    return {"PRISM_CACHE": str(tmp_path / "cache"), "PATH": ""}


@pytest.fixture
def counted(tmp_path: Path) -> Counted:
    return Counted(tmp_path / "counted")


def silent(step: str) -> Callable[[str], None]:
    return lambda text: None


def left(environ: Environ) -> set[str]:
    """Return what lies in the cache, without the lock."""
    return {path.name.partition("-")[2] for path in Path(environ["PRISM_CACHE"], "servers").iterdir() if path.suffix != ".lock"}


def refused(server: Server, environ: Environ) -> str:
    with pytest.raises(ServerUnavailable) as caught:
        fetch("acme", server, silent, environ)
    return str(caught.value)


def test_what_was_made_is_found_starts_and_is_not_made_again(environ: Environ, counted: Counted, tmp_path: Path) -> None:
    server = made_server(counted)
    said: list[str] = []

    def report(step: str) -> Callable[[str], None]:
        said.append(step)
        return said.append

    made = fetch("acme", server, report, environ)
    assert said == ["folder", "program", "half", "starting it once", "it is acme 1.0"]
    assert fetch("acme", server, report, environ) == made
    assert counted.done == ["folder", "program"]
    assert len(left(environ)) == 1
    found = locate("acme", server, None, environ)
    assert (found.origin, found.binary, found.detail) == ("fetched", str(made / "bin/acme.py"), str(made))

    async def main() -> None:
        running = await start("acme", server, state=tmp_path, run_id=RUN)
        assert running.origin == "fetched"
        await running.stop()

    run(main())


def test_before_it_is_made_the_command_that_makes_it_is_named(environ: Environ, counted: Counted) -> None:
    with pytest.raises(ServerUnavailable) as caught:
        locate("acme", made_server(counted), None, environ)
    assert str(caught.value) == "acme: PRISM_ACME_URL is not set, and none is in the cache; add it with: prism servers add acme"


def test_what_the_steps_need_themselves_comes_first_in_that_command(environ: Environ, counted: Counted) -> None:
    server = made_server(counted, lacks=lambda: "pip install acme-builder")
    with pytest.raises(ServerUnavailable, match=r"add it with: pip install acme-builder && prism servers add acme$"):
        locate("acme", server, None, environ)
    assert refused(server, environ) == "acme: what it is made with is not installed; first: pip install acme-builder"
    assert counted.done == []


def test_a_step_that_fails_is_named_with_its_reason_and_what_was_done_stays(environ: Environ, counted: Counted) -> None:
    failing = True

    def during(making: Making) -> None:
        if failing:
            raise OSError("the network is away")

    server = made_server(counted, during=during)
    assert refused(server, environ) == "acme: program: the network is away"
    with pytest.raises(ServerUnavailable, match="none is in the cache"):
        locate("acme", server, None, environ)
    failing = False
    fetch("acme", server, silent, environ)
    assert counted.done == ["folder", "program", "program"]


def test_an_error_that_says_little_is_told_with_its_kind(environ: Environ, counted: Counted) -> None:
    def during(making: Making) -> None:
        raise KeyError("acme")

    assert refused(made_server(counted, during=during), environ) == "acme: program: KeyError: 'acme'"


KILLED = """
import sys
from pathlib import Path
from recipe_cases import Counted, made_server
from prism_testkit.servers import fetch

def during(making):
    print("half", flush=True)
    sys.stdin.read()

fetch("acme", made_server(Counted(Path(sys.argv[1])), during=during if sys.argv[2] else None), lambda step: print)
"""


def maker(counted: Path, stop: str) -> "subprocess.Popen[str]":
    argv = [sys.executable, "-c", KILLED, str(counted), stop]
    here = Path(__file__).parent
    return subprocess.Popen(argv, cwd=here, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_one_that_was_killed_half_way_is_gone_on_with(environ: Environ, counted: Counted, tmp_path: Path) -> None:
    child = maker(tmp_path / "counted", "stop")
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    child.send_signal(signal.SIGKILL)
    child.communicate()
    server = made_server(counted)
    with pytest.raises(ServerUnavailable, match="none is in the cache"):
        locate("acme", server, None, environ)
    made = fetch("acme", server, silent, environ)
    assert (made / "bin/acme.py").read_text() == SCRIPT
    assert counted.done == ["folder", "program", "program"]
    assert len(left(environ)) == 1


def test_of_two_at_once_the_second_waits_and_finds_it_made(environ: Environ, counted: Counted, tmp_path: Path) -> None:
    child = maker(tmp_path / "counted", "stop")
    assert child.stdout is not None
    assert child.stdout.readline() == "half\n"
    waits = threading.Event()
    said: list[str] = []

    def report(step: str) -> Callable[[str], None]:
        said.append(step)
        waits.set()
        return said.append

    second = threading.Thread(target=fetch, args=("acme", made_server(counted), report, environ))
    second.start()
    assert waits.wait(600)
    assert counted.done == ["folder", "program"]
    child.communicate("")
    second.join()
    assert said == ["waiting for another process that makes it"]
    assert counted.done == ["folder", "program"]


@pytest.mark.parametrize("harm", ["missing", "short", "no manifest"])
def test_a_cache_that_lost_something_is_recognised_and_repaired(environ: Environ, counted: Counted, harm: str) -> None:
    server = made_server(counted)
    made = fetch("acme", server, silent, environ)
    program = made / "bin/acme.py"
    if harm == "missing":
        program.unlink()
    elif harm == "short":
        program.write_text("")
    else:
        (made / MANIFEST).unlink()
    what = {"missing": "bin/acme.py is missing", "short": f"bin/acme.py has 0 bytes instead of {len(SCRIPT)}"}
    with pytest.raises(ServerUnavailable) as caught:
        locate("acme", server, None, environ)
    assert what.get(harm, f"{MANIFEST} is missing or cannot be read") in str(caught.value)
    assert str(caught.value).endswith("add it with: prism servers add acme")
    assert fetch("acme", server, silent, environ) == made
    assert program.read_text() == SCRIPT
    assert locate("acme", server, None, environ).origin == "fetched"
    assert len(left(environ)) == 1


def test_one_that_does_not_start_is_never_used_and_made_anew(environ: Environ, counted: Counted) -> None:
    said = refused(made_server(counted, script="raise SystemExit('acme: no licence')"), environ)
    assert "it exited with code 1 before it was ready" in said
    assert "acme: no licence" in said
    fetch("acme", made_server(counted), silent, environ)
    assert counted.done == ["folder", "program", "folder", "program"]
    assert len(left(environ)) == 1


def test_a_cache_that_cannot_be_written_to_is_named(counted: Counted, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = refused(made_server(counted), {"PRISM_CACHE": str(tmp_path / "file")})
    assert said.startswith(f"acme: the cache {tmp_path}/file/servers cannot be written to: NotADirectoryError")


def test_a_later_version_is_another_server(environ: Environ, counted: Counted) -> None:
    server = made_server(counted)
    assert server.recipe is not None
    made = fetch("acme", server, silent, environ)
    for change in ({"version": "1.1"}, {"revision": 2}):
        other = replace(server, recipe=replace(server.recipe, **change))  # type: ignore[arg-type]
        with pytest.raises(ServerUnavailable, match="none is in the cache"):
            locate("acme", other, None, environ)
    assert locate("acme", server, None, environ).detail == str(made)


def test_where_the_cache_is() -> None:
    home = Path.home() / ".cache/prism-testkit"
    assert cache_home({}) == home
    assert cache_home({"XDG_CACHE_HOME": "relative"}) == home
    assert cache_home({"XDG_CACHE_HOME": "/x"}) == Path("/x/prism-testkit")
    assert cache_home({"XDG_CACHE_HOME": "/x", "PRISM_CACHE": "/y"}) == Path("/y")
    assert cache_home({"PRISM_CACHE": "y"}) == Path.cwd() / "y"


def test_a_binary_on_path_comes_before_the_cache(environ: Environ, counted: Counted, tmp_path: Path) -> None:
    server = replace(made_server(counted), binary="acmed")
    fetch("acme", server, silent, environ)
    assert locate("acme", server, None, environ).origin == "fetched"
    program = tmp_path / "acmed"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert locate("acme", server, None, {**environ, "PATH": str(tmp_path)}).origin == "native"
    assert locate("acme", server, None, {**environ, "PRISM_ACME_URL": "acme://x:1"}).origin == "url"


def test_no_recipe_is_said(environ: Environ) -> None:
    assert refused(VALKEY, environ) == "acme: nothing is known of how to make one"
    assert not Path(environ["PRISM_CACHE"]).exists()


def test_the_ports_beyond_the_first_are_filled_into_the_command(counted: Counted, tmp_path: Path, environ: Environ) -> None:
    script = SCRIPT + "\n"
    server = made_server(counted, script=f"import sys; open('seen', 'w').write(' '.join(sys.argv[1:]))\n{script}")
    inner = server.command
    assert inner is not None
    server = replace(server, ports=2, command=lambda b, d, p: [*inner(b, d, p), "{port2}", "at:{port2}"])
    fetch("acme", server, silent, environ)

    async def main() -> None:
        running = await start("acme", server, state=tmp_path, run_id=RUN)
        try:
            assert running.directory is not None
            _, second, third = (running.directory / "seen").read_text().split()
            assert second.isdigit()
            assert third == f"at:{second}"
        finally:
            await running.stop()

    run(main())


def test_a_command_that_cannot_be_made_says_why(counted: Counted, tmp_path: Path, environ: Environ) -> None:
    def command(binary: str, directory: Path, port: int) -> list[str]:
        raise OSError("there is no Java")

    server = made_server(counted)
    fetch("acme", server, silent, environ)
    with pytest.raises(ServerUnavailable, match=r"^acme: there is no Java$"):
        run(start("acme", replace(server, command=command), state=tmp_path, run_id=RUN))
    assert not list((tmp_path / "servers").glob("*.json"))
