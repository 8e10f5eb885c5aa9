"""What the families of mutants share: a decorator that declares a wrong class, a hook that registers them, a log file."""

import pickle
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol, TypeVar

from prism_testkit.backend import Backend
from prism_testkit.hookspecs import hookimpl
from prism_testkit.registry import Registry

from .declare import Mutant, words

__all__ = ["Declare", "Log", "Make", "declaring_family", "registering"]

T = TypeVar("T", bound=type)


class Make(Protocol):
    """Turns a wrong class into the backend of this name; ``settings`` are what its declaration said beyond words."""

    def __call__(self, name: str, wrong: type, /, **settings: Any) -> Backend[Any]: ...


class Declare(Protocol):
    """A decorator's first half: the promise without the family's prefix, ``also`` separated by blanks."""

    def __call__(self, promise: str, kind: str, trap: str = "", also: str = "", **settings: Any) -> Callable[[T], T]: ...


def declaring_family(into: list[Mutant], *, prefix: str, make: Make, home: str) -> Declare:
    """Return a decorator that appends what it is put on to ``into``, under the name of the class in snake case.

    ``prefix`` is what the family's promises begin with (``queue_``), ``home`` the module whose hook registers its backends.
    """

    def mutant(promise: str, kind: str, trap: str = "", also: str = "", **settings: Any) -> Callable[[T], T]:
        def declare(wrong: T) -> T:
            name = words(wrong.__name__)
            into.append(
                Mutant(
                    name=name,
                    promise=prefix + promise,
                    also=tuple(prefix + other for other in also.split()),
                    kind=kind,
                    trap=trap,
                    backends=(make(name.replace("_", "-"), wrong, **settings),),
                    home=home,
                )
            )
            return wrong

        return declare

    return mutant


def registering(mutants: Iterable[Mutant], unusual: Iterable[Backend[Any]]) -> Callable[[Registry], None]:
    """Return the hook ``prism_register_backends`` for a catalogue."""

    @hookimpl
    def prism_register_backends(registry: Registry) -> None:
        for mutant in mutants:
            for backend in mutant.backends:
                registry.add(backend)
        for backend in unusual:
            registry.add(backend)

    return prism_register_backends


_HEAD = struct.Struct("<II")


class Log:
    """A file of records, each handed to the operating system before `append` returns; a torn one at the end is cut off.

    Any number of processes may read, one writes. A record is length, CRC-32 and a pickle.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.position = 0

    def append(self, record: Any) -> None:
        """Write a record behind those that were read; it is not read again here."""
        data = pickle.dumps(record)
        with self.path.open("ab") as file:
            file.truncate(self.position)
            file.write(_HEAD.pack(len(data), zlib.crc32(data)) + data)
        self.position += _HEAD.size + len(data)

    def begun_anew(self) -> None:
        """Write the same again over what is there: whoever dies in between has lost it."""
        whole = self.path.read_bytes()
        self.path.write_bytes(b"")
        self.path.write_bytes(whole)

    def unread(self) -> Iterator[Any]:
        """Yield the records that were neither read nor written here."""
        if not self.path.exists() or self.path.stat().st_size <= self.position:
            return
        with self.path.open("rb") as file:
            file.seek(self.position)
            tail = file.read()
        at = 0
        while at + _HEAD.size <= len(tail):
            length, checksum = _HEAD.unpack_from(tail, at)
            data = tail[at + _HEAD.size : at + _HEAD.size + length]
            if len(data) < length or zlib.crc32(data) != checksum:
                return
            at += _HEAD.size + length
            self.position += _HEAD.size + length
            yield pickle.loads(data)
