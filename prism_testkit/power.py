"""What a loss of power leaves of files: what was synced, and of all else whatever the system had written by then.

SIGKILL leaves what the operating system holds; a loss of power, what the disk holds. By POSIX, and by fsync(2) of Linux, that is of
a file what stood in it when it was synced last, and of a directory the names that stood in it when that was synced last; of all
that came later any part may be there. Of the many such states three are made, which are those that stores are known to have missed
(Pillai et al., All File Systems Are Not Created Equal, OSDI 2014; Mohan et al., Finding Crash-Consistency Bugs with Bounded
Black-Box Crash Testing, OSDI 2018): nothing later is there; all names are and no contents; all contents and no names.

Calls of fsync, fdatasync and sync are seen where Python makes them. What a library writes itself (SQLite, LMDB) it may sync itself,
which nobody here can see: then nothing can be shown, and ``unseen`` says who it was.
"""

import fcntl
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Self

from prism_testkit.fuse import profile_again, writes

__all__ = ["Disk", "Remains"]

_LOSSES = (
    ("nothing is there that was not synced", False, False),
    ("all names are there, and of each file what was synced", True, False),
    ("all contents are there, under the names that were synced", False, True),
)
_MOST = 200
"""States of one call that are kept."""
_SYNCS = ("fsync", "fdatasync", "sync")
_CHANGES = frozenset(("open", "mkdir", "rmdir", "symlink", "pwritev", "sendfile", "copy_file_range", "splice", "posix_fallocate"))
_LIBRARIES = frozenset(("sqlite3", "_sqlite3", "dbm", "_dbm", "_gdbm"))
"""Of the standard library's, those that write files themselves."""

_Content = tuple[bytes, int, int, tuple[tuple[str, bytes], ...]]
"""Bytes, mode, time of change, extended attributes."""
_NOTHING: _Content = (b"", 0o644, 0, ())


@dataclass(eq=False, slots=True)
class _File:
    now: _Content
    synced: _Content = _NOTHING

    def sync(self) -> None:
        self.synced = self.now


@dataclass(eq=False, slots=True)
class _Link:
    """A symbolic link, which is its name."""

    to: str

    def sync(self) -> None:
        pass


@dataclass(eq=False, slots=True)
class _Folder:
    now: "dict[str, _Node]" = field(default_factory=dict)
    synced: "dict[str, _Node]" = field(default_factory=dict)

    def sync(self) -> None:
        self.synced = dict(self.now)


