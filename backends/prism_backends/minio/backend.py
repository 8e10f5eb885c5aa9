"""MinIO as a backend, over its own client library. Importing this is the first moment that is needed."""

from typing import ClassVar

import prism_testkit as prism
from prism_backends.minio.server import server
from prism_backends.s3 import S3Client, S3ObjectStorage, clean, connect
from prism_testkit.registry import Registry

__all__ = ["MinioObjectStorage", "S3Client", "minio", "prism_register_backends"]


class MinioObjectStorage(S3ObjectStorage):
    """`S3ObjectStorage`, under the name of the server it is on."""

    backend_name: ClassVar[str] = "minio"


minio = prism.Backend(
    name="minio",
    connect=connect,
    drivers=[MinioObjectStorage],
    clean=clean,
    traits=MinioObjectStorage.traits,
    limits=MinioObjectStorage.limits,
    server=server,
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(minio)
