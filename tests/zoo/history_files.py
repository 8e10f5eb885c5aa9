"""A `Node` that keeps a journal in files of few records, and merges the oldest of them.

What a request changed is one record, with the operating system before the request returns. A merge writes what the oldest files
come to, graves included as long as there is an older file, and removes them; who opens the place reads all files in order.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from prism_testkit.backend import Place
from prism_testkit.traits import Traits

from .family import Log
from .history_client import Remote
from .history_server import Node, Row, Space, Writes

__all__ = ["MERGED", "RECORDS", "Durable", "Filing", "Known"]

RECORDS = 12
"""Records of a file."""
MERGED = 5
"""Full files that are made one."""

T = TypeVar("T")
Known: TypeAlias = dict[tuple[str, bytes], Row | None]


class Filing(Node):
    """A node whose place may be opened again after a kill."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.directory: Path = place.directory / "history"
        self.directory.mkdir(exist_ok=True)
        self.logs: dict[str, Log] = {}
        self.names: dict[int, str] = {}
        self.changes: Known | None = None
        """What a request of several rows has changed so far."""
        self.written: dict[str, int] = {}
        """Records that were written here, by file."""
        self.catch_up()

    def space(self, namespace: str) -> Space:
        self.catch_up()
        space = super().space(namespace)
        self.names[id(space)] = namespace
        return space

    # Reading

    def files(self) -> list[str]:
        return sorted(path.name for path in self.directory.iterdir())

    def log(self, name: str) -> Log:
        return self.logs.setdefault(name, Log(self.directory / name))

    def catch_up(self) -> None:
        """Take over what is in the files and not yet in the rows."""
        for name in self.files():
            for record in self.log(name).unread():
                for (namespace, key), row in record.items():
                    self.replay(namespace, key, row)

    def replay(self, namespace: str, name: bytes, row: Row | None) -> None:
        self.revision = max(self.revision, row.revision if row is not None else 0)
        super().store(Node.space(self, namespace), name, row)

    # Writing

    def store(self, space: Space, name: bytes, row: Row | None) -> None:
        super().store(space, name, row)
        change = {(self.names[id(space)], name): row}
        if self.changes is None:
            self.write(change)
        else:
            self.changes.update(change)

    def commit(self, space: Space, reads: Mapping[bytes, int], writes: Writes) -> bool:
        return self.at_once(lambda: super(Filing, self).commit(space, reads, writes))

    def delete_many(self, space: Space, names: Sequence[bytes]) -> int:
        return self.at_once(lambda: super(Filing, self).delete_many(space, names))

    def at_once(self, request: Callable[[], T]) -> T:
        """Run what changes several rows, and write them as one record."""
        self.changes = {}
        answer = request()
        changes, self.changes = self.changes, None
        if changes:
            self.write(changes)
        return answer

    def write(self, changes: Known) -> None:
        names = self.files()
        current = names[-1] if names else "00000000"
        self.log(current).append(self.kept(changes))
        self.written[current] = self.written.get(current, 0) + 1
        if self.written[current] >= RECORDS:
            (self.directory / f"{int(current) + 1:08}").touch()
            self.merge(self.files()[:-1])

    def kept(self, changes: Known) -> Known:
        """Return what is written of changes."""
        return changes

    def merge(self, names: list[str]) -> None:
        """Make the oldest full files one; the last of them gives it its name."""
        if len(names) < MERGED:
            return
        merged: Known = {}
        for name in names[:MERGED]:
            for record in Log(self.directory / name).unread():
                merged.update(record)
        target = self.directory / names[MERGED - 1]
        log = Log(target.with_suffix(".new"))
        log.append(self.worth_keeping(merged))
        for name in names[: MERGED - 1]:
            self.logs.pop(name, None)
        log.path.replace(target)
        self.logs[target.name] = Log(target)
        self.logs[target.name].position = log.position
        for name in names[: MERGED - 1]:
            (self.directory / name).unlink()

    def worth_keeping(self, merged: Known) -> Known:
        """Return what the oldest files come to; nothing is older, so a grave hides nothing."""
        return {place: row for place, row in merged.items() if row is not None}

    def clean(self, prefix: str) -> None:
        self.catch_up()
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            space = self.space(namespace)
            for slot in space.slots:
                for name in list(slot.rows):
                    self.store(space, name, None)
        super().clean(prefix)


class Durable(Remote):
    """All six interfaces, over a `Filing` node."""

    traits: Traits = Traits(durability="process")
