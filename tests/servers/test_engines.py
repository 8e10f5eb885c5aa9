"""Which container engine is asked, what counts as an answer, and what is said where there is none."""

import importlib.util
import os
import socket
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from container_cases import engine_at
from server_cases import RUN, VALKEY, run

from prism_backends.valkey import valkey
from prism_testkit.selection import SelectionError
from prism_testkit.servers import Record, ServerUnavailable, containerports, locate, records, start, sweep
from prism_testkit.servers.containerports import reached
from prism_testkit.servers.engines import EngineAway, _first, container_state, find_engine
from prism_testkit.servers.images import with_images
from prism_testkit.servers.records import this_process

EXTRA = "pip install 'prism-testkit[containers]'"
pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("testcontainers") is None, reason=f"testcontainers is not installed: {EXTRA}"
)
DOCKER = {"Server": "Docker/28.1.0 (linux)"}
PODMAN = {"Server": "Libpod/5.0.1 (linux)", "Libpod-API-Version": "5.0.1"}


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder with a short name: that of a socket may have no more than 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="pe-") as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def forget(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("prism_testkit.servers.engines._ANSWER_S", 600.0)  # however busy the machine is
    _first.cache_clear()
    yield
    _first.cache_clear()


def refused(environ: dict[str, str]) -> EngineAway:
    with pytest.raises(EngineAway) as caught:
        find_engine(environ)
    return caught.value


@pytest.mark.parametrize(("answer", "product"), [(DOCKER, "Docker 28.1.0"), (PODMAN, "Podman 5.0.1")])
def test_an_engine_is_known_by_its_answer(short: Path, answer: dict[str, str], product: str) -> None:
    with engine_at(short / "any.sock", answer) as host:
        found = find_engine({"DOCKER_HOST": host})
        assert (found.host, found.product) == (host, product)


def test_an_address_that_is_given_is_the_only_one_asked(short: Path) -> None:
    with engine_at(short / "docker.sock", DOCKER):
        error = refused({"DOCKER_HOST": f"unix://{short}/none.sock", "XDG_RUNTIME_DIR": str(short)})
        assert f"no container engine answers: unix://{short}/none.sock: " in error.reason
        assert "docker.sock" not in error.reason


@pytest.mark.parametrize("place", ["docker.sock", "podman.sock", "podman/podman.sock"])
def test_the_user_s_own_sockets_are_looked_for(short: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (short / place).parent.mkdir(exist_ok=True)
    with engine_at(short / place, PODMAN) as host:
        mine = [found for found in _hosts({"XDG_RUNTIME_DIR": str(short), "HOME": "/nowhere"}) if str(short) in found]
        assert mine == [host]


def _hosts(environ: dict[str, str]) -> list[str]:
    from prism_testkit.servers import engines

    return list(engines._hosts(environ))


def test_one_that_does_not_answer_costs_a_short_deadline(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prism_testkit.servers.engines._ANSWER_S", 0.3)
    with engine_at(short / "any.sock", None) as host:
        error = refused({"DOCKER_HOST": host})
    assert f"no container engine answers: {host}: " in error.reason
    assert "read timeout=0.3" in error.reason


def test_a_docker_command_is_no_engine(short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client = short / "docker"
    client.write_text("#!/bin/sh\necho Server Version: 28.1\n")
    client.chmod(0o755)
    monkeypatch.setattr("prism_testkit.servers.engines._hosts", lambda environ: iter(()))
    error = refused({"PATH": str(short)})
    assert error.reason.startswith("there is no container engine: DOCKER_HOST is not set, and neither")
    assert error.remedy == "start one, or: export DOCKER_HOST=unix:///path/of/its/socket"


def test_an_address_that_cannot_be_one_is_no_crash() -> None:
    assert "nonsense" in refused({"DOCKER_HOST": "nonsense://x"}).reason


def test_without_the_extra_its_command_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    error = refused({})
    assert (error.reason, error.remedy) == (
        "testcontainers is not installed",
        "add it with: pip install 'prism-testkit[containers]'",
    )


# -- where a server is looked for ----------------------------------------------------------------------------------------------


def test_a_container_comes_last_and_only_where_an_engine_answers(short: Path) -> None:
    server = replace(VALKEY, binary="acmed", wheel="")
    with engine_at(short / "any.sock", PODMAN) as host:
        found = locate("acme", server, None, {"PATH": "", "DOCKER_HOST": host})
        assert (found.origin, found.binary, found.engine) == ("container", "valkey/valkey:9", host)
        assert found.detail == "valkey/valkey:9 on Podman 5.0.1"
        assert found.instead.startswith("install acmed, or: export PRISM_ACME_URL=")
        assert locate("valkey", VALKEY, None, {"PATH": "", "DOCKER_HOST": host}).origin == "wheel"
        assert locate("valkey", VALKEY, "container", {"PATH": "", "DOCKER_HOST": host}).origin == "container"
        with pytest.raises(ServerUnavailable, match="no acmed on PATH"):
            locate("acme", server, "native", {"PATH": "", "DOCKER_HOST": host})
    with pytest.raises(ServerUnavailable, match="no acmed on PATH"):
        locate("acme", server, None, {"PATH": "", "DOCKER_HOST": f"unix://{short}/none.sock"})


def test_without_an_engine_it_is_unavailable_in_words(short: Path) -> None:
    with pytest.raises(ServerUnavailable) as caught:
        locate("valkey", VALKEY, "container", {"DOCKER_HOST": f"unix://{short}/none.sock"})
    assert str(caught.value).startswith(f"valkey: no container engine answers: unix://{short}/none.sock: ")
    assert str(caught.value).endswith("; start it, or: export DOCKER_HOST=ADDRESS")


@pytest.mark.parametrize(("lacking", "change"), [("image", {"image": ""}), ("container_port", {"container_port": 0})])
def test_a_server_that_says_nothing_of_containers_runs_in_none(lacking: str, change: dict[str, object]) -> None:
    with pytest.raises(ServerUnavailable, match=f"names no {lacking}, so it runs in no container; take --prism-server=native"):
        locate("valkey", replace(VALKEY, **change), "container", {})  # type: ignore[arg-type]


# -- images --------------------------------------------------------------------------------------------------------------------


def image(option: list[str], ini: list[str], environ: dict[str, str]) -> str:
    server = with_images({"valkey": valkey}, option, ini, environ)["valkey"].server
    assert server is not None
    return server.image


def test_an_image_is_the_option_s_then_the_environment_s_then_the_ini_file_s_then_its_own() -> None:
    named = {"PRISM_VALKEY_IMAGE": "env"}
    assert image(["valkey=a/b:1"], ["valkey=ini"], named) == "a/b:1"
    assert image([], ["valkey=ini"], named) == "env"
    assert image([], ["valkey=ini"], {}) == "ini"
    assert image([], ["other=ini"], {}) == "valkey/valkey:9"


@pytest.mark.parametrize("text", ["valkey", "=x", "valkey="])
def test_an_image_that_is_no_pair_is_refused(text: str) -> None:
    with pytest.raises(SelectionError, match=f"--prism-image={text}: expected NAME=IMAGE"):
        image([text], [], {})


def test_an_image_for_nobody_is_refused_with_the_closest_name() -> None:
    with pytest.raises(SelectionError, match=r"--prism-image=valke=...: there is no server 'valke' \(did you mean 'valkey'\?\)"):
        image(["valke=x"], [], {})
    assert with_images({"valkey": valkey}, ["redis=x"], others=["redis"]) == {"valkey": valkey}


# -- records -------------------------------------------------------------------------------------------------------------------


def test_a_container_whose_engine_is_away_stays_on_record_and_is_named(tmp_path: Path, short: Path) -> None:
    away = f"unix://{short}/none.sock"
    gone = replace(this_process(), started="never")
    Record(
        "valkey", "killed", Path(), (1,), "f", (gone,), False, container="prism-killed-valkey-1", engine=away, address="127.0.0.1:1"
    ).write(tmp_path)
    (said,) = sweep(tmp_path)
    assert said.startswith(
        f"valkey of run killed: could not remove the container prism-killed-valkey-1: the engine at {away} cannot"
    )
    (record,) = records(tmp_path)
    assert (record.container, record.engine, record.address) == ("prism-killed-valkey-1", away, "127.0.0.1:1")
    assert not container_state(record.engine, record.container)
    assert Path().exists()


def test_a_record_of_a_version_without_containers_is_read(tmp_path: Path) -> None:
    record = Record("valkey", "run", Path("/x"), (1,), "f", (), False)
    record.write(tmp_path)
    path = record.path(tmp_path)
    lines = [
        line for line in path.read_text().splitlines() if not any(f'"{n}"' in line for n in ("container", "engine", "address"))
    ]
    path.write_text("\n".join(lines))
    assert records(tmp_path) == [record]


def test_a_start_without_an_engine_leaves_nothing(tmp_path: Path, short: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environ, "DOCKER_HOST", f"unix://{short}/none.sock")
    with pytest.raises(ServerUnavailable, match="no container engine answers"):
        run(start("valkey", VALKEY, prefer="container", state=tmp_path, run_id=RUN))
    assert records(tmp_path) == []


# -- how a port is reached -----------------------------------------------------------------------------------------------------


class Made:
    """What is asked of a started container."""

    def __init__(self, host: str, status: str = "running") -> None:
        self._host = host
        self.status = status

    def get_docker_client(self) -> "Made":
        return self

    def host(self) -> str:
        return self._host

    def reload(self) -> None:
        return

    def get_container_host_ip(self) -> str:
        return "172.17.0.1"


def test_a_port_is_reached_where_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("testcontainers.core.config.testcontainers_config.connection_mode_override", None)

    def at(made: Made, binding: str, port: int) -> str:
        return reached(made, binding, port, 6379)  # type: ignore[arg-type]

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert at(Made("localhost"), "127.0.0.1", port) == f"127.0.0.1:{port}"
        assert at(Made("engine.test"), "127.0.0.1", port) == ""
    free = 6380
    monkeypatch.setattr(containerports, "is_free", lambda port: port == free)  # nobody takes it meanwhile
    assert at(Made("localhost"), "127.0.0.1", free) == ""
    assert at(Made("localhost"), "0.0.0.0", free) == f"172.17.0.1:{free}"
    assert at(Made("engine.test"), "0.0.0.0", free) == f"172.17.0.1:{free}"
    assert at(Made("localhost", "exited"), "127.0.0.1", free) == f"127.0.0.1:{free}"
