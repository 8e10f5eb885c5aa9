"""Object storage in plain files: durable, and there wherever a POSIX file system is (rename, link and flock must be its own)."""

import prism_testkit as prism
from prism_backends.filesystem.client import FilesystemClient, clean, connect
from prism_backends.filesystem.objects import FilesystemObjectStorage
from prism_testkit.registry import Registry

__all__ = ["FilesystemClient", "FilesystemObjectStorage", "filesystem", "prism_register_backends"]

filesystem = prism.Backend(
    name="filesystem",
    connect=connect,
    drivers=[FilesystemObjectStorage],
    clean=clean,
    traits=prism.Traits(durability="power", sharing="processes"),
)


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(filesystem)
