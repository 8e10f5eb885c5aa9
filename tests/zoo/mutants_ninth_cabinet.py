"""Wrong drivers over a folder: stamps that come again, files that are known by their size, notes that are forgotten."""

import json
from collections.abc import Mapping
from pathlib import Path

from prism_testkit.backend import Place

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cabinet import Cabinet, CabinetKeyValue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("transactional.5", "versions", trap="two clients write one key as their n-th write, while a transaction has read it")
class StampsAreCountedByEach(Cabinet):
    """A stamp is the number of the client's writes."""

    writes = 0

    def fresh_stamp(self) -> str:
        self.writes += 1
        return str(self.writes)


@mutant("basic.8", "cache", trap="another client writes a value of the same length at once", also="basic.1 basic.10")
class FilesAreKnownByTheirSize(Cabinet):
    """What was read is read again if the file has another size, or another second."""

    def __init__(self, place: Place, namespace: str) -> None:
        super().__init__(place, namespace)
        self.read: dict[Path, tuple[tuple[int, int], bytes]] = {}

    def value(self, key: str) -> bytes | None:
        path = self.path(key)
        if self.look(key) is None:
            return None
        facts = path.stat()
        mark = facts.st_size, int(facts.st_mtime)
        if self.read.get(path, ((), b""))[0] != mark:
            self.read[path] = mark, super().value(key) or b""
        return self.read[path][1]


@mutant("transactional.5", "versions", trap="two writes in one millisecond, while a transaction has read the key")
class StampsAreInstants(Cabinet):
    """A stamp is the instant of the write in milliseconds."""

    def fresh_stamp(self) -> str:
        return str(self.clock.now_ms())


@mutant("transactional.1", "name encoding", trap="a transaction writes a key of more than 200 characters", also="basic.3")
class NotesHoldShortNames(Cabinet):
    """A commit's note has room for 200 characters of a key."""

    def perform(self, changes: Mapping[str, bytes | None]) -> None:
        super().perform({key[:200]: value for key, value in changes.items()})


@mutant("transactional.1", "torn commit", trap="kill in a commit", also="basic.12")
class CommitsHaveNoNote(Cabinet):
    """Files are changed one after another."""

    def perform(self, changes: Mapping[str, bytes | None]) -> None:
        for key, value in changes.items():
            if value is None:
                self.remove(key)
            else:
                self.put(key, value)


@mutant("ttl.3", "merge of heads", trap="a transaction sets a key that has a deadline", also="transactional.1")
class HeadsAreKeptByCommits(Cabinet):
    """A commit keeps the first line of a file that is there already, if the value has the length it had."""

    def finish(self) -> None:
        for key, value in json.loads(self.note.read_text()).items():
            old = self.look(key)
            data = None if value is None else bytes.fromhex(value)
            if data is None:
                self.path(key).unlink(missing_ok=True)
            elif old is not None and len(old[1]) == len(data):
                self.put(key, data, old[0].due_ms, old[0].given_s)
            else:
                self.put(key, data)
        self.note.unlink()


@mutant("ttl.8", "value encoding", trap="a value that begins with a newline, and persist", also="basic.1 ttl.3")
class PersistCutsTheHead(Cabinet):
    """`persist` copies what follows the first line and its blank lines."""

    def put(self, key: str, value: bytes, due_ms: int | None = None, given_s: float = 0.0) -> None:
        old = self.look(key)
        if due_ms is None and old is not None and old[0].due_ms is not None and old[1] == value:
            value = value.lstrip(b"\n")
        super().put(key, value, due_ms, given_s)


@mutant("ttl.7", "empty value", trap="expire of a key whose value is empty", also="ttl.2 ttl.8 basic.2")
class ExpireSkipsEmptyValues(CabinetKeyValue):
    """`expire` writes the file again if there is something to write."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        if ttl_s > 0 and await self.get(key) == b"":
            return True
        return await super().expire(key, ttl_s)
