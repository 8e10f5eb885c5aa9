"""Keys as chains of editions: every write is a new one with a number, and who looks at many keys looks as of a number."""

import base64
import bisect
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

from prism_testkit.backend import Place

__all__ = ["Change", "Edition", "Editions", "KeptEditions", "Space"]


@dataclass(frozen=True, slots=True)
class Edition:
    """What a key held from one number on; a removal holds None. ``due_ms`` is when it is gone, ``given_s`` what it was given."""

    number: int
    value: bytes | None
    due_ms: int | None = None
    given_s: float = 0.0


Change: TypeAlias = tuple[str, bytes | None, int | None, float]
"""A key, its value or None, its deadline and the seconds it was given."""


@dataclass
class Space:
    """One namespace. ``names`` are the keys that have a chain, sorted; ``looking`` are the numbers somebody looks as of."""

    number: int = 0
    chains: dict[str, list[Edition]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    looking: Counter[int] = field(default_factory=Counter)
    since_vacuum: int = 0

    def add(self, key: str, edition: Edition) -> None:
        if key not in self.chains:
            self.chains[key] = []
            bisect.insort(self.names, key)
        self.chains[key].append(edition)

    def drop(self, key: str) -> None:
        del self.chains[key]
        del self.names[bisect.bisect_left(self.names, key)]

    def named(self, prefix: str) -> Iterator[str]:
        """Yield the keys that begin with a prefix, as of now."""
        at = bisect.bisect_left(self.names, prefix)
        end = at
        while end < len(self.names) and self.names[end].startswith(prefix):
            end += 1
        yield from self.names[at:end]


class Editions:
    """The data of one place. A write is one number; editions that nobody can see any more are removed now and then."""

    vacuum_every = 32

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.spaces: dict[str, Space] = {}
        self.notes: dict[Any, Any] = {}
        """Room for what a wrong one keeps."""

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, Space())

    def gone(self, edition: Edition) -> bool:
        return edition.value is None or (edition.due_ms is not None and self.clock.now_ms() >= edition.due_ms)

    def look(self, space: Space, key: str, number: int | None = None) -> Edition | None:
        """Return the edition that a key has, or had as of a number; None if it is missing."""
        for edition in reversed(space.chains.get(key, ())):
            if number is None or edition.number <= number:
                return None if self.gone(edition) else edition
        return None

    def stamp(self, space: Space, key: str) -> int:
        """Return the number of what a key holds, 0 if it is missing."""
        edition = self.look(space, key)
        return 0 if edition is None else edition.number

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        """Make all changes under one number."""
        space = self.space(namespace)
        self.enter(space, space.number + 1, changes)
        space.since_vacuum += 1
        if space.since_vacuum >= self.vacuum_every:
            space.since_vacuum = 0
            self.vacuum(space)

    def enter(self, space: Space, number: int, changes: Sequence[Change]) -> None:
        space.number = number
        for key, value, due_ms, given_s in changes:
            space.add(key, Edition(number, value, due_ms, given_s))

    def vacuum(self, space: Space) -> None:
        """Remove what is older than what the oldest look can see, and the chains of keys that are gone."""
        oldest = min(space.looking, default=space.number)
        for key, chain in list(space.chains.items()):
            seen = 0
            for at, edition in enumerate(chain):
                if edition.number <= oldest:
                    seen = at
            del chain[:seen]
            if len(chain) == 1 and self.gone(chain[0]):
                space.drop(key)

    def leave(self, space: Space, number: int) -> None:
        space.looking[number] -= 1
        if space.looking[number] <= 0:
            del space.looking[number]

    def clean(self, prefix: str) -> None:
        for namespace in [name for name in self.spaces if name.startswith(prefix)]:
            del self.spaces[namespace]
        self.notes.clear()

    def close(self) -> None:
        """The last client has left."""


class KeptEditions(Editions):
    """The same in files: a base that holds all, and a journal of what came since. After some writes a new base is made.

    The base names its journal, so both change with one rename. One process writes, any number read.
    """

    rebase_every = 40

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        self.folder: Path = place.directory
        self.generation = 0
        self.position = 0
        self.entries = 0
        self.base_seen: tuple[int, int] | None = None

    @property
    def base(self) -> Path:
        return self.folder / "base.json"

    @property
    def journal(self) -> Path:
        return self.folder / f"journal.{self.generation}"

    def space(self, namespace: str) -> Space:
        self.catch_up()
        return super().space(namespace)

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        number = self.space(namespace).number + 1
        self.note([namespace, number, [self.plain(change) for change in changes]])
        super().write(namespace, changes)
        if self.entries >= self.rebase_every:
            self.rebase()

    def plain(self, change: Change) -> list[Any]:
        key, value, due_ms, given_s = change
        return [key, None if value is None else base64.b64encode(value).decode(), due_ms, given_s]

    def change(self, plain: list[Any]) -> Change:
        return plain[0], None if plain[1] is None else base64.b64decode(plain[1]), plain[2], plain[3]

    def note(self, entry: list[Any]) -> None:
        """Add an entry behind what was read; what is torn there is cut off."""
        line = json.dumps(entry).encode() + b"\n"
        with self.journal.open("ab") as file:
            file.truncate(self.position)
            file.write(line)
        self.position += len(line)
        self.entries += 1

    def rebase(self) -> None:
        """Write all that there is, and begin a new journal."""
        self.generation += 1
        spaces = {
            name: [space.number, [self.plain((k, c[-1].value, c[-1].due_ms, c[-1].given_s)) for k, c in space.chains.items()]]
            for name, space in self.spaces.items()
        }
        self.publish(json.dumps([self.generation, spaces]))
        self.base_seen = self.stat_base()
        for old in self.folder.glob("journal.*"):
            if old.name != self.journal.name:
                old.unlink(missing_ok=True)
        self.position = self.entries = 0

    def publish(self, text: str) -> None:
        new = self.folder / "base.new"
        new.write_text(text)
        new.replace(self.base)

    def stat_base(self) -> tuple[int, int] | None:
        try:
            found = self.base.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns

    def catch_up(self) -> None:
        """Read what another process has written."""
        now = self.stat_base()
        if now != self.base_seen:
            self.base_seen = now
            self.generation, spaces = json.loads(self.base.read_text())
            self.position = self.entries = 0
            self.spaces.clear()
            for name, (number, plains) in spaces.items():
                self.enter(self.spaces.setdefault(name, Space()), number, [self.change(plain) for plain in plains])
        if not self.journal.exists() or self.journal.stat().st_size <= self.position:
            return
        with self.journal.open("rb") as file:
            file.seek(self.position)
            tail = file.read()
        for line in tail.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                return
            self.replay(json.loads(line))
            self.position += len(line)
            self.entries += 1

    def replay(self, entry: list[Any]) -> None:
        if len(entry) == 1:
            for namespace in [name for name in self.spaces if name.startswith(entry[0])]:
                del self.spaces[namespace]
            return
        namespace, number, plains = entry
        self.enter(self.spaces.setdefault(namespace, Space()), number, [self.change(plain) for plain in plains])

    def clean(self, prefix: str) -> None:
        self.catch_up()
        if any(name.startswith(prefix) for name in self.spaces):
            self.note([prefix])
        super().clean(prefix)