_Node = _File | _Folder | _Link


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left: files by their paths below the place, folders as None; one file of two names stands in ``twins``."""

    how: str
    files: dict[str, _Content | str | None]
    twins: dict[str, str]

    def write(self, to: Path) -> None:
        """Make the files in an empty directory."""
        for name, content in self.files.items():
            path = to / name
            if content is None:
                path.mkdir()
            elif isinstance(content, str):
                path.symlink_to(content)
            else:
                data, mode, instant_ns, attributes = content
                path.write_bytes(data)
                for key, value in attributes:
                    os.setxattr(path, key, value)
                path.chmod(mode)
                os.utime(path, ns=(instant_ns, instant_ns))
        for name, twin in self.twins.items():
            (to / name).hardlink_to(to / twin)

    @property
    def known_by(self) -> tuple[object, ...]:
        """What tells these remains from others."""
        kept = ((name, c if c is None or isinstance(c, str) else (c[0], c[3])) for name, c in sorted(self.files.items()))
        return (*kept, *sorted(self.twins.items()))


class Disk:
    """Follows, while it is entered, which files below ``root`` reach the disk; what is there at the beginning has.

    Seen are calls of the thread that enters it; what others write is found at the next look, and what they sync is seen.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._top = _Folder()
        self._nodes: dict[int, _Node] = {}
        self._lock = threading.RLock()
        self._syncs: dict[str, Callable[..., Any]] = {name: getattr(os, name) for name in _SYNCS if hasattr(os, name)}
        self._ours: dict[str, Callable[..., Any]] = {}
        self._before: Any = None
        self._recorded: list[Remains] | None = None
        self._known: set[tuple[object, ...]] = set()
        self._only_names = False
        self._names: tuple[str, ...] = ()
        self.unseen = ""
        """A function that is not Python's by which files were changed."""

    def __enter__(self) -> Self:
        self._look()
        for node in self._nodes.values():
            node.sync()
        self._ours = {name: self._wrapped(name, original) for name, original in self._syncs.items()}
        _replace([(original, self._ours[name]) for name, original in self._syncs.items()])
        self._before = sys.getprofile()
        sys.setprofile(self._seen)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        profile_again(self._before)
        _replace([(ours, self._syncs[name]) for name, ours in self._ours.items()])

    @contextmanager
    def recording(self, *, only_names: bool = False) -> Iterator[list[Remains]]:
        """Collect what a loss of power leaves behind each change; with ``only_names``, behind those that make or remove names."""
        self._recorded, self._known, self._only_names = [], set(), only_names
        try:
            yield self._recorded
            self._look()
        finally:
            self._recorded = None

    def losses(self) -> list[Remains]:
        """Return what a loss of power may leave now, each state once."""
        self._look()
        found = (self._remains(*kind) for kind in _LOSSES)
        return list({remains.known_by: remains for remains in found}.values())

    def everything(self) -> Remains:
        """Return what SIGKILL leaves now."""
        self._look()
        return self._remains("all is there", True, True)

    def _wrapped(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def sync(*arguments: Any, **named: Any) -> Any:
            with self._lock:
                self._look()
                result = original(*arguments, **named)
                if name == "sync":
                    self._all_synced()
                else:
                    of = [*arguments, *named.values()][0]
                    of = of if isinstance(of, int) else of.fileno()
                    node = self._nodes.get(os.fstat(of).st_ino)
                    if node is not None:
                        node.sync()
                self._record()
                return result

        sync.__name__ = name
        return sync

    def _all_synced(self) -> None:
        for node in self._nodes.values():
            node.sync()

    def _seen(self, frame: FrameType, event: str, what: Any) -> None:
        if event != "c_return" or frame.f_code.co_filename == __file__:
            return
        if writes(what) or what.__name__ in _CHANGES:
            of = getattr(what, "__self__", None)
            self._look(_library(what))
            if what.__name__ in _SYNCS and what in self._syncs.values():
                self._all_synced()  # by a name of it that was not found; of which file is not known
            elif what.__name__ == "flush" and type(of).__module__ == "mmap":
                self._all_synced()
        elif library := _library(what):
            self._look(library)

    def _look(self, library: str = "") -> None:
        """Find what has changed; what a library has changed counts as synced, for it may be."""
        with self._lock:
            changed = self._walk()
            if not changed:
                return
            if library:
                self.unseen = self.unseen or library
                self._all_synced()
            elif any(isinstance(node, _File) for node in changed):
                through = _written_through()
                for inode, node in self._nodes.items():
                    if inode in through and node in changed:
                        node.sync()
            self._record()

    def _walk(self) -> list[_Node]:
        there: dict[int, _Node] = {}
        changed: list[_Node] = []
        self._take(self._root, there, changed)
        self._nodes = there
        top = there.get(self._root.stat().st_ino)
        self._top = top if isinstance(top, _Folder) else self._top
        return changed

    def _take(self, path: Path, there: dict[int, _Node], changed: list[_Node]) -> _Node | None:
        try:
            status = path.lstat()
            inode, known = status.st_ino, self._nodes.get(status.st_ino)
            if inode in there:
                return there[inode]
            node: _Node
            if path.is_symlink():
                to = os.readlink(path)  # noqa: PTH115  as it stands there
                node = known if isinstance(known, _Link) and known.to == to else _Link(to)
            elif path.is_dir():
                node = known if isinstance(known, _Folder) else _Folder()
                there[inode] = node
                names = sorted(os.listdir(path))  # noqa: PTH208  names are wanted
                found = {name: below for name in names if (below := self._take(path / name, there, changed)) is not None}
                if found != node.now:
                    node.now = found
                    changed.append(node)
            elif path.is_file():
                content = _content(path)
                node = known if isinstance(known, _File) else _File(_NOTHING)
                if node is not known or (content[0], content[3]) != (node.now[0], node.now[3]):
                    changed.append(node)
                node.now = content
            else:
                return None
        except FileNotFoundError:
            return None  # somebody in another thread removes it
        there[inode] = node
        return node

    def _record(self) -> None:
        if self._recorded is None or len(self._recorded) >= _MOST:
            return
        if self._only_names:
            everything = self._remains("", True, True)
            names = (*everything.files, *everything.twins)
            if names == self._names:
                return
            self._names = names
        for remains in (self._remains(*kind) for kind in _LOSSES):
            if (known_by := remains.known_by) not in self._known:
                self._known.add(known_by)
                self._recorded.append(remains)

    def _remains(self, how: str, names: bool, contents: bool) -> Remains:
        remains, first = Remains(how, {}, {}), dict[int, str]()

        def put(folder: _Folder, below: str) -> None:
            for name, node in sorted((folder.now if names else folder.synced).items()):
                path = below + name
                if isinstance(node, _Folder):
                    remains.files[path] = None
                    put(node, f"{path}/")
                elif isinstance(node, _Link):
                    remains.files[path] = node.to
                elif id(node) in first:
                    remains.twins[path] = first[id(node)]
                else:
                    first[id(node)] = path
                    remains.files[path] = node.now if contents else node.synced

        put(self._top, "")
        return remains


def _content(path: Path) -> _Content:
    status = path.stat()
    attributes = tuple((name, os.getxattr(path, name)) for name in os.listxattr(path)) if hasattr(os, "listxattr") else ()
    return path.read_bytes(), status.st_mode & 0o7777, status.st_mtime_ns, attributes


def _library(what: Any) -> str:
    """Return the name of a C function that is of a library and may write files itself, else nothing."""
    of = getattr(what, "__self__", None)
    module = getattr(what, "__module__", None) or (getattr(of, "__name__", "") if of is not None else "")
    module = module or (type(of).__module__ if of is not None else "")
    root = str(module).partition(".")[0]
    if not root or root == "builtins" or (root in sys.stdlib_module_names and root not in _LIBRARIES):
        return ""
    return f"{module}.{what.__name__}"


def _written_through() -> set[int]:
    """Return the inodes of files that are open with O_SYNC or O_DSYNC: what is written there is on the disk."""
    found = set()
    for folder in ("/proc/self/fd", "/dev/fd"):
        try:
            descriptors = [int(name) for name in os.listdir(folder)]  # noqa: PTH208  numbers are wanted
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_DSYNC:
                    found.add(os.fstat(descriptor).st_ino)
            except OSError:
                continue  # that of the listing itself
        break
    return found


def _replace(pairs: list[tuple[Callable[..., Any], Callable[..., Any]]]) -> None:
    """Put functions into the place of others, in every module that has them by a name of its own."""
    by = {id(old): new for old, new in pairs}
    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "") != __name__:
            for name, value in list(getattr(module, "__dict__", {}).items()):
                if (new := by.get(id(value))) is not None:
                    setattr(module, name, new)
