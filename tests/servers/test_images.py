"""Images that are made here: what they hold, when they are made anew, and that what suits the official one suits ours."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from container_cases import contained, engine, why_no_engine
from server_cases import RUN, run

from prism_backends.postgres.client import opened
from prism_testkit.servers import ServerUnavailable, start
from prism_testkit.servers.engines import ask
from tests.images.build import build, images
from tests.images.kinds import KINDS
from tests.images.root import BIN, Root

containers = pytest.mark.skipif(bool(why_no_engine()), reason=why_no_engine())
linked = pytest.mark.skipif(shutil.which("ldd") is None, reason="ldd is not here, with which images are made")


def packed(root: Root) -> dict[str, tarfile.TarInfo]:
    target = io.BytesIO()
    root.pack(target)
    target.seek(0)
    with tarfile.open(fileobj=target) as tar:
        return {f"/{info.name}": info for info in tar}


# -- what an image holds -------------------------------------------------------------------------------------------------------


@linked
def test_a_program_comes_with_its_libraries_in_their_places_and_is_found() -> None:
    root = Root()
    root.program(Path("/bin/sh"))
    found = packed(root)
    real = str(Path("/bin/sh").resolve())
    assert found[real].isfile()
    assert found[f"{BIN}/sh"].linkname == real
    assert found["/tmp"].mode == 0o1777
    libraries = [name for name in found if ".so" in name]
    assert any("libc" in name for name in libraries), libraries
    assert all(Path(name).stat().st_size == found[name].size for name in libraries)


@linked
def test_what_is_linked_to_nothing_needs_nothing_and_what_is_not_here_is_left_out(tmp_path: Path) -> None:
    script = tmp_path / "static"
    script.write_text("no program")
    root = Root()
    root.libraries([script, tmp_path / "absent"])
    assert set(packed(root)) <= {"/tmp", "/etc/ld.so.cache"}


def test_without_a_linker_that_tells_it_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OSError, match="ldd is not here, which tells the libraries of a program"):
        Root().libraries([Path("/bin/sh")])


def test_a_tree_keeps_its_links_its_times_and_what_may_be_run(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    tool, text = tmp_path / "bin/tool", tmp_path / "text"
    tool.write_text("x")
    tool.chmod(0o711)
    text.write_text("text")
    os.utime(text, (1_000_000, 1_000_000))
    (tmp_path / "link").symlink_to("bin/tool")
    (tmp_path / "left-out").touch()
    root = Root()
    root.tree(tmp_path, lambda path: path.name == "left-out")
    root.folder("/data", 0o700, 999)
    found = packed(root)
    assert (found[str(text)].mtime, found[str(text)].size) == (1_000_000, 4)
    assert found[str(tool)].mode & 0o555 == 0o555
    assert found[str(tmp_path / "link")].linkname == "bin/tool"
    assert (found["/data"].mode, found["/data"].uid, found["/data"].isdir()) == (0o700, 999, True)
    assert not [name for name in found if "left-out" in name]


def test_another_content_is_another_image(tmp_path: Path) -> None:
    file = tmp_path / "file"

    def digest(text: str, *changes: str) -> str:
        file.write_text(text)
        os.utime(file, (1, 1))
        root = Root()
        root.file(file)
        root.text("/entry", "words")
        return root.digest(*changes)

    assert digest("a") == digest("b")  # as long, and of the same time: files are not read for it
    assert len({digest("a"), digest("longer"), digest("a", "ENTRYPOINT x"), digest("a", "ENTRYPOINT", "x")}) == 4


# -- which there are -----------------------------------------------------------------------------------------------------------


def test_there_is_one_for_every_image_that_a_backend_names() -> None:
    found = {image.name: set(image.servers) for image in images()}
    assert {name.partition("@")[0] for name in found} <= set(KINDS)
    assert found.get("valkey", {"valkey"}) >= {"valkey"}
    if "nats" in found:
        assert found["nats"] == {"jetstream", "nats"}
    tags = [image.tag for image in images()]
    assert len(set(tags)) == len(tags)
    assert "localhost/prism-testkit-valkey:latest" in tags


def told(*words: str, **environ: str) -> "subprocess.CompletedProcess[str]":
    argv = [sys.executable, "-m", "tests.images", *words]
    return subprocess.run(argv, env={**os.environ, **environ}, capture_output=True, text=True, check=False)


def test_a_name_that_is_no_server_s_is_refused_with_the_closest() -> None:
    done = told("valke")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no server 'valke' (did you mean 'valkey'?) that runs in a container" in done.stderr


def test_without_an_engine_it_says_so(tmp_path: Path) -> None:
    done = told("valkey", DOCKER_HOST=f"unix://{tmp_path}/none.sock")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"no images: no container engine answers: unix://{tmp_path}/none.sock: ")


@containers
def test_what_it_prints_are_the_arguments_of_a_run() -> None:
    contained()
    done = told("valkey")
    assert done.returncode == 0, done.stderr
    words = done.stdout.split()
    assert "--prism-image=valkey=localhost/prism-testkit-valkey:latest" in words
    assert all(word.startswith("--prism-image=valkey") for word in words)
    assert "there already, of" in done.stderr


@containers
def test_what_is_not_here_cannot_be_built_and_says_why(tmp_path: Path) -> None:
    kafka = next((image for image in images() if image.name == "kafka"), None)
    if kafka is None:
        pytest.skip("the client library of Kafka is not installed")
    done = told("kafka", "valkey", PRISM_CACHE=str(tmp_path))
    assert done.returncode == 1
    assert "kafka        cannot be built: kafka: PRISM_KAFKA_URL is not set, and none is in the cache; " in done.stderr
    assert "--prism-image=valkey=" in done.stdout
    assert "kafka" not in done.stdout


@containers
def test_it_is_made_once_and_anew_when_what_it_is_made_of_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    contained()
    image = next(image for image in images() if image.name == "valkey")
    assert build(image, engine())[1] is False
    other = replace(image, servers={"valkey-trial": image.servers["valkey"]})
    kind = KINDS["valkey"]
    monkeypatch.setitem(KINDS, "valkey-trial", kind)  # type: ignore[misc]
    try:
        assert build(other, engine())[1] is True
        assert build(other, engine())[1] is False
        with ask(engine()) as client:
            before = client.images.get(other.tag).id
        monkeypatch.setitem(KINDS, "valkey-trial", lambda binary: (kind(binary)[0], ['ENTRYPOINT ["/none"]']))  # type: ignore[misc]
        assert build(other, engine())[1] is True
        with ask(engine()) as client:
            assert client.images.get(other.tag).attrs["Config"]["Entrypoint"] == ["/none"]
            assert before not in {each.id for each in client.images.list(all=True)}
    finally:
        with ask(engine()) as client:
            client.images.remove(other.tag)


# -- the entry points ----------------------------------------------------------------------------------------------------------


@containers
@pytest.mark.parametrize("name", ["postgres", "postgres@15"])
def test_postgres_takes_its_environment_as_the_official_image_does(tmp_path: Path, name: str) -> None:
    server = contained(name)
    given = {**server.container_env, "POSTGRES_HOST_AUTH_METHOD": "", "POSTGRES_DB": "other"}

    async def main() -> None:
        without = replace(server, container_env=given)
        with pytest.raises(ServerUnavailable, match="superuser password is not specified"):
            await start("postgres", without, prefer="container", state=tmp_path, run_id=RUN)
        closed = replace(
            server,
            url="postgresql://prism:word@127.0.0.1:{port}/other?sslmode=disable",
            container_env={**given, "POSTGRES_PASSWORD": "word"},
        )
        running = await start("postgres", closed, prefer="container", state=tmp_path, run_id=RUN)
        try:
            assert running.version[:2].isdecimal()
            async with opened(running.url) as connection:
                await connection.execute("SET TIME ZONE 'UTC'")  # of the one of a distribution the zones lie elsewhere
            await running.kill()
            await running.restart()
            with pytest.raises(Exception, match="password authentication failed"):
                await server.ready(running.url.replace(":word@", ":other@"))
        finally:
            await running.stop()

    run(main())


@containers
def test_kafka_is_reached_at_the_port_that_it_advertises_and_reaches_itself(tmp_path: Path) -> None:
    """Clients of other makers connect to where the broker says that it is; in a transaction it asks itself."""
    server = contained("kafka")
    aiokafka, admins = pytest.importorskip("aiokafka"), pytest.importorskip("aiokafka.admin")

    async def main() -> None:
        running = await start("kafka", server, prefer="container", state=tmp_path, run_id=RUN, deadline_s=150)
        try:
            address = running.url.removeprefix("kafka://")
            admin = admins.AIOKafkaAdminClient(bootstrap_servers=address)
            try:
                await admin.start()
                await admin.create_topics([admins.NewTopic("trial", 1, 1)])
                (broker,) = (await admin.describe_cluster())["brokers"]
            finally:
                await admin.close()
            assert f"{broker['host']}:{broker['port']}" == address
            producer = aiokafka.AIOKafkaProducer(bootstrap_servers=address, transactional_id="trial")
            async with producer, producer.transaction():
                assert (await producer.send_and_wait("trial", b"x")).offset == 0
        finally:
            await running.stop()

    run(main())
