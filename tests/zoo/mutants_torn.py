"""Wrong drivers over a folder that leave something half done when their process dies in the middle of a call."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cabinet import Cabinet, Sheet

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)
BEHIND = "the process dies behind each write of each call"


@mutant("basic.12", "torn write", trap=BEHIND, also="batch.6 cas.3")
class FilesAreWrittenInPlace(Cabinet):
    """A file is emptied, and written again."""

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        head = json.dumps(asdict(Sheet(key, self.fresh_stamp(), due_ms, given_s))).encode()
        file = os.open(self.path(key), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.write(file, head + b"\n")
        os.write(file, value)
        os.close(file)


@mutant("basic.12", "torn write", trap=BEHIND)
class FilesAreWrittenOver(Cabinet):
    """A file is written in one go, but empty for a moment before that."""

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        head = json.dumps(asdict(Sheet(key, self.fresh_stamp(), due_ms, given_s))).encode()
        self.path(key).write_bytes(head + b"\n" + value)


@mutant("basic.12", "order of steps", trap=BEHIND)
class TheOldIsRemovedFirst(Cabinet):
    """The old file is removed, as a rename would not replace it elsewhere, before the new one has its name."""

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        path = self.path(key)
        draft = path.with_name("draft")
        draft.write_bytes(json.dumps(asdict(Sheet(key, self.fresh_stamp(), due_ms, given_s))).encode() + b"\n" + value)
        path.unlink(missing_ok=True)
        draft.rename(path)


@mutant("transactional.1", "missing step", trap=BEHIND)
class CommitsAreNotNoted(Cabinet):
    """The changes of a commit are made one by one, without a note of the others."""

    def perform(self, changes: Mapping[str, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self.remove(key)
            else:
                self.put(key, value)


@mutant("transactional.1", "order of steps", trap=BEHIND)
class TheNoteGoesFirst(Cabinet):
    """The note of a commit is removed when it is read, not when it is done."""

    def finish(self) -> None:
        changes = json.loads(self.note.read_text())
        self.note.unlink()
        for key, value in changes.items():
            if value is None:
                self.path(key).unlink(missing_ok=True)
            else:
                self.put(key, bytes.fromhex(value))


@mutant("basic.12", "torn write", trap=BEHIND, also="transactional.1")
class NotesAreWrittenInPlace(Cabinet):
    """The note of a commit has its name before it is whole: nobody who comes later can read it."""

    def perform(self, changes: Mapping[str, bytes | None]) -> None:
        self.note.write_text(json.dumps({key: None if value is None else value.hex() for key, value in changes.items()}))
        self.finish()


@mutant("basic.12", "order of steps", trap=BEHIND)
class DeadlinesAreWrittenBehind(Cabinet):
    """A value is written without its deadline first, then with it."""

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        if due_ms is not None:
            super().put(key, value)
        super().put(key, value, due_ms, given_s)


@mutant("basic.12", "leftover", trap=BEHIND)
class DraftsAreAppendedTo(Cabinet):
    """What a killed process left of a draft is in front of the next one."""

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        path = self.path(key)
        draft = path.with_name("draft")
        with draft.open("ab") as file:
            file.write(json.dumps(asdict(Sheet(key, self.fresh_stamp(), due_ms, given_s))).encode() + b"\n" + value)
        draft.replace(path)
