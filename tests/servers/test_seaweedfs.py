"""A SeaweedFS of ours: where it listens, what is told when something else answers, and the real one where its wheel is."""

from pathlib import Path

import pytest
from server_cases import RUN, run
from test_minio import answering

from prism_backends.seaweedfs import server
from prism_testkit.interfaces import errors
from prism_testkit.servers import ServerUnavailable, locate, start


def test_every_part_of_it_listens_where_it_is_told() -> None:
    assert server.command is not None
    told = server.command("weed", Path("place"), 4000)
    ports = [option.partition("=")[2] for option in told if ".port" in option and not option.endswith("=0")]
    assert ports == ["4000", *(f"{{port{number}}}" for number in range(2, server.ports + 1))]
    assert {"-ip=127.0.0.1", "-ip.bind=127.0.0.1", "-dir=place", "-master.telemetry=false"} < set(told)


def test_it_is_ready_when_it_says_so() -> None:
    xml = "Content-Type: application/xml\r\n"
    answering(f"HTTP/1.1 200 OK\r\n{xml}Content-Length: 19\r\n\r\n<ListBucketResult/>")(server.ready)
    for status in ("500 Internal Server Error", "503 Service Unavailable"):
        with pytest.raises(errors.BackendUnavailable, match="seaweedfs: ready: "):
            answering(f"HTTP/1.1 {status}\r\n{xml}Content-Length: 0\r\n\r\n")(server.ready)


def test_it_tells_its_version_and_another_server_is_told() -> None:
    assert server.version is not None
    assert answering("HTTP/1.1 403 Forbidden\r\nServer: SeaweedFS 8000GB 4.48\r\n\r\n")(server.version) == "4.48"
    with pytest.raises(errors.ConfigError, match="it is not SeaweedFS: it says that it is MinIO"):
        answering("HTTP/1.1 403 Forbidden\r\nServer: MinIO\r\n\r\n")(server.version)


def there() -> str:
    """Return why there is no SeaweedFS here; empty if there is."""
    try:
        locate("seaweedfs", server, "native")
    except ServerUnavailable as error:
        return str(error)
    return ""


@pytest.mark.skipif(bool(there()), reason=there())
def test_a_real_one_starts_is_killed_and_comes_back(tmp_path: Path) -> None:
    async def main() -> None:
        running = await start("seaweedfs", server, prefer="native", state=tmp_path, run_id=RUN, deadline_s=150)
        try:
            assert int(running.version.partition(".")[0]) >= 4
            await running.kill()
            with pytest.raises(errors.BackendUnavailable, match="Connection refused"):
                await server.ready(running.url)
            await running.restart()
            await server.ready(running.url)
        finally:
            await running.stop()

    run(main())
