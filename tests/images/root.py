"""The files of an image: those of this machine, in the same places, with the libraries that its linker tells, and a few of ours."""

import hashlib
import io
import os
import stat
import subprocess
import tarfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

__all__ = ["BIN", "Root"]

BIN = "/usr/local/bin"
"""Where every program of an image is found too, wherever it lies."""
_CACHE = "/etc/ld.so.cache"
"""By which the loader finds libraries that are in no usual place."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One name in an image: a file of this machine, or text of ours, or what a link points to, or none of these: a folder."""

    mode: int
    owner: int = 0
    source: Path | None = None
    text: bytes | None = None
    target: str = ""

    def identity(self) -> tuple[object, ...]:
        """Return what tells it from another, without reading a file."""
        found = self.source.stat() if self.source is not None else None
        return (self.mode, self.owner, self.text, self.target, found and (found.st_size, found.st_mtime_ns))


class Root:
    """What an image holds, by absolute names."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self.folder("/tmp", 0o1777)

    def folder(self, name: str, mode: int = 0o755, owner: int = 0) -> None:
        """Make an empty folder; those above it come by themselves."""
        self._entries[name] = _Entry(mode, owner)

    def text(self, name: str, text: str, mode: int = 0o644) -> None:
        self._entries[name] = _Entry(mode, text=text.encode())

    def file(self, path: Path) -> None:
        """Take a file of this machine; of a link, what it points to, under the link's name."""
        self._entries[os.path.normpath(path)] = _Entry(stat.S_IMODE(path.stat().st_mode) | 0o444, source=path)

    def tree(self, folder: Path, leave_out: Callable[[Path], bool] = lambda path: False) -> None:
        """Take a folder of this machine with all that is in it; links stay links."""
        for path in sorted(folder.rglob("*")):
            if leave_out(path):
                continue
            if path.is_symlink():
                self._entries[str(path)] = _Entry(0o777, target=str(path.readlink()))
            elif path.is_file():
                self.file(path)

    def program(self, path: Path) -> None:
        """Take a program with its libraries; it is found in `BIN`, too."""
        real = path.resolve()
        self.file(real)
        self.libraries([real])
        link = f"{BIN}/{path.name}"
        if link != str(real):
            self._entries[link] = _Entry(0o777, target=str(real))

    def libraries(self, of: Iterable[Path]) -> None:
        """Take what programs and libraries need of others. Raise ``OSError`` where nobody tells."""
        if Path(_CACHE).is_file():
            self.file(Path(_CACHE))
        for name in _needed([str(path) for path in of]):
            self.file(Path(name))

    def digest(self, *more: str) -> str:
        """Return what tells it, and what else an image is made of, from others."""
        found = hashlib.sha256(repr(more).encode())
        for name, entry in sorted(self._entries.items()):
            found.update(repr((name, entry.identity())).encode())
        return found.hexdigest()[:16]

    def pack(self, into: IO[bytes]) -> None:
        """Write it as a tar archive. Times are kept: a start-up cache of Java fits no other."""
        with tarfile.open(fileobj=into, mode="w") as tar:
            for name, entry in sorted(self._entries.items()):
                info = tarfile.TarInfo(name.lstrip("/"))
                info.mode, info.uid, info.gid = entry.mode, entry.owner, entry.owner
                if entry.source is not None:
                    info.size, info.mtime = entry.source.stat().st_size, int(entry.source.stat().st_mtime)
                    with entry.source.open("rb") as content:
                        tar.addfile(info, content)
                elif entry.text is not None:
                    info.size = len(entry.text)
                    tar.addfile(info, io.BytesIO(entry.text))
                else:
                    info.type, info.linkname = (tarfile.SYMTYPE, entry.target) if entry.target else (tarfile.DIRTYPE, "")
                    tar.addfile(info)


def _needed(paths: list[str]) -> Iterator[str]:
    """Yield the libraries that the loader would load; of a static program there are none, and one that is not here is left out."""
    try:
        told = subprocess.run(["ldd", *paths], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise OSError("ldd is not here, which tells the libraries of a program") from error
    for line in told.stdout.splitlines():
        if line.startswith(("\t", " ")):  # others name the file that is asked about
            yield from (word for word in line.split() if word.startswith("/"))
