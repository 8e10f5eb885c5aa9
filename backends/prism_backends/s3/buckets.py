"""Buckets, each a small object that says whether it is open, and under which generation its objects are kept.

A bucket of S3 itself can be removed only object by object, so that who is killed over it leaves a half of it; and to look whether
it is empty says nothing of the next moment. Here a bucket is made, closed and removed by one write, a compare-and-swap:

* ``open``: its objects are what is kept under its generation, a part of their keys.
* ``closing``: somebody is looking whether it is empty. Who has written an object looks at the bucket afterwards, and opens it
  again: so either the object was found, or the bucket is not removed. Nobody waits, and who is killed over it holds up nobody.
* ``gone``: nothing under its generation counts any more. Made again, it has another one, and is empty at once.

Whatever is done under a generation counts only if the bucket still has it afterwards. All of it blocks.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeVar

from prism_backends.objects import Target
from prism_backends.s3.cells import ABSENT, Cells, unchanged
from prism_backends.s3.names import path_of
from prism_backends.s3.wire import Refused
from prism_testkit.interfaces.errors import ConfigError, Conflict, CorruptPayload

__all__ = ["Buckets"]

T = TypeVar("T")
_Kind = Literal["open", "closing", "gone"]


@dataclass(frozen=True, slots=True)
class _State:
    """What is written of a bucket, and the ETag of that."""

    generation: str
    kind: _Kind
    etag: str


class Buckets:
    """Those of one namespace."""

    def __init__(self, cells: Cells, prefix: str) -> None:
        self._cells, self._prefix = cells, prefix
        self._known: dict[bytes, _State] = {}
        """What was last seen; asked for on condition that it changed."""

    def below(self, generation: str) -> str:
        """Return with what the keys of a generation's objects begin."""
        return f"{self._prefix}o/{generation}/"

    def exists(self, target: Target) -> bool:
        state = self._look(target)
        return state is not None and state.kind != "gone"

    def has(self, target: Target, generation: str) -> bool:
        """Return whether a bucket is there under this generation."""
        state = self._look(target)
        return state is not None and state.generation == generation and state.kind != "gone"

    def generation(self, target: Target) -> str:
        """Return the generation of a bucket, as far as is known: what is done under it is to be `confirmed`."""
        known = self._known.get(target.bucket_bytes)
        state = self._look(target) if known is None or known.kind == "gone" else known
        if state is None or state.kind == "gone":
            raise target.no_bucket()
        return state.generation

    def looked(self, target: Target, work: Callable[[str], T]) -> T:
        """Return what ``work`` sees under a generation that the bucket has afterwards too."""
        while True:
            generation = self.generation(target)
            seen = work(generation)
            if self.has(target, generation):
                return seen

    def confirmed(self, target: Target, generation: str) -> bool:
        """Return whether what was just written under a generation counts; a bucket that is closing is opened again."""
        while True:
            state = self._look(target)
            if state is None or state.generation != generation or state.kind == "gone":
                return False
            if state.kind == "open" or self._write(target, state, "open") is not None:
                return True

    def create(self, target: Target) -> bool:
        """Make a bucket; False if there is one."""
        while True:
            state = self._look(target)
            if state is not None and state.kind != "gone":
                return False
            if self._write(target, state, "open", secrets.token_hex(8)) is not None:
                return True

    def remove(self, target: Target, force: bool, is_empty: Callable[[str], bool]) -> bool:
        """Remove a bucket; False if there is none, `Conflict` if it is not empty and there is no ``force``."""
        while True:
            state = self._look(target)
            if state is None or state.kind == "gone":
                return False
            if not force:
                closing = state if state.kind == "closing" else self._write(target, state, "closing")
                if closing is None:
                    continue
                if not is_empty(closing.generation):
                    self._write(target, closing, "open")
                    raise Conflict(f"{target.backend}: {target}: the bucket is not empty; force=True removes what is in it")
                state = closing
            if self._write(target, state, "gone") is not None:
                self._cells.delete_below(self.below(state.generation))
                return True

    def check_conditions(self, target: Target) -> None:
        """Raise `ConfigError` if the server takes writes whose condition does not hold: then nothing here can be kept."""
        key = self._key(target)
        for condition in (ABSENT, unchanged('"0"')):
            state = self._look(target)
            if state is not None and self._cells.swap(key, _body(state.generation, state.kind), condition) is not None:
                (name,) = condition
                raise ConfigError(f"{target.backend}: the server ignores {name} on PUT; no object storage can be built on that")

    def _look(self, target: Target) -> _State | None:
        """Return what is written of a bucket now; None if nothing is."""
        known = self._known.get(target.bucket_bytes)
        try:
            found = self._cells.get(self._key(target), None if known is None else {"If-None-Match": known.etag})
        except Refused as error:
            if error.status == 304:
                return known
            raise
        if found is None:
            self._known.pop(target.bucket_bytes, None)
            return None
        state = _read(found[0], found[1].get("etag", ""), target)
        self._known[target.bucket_bytes] = state
        return state

    def _write(self, target: Target, state: _State | None, kind: _Kind, generation: str = "") -> _State | None:
        """Replace what is written of a bucket; None if somebody else did."""
        generation = generation or (state.generation if state is not None else "")
        condition = ABSENT if state is None else unchanged(state.etag)
        etag = self._cells.swap(self._key(target), _body(generation, kind), condition)
        if etag is None:
            return None
        self._known[target.bucket_bytes] = made = _State(generation, kind, etag)
        return made

    def _key(self, target: Target) -> str:
        return f"{self._prefix}b/{path_of(target.bucket_bytes)}"


def _body(generation: str, kind: _Kind) -> bytes:
    return f"{generation} {kind} {secrets.token_hex(8)}".encode()


def _read(data: bytes, etag: str, target: Target) -> _State:
    match data.decode("ascii", "replace").split(" "):
        case [generation, "open" | "closing" | "gone" as kind, _]:
            return _State(generation, kind, etag)
    raise CorruptPayload(f"{target.backend}: {target}: what is written of the bucket is none of this driver's")
