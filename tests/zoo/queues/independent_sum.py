"""The ledger of the independent queues: lines of JSON, what they add up to, and the sum that is written down now and then."""

import base64
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

from prism_testkit.interfaces import QueueMessage

__all__ = ["Entry", "Ledger", "Line", "Sum"]

Line = list[Any]


@dataclass(slots=True)
class Entry:
    """A message as the sum of its lines."""

    id: str
    payload: str
    headers: dict[str, str]
    place: int
    rank: int = 0
    due: float = 0.0
    attempts: int = 0
    token: str = ""
    until: float = 0.0
    ended: float = 0.0
    ended_line: int = 0
    origin: str = ""
    death: int = 0

    def message(self) -> QueueMessage:
        return QueueMessage(self.id, base64.b64decode(self.payload), dict(self.headers))


class Sum:
    """What the lines of one namespace add up to."""

    def __init__(self) -> None:
        self.lines = 0
        self.queues: dict[str, dict[str, Entry]] = {}
        self.policies: dict[str, tuple[str, int]] = {}

    def add(self, line: Line) -> None:
        self.lines += 1
        kind, queue, *rest = line
        getattr(self, f"add_{kind}")(self.queues.setdefault(queue, {}), queue, *rest)

    def add_put(self, held: dict[str, Entry], queue: str, name: str, payload: str, headers: Any, rank: int, due: float) -> None:
        held[name] = Entry(name, payload, headers, self.lines, rank, due)

    def add_gone(self, held: dict[str, Entry], queue: str, name: str) -> None:
        del held[name]

    def add_lent(self, held: dict[str, Entry], queue: str, name: str, token: str, until: float) -> None:
        entry = held[name]
        entry.token, entry.until = token, until
        entry.attempts += 1

    def add_until(self, held: dict[str, Entry], queue: str, name: str, until: float) -> None:
        held[name].until = until

    def add_back(self, held: dict[str, Entry], queue: str, name: str, at: float) -> None:
        entry = held[name]
        entry.token, entry.until, entry.ended, entry.ended_line = "", 0.0, at, self.lines

    def add_died(self, held: dict[str, Entry], queue: str, name: str, target: str) -> None:
        entry = held.pop(name)
        entry.origin, entry.death, entry.place, entry.attempts, entry.due = queue, self.lines, self.lines, 0, 0.0
        self.queues.setdefault(target, {})[name] = entry

    def add_revived(self, held: dict[str, Entry], queue: str, name: str, target: str) -> None:
        entry = self.queues[target].pop(name)
        entry.origin, entry.death, entry.place, entry.attempts = "", 0, self.lines, 0
        entry.token, entry.until = "", 0.0
        held[name] = entry

    def add_policy(self, held: dict[str, Entry], queue: str, target: str, attempts: int) -> None:
        self.policies[queue] = (target, attempts)

    # What is written down now and then

    def pack(self) -> dict[str, Any]:
        queues = {queue: [self.pack_entry(entry) for entry in held.values()] for queue, held in self.queues.items()}
        return {"lines": self.lines, "queues": queues, "policies": self.policies}

    def pack_entry(self, entry: Entry) -> dict[str, Any]:
        return asdict(entry)

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> "Sum":
        self = cls()
        self.lines = data["lines"]
        self.queues = {queue: {e["id"]: Entry(**e) for e in held} for queue, held in data["queues"].items()}
        self.policies = {queue: tuple(policy) for queue, policy in data["policies"].items()}
        return self


class Ledger:
    """The ledger of one namespace: a sum that was written down, and the lines since."""

    sum_type: ClassVar[type[Sum]] = Sum
    lines_at_most = 24

    def __init__(self, folder: Path, namespace: str) -> None:
        self.folder, self.namespace = folder, namespace
        self.generation, self.position = -1, 0
        self.seen: tuple[int, int] | None = None
        self.sum = self.sum_type()

    def path(self, generation: int) -> Path:
        return self.folder / f"{self.namespace}.{generation}.lines"

    @property
    def sum_path(self) -> Path:
        return self.folder / f"{self.namespace}.sum"

    def read(self) -> Sum:
        """Add up what is not added yet."""
        stamp = self.stamp()
        if self.generation < 0 or stamp != self.seen or self.vanished():
            data = json.loads(self.sum_path.read_text(encoding="utf-8")) if stamp is not None else None
            self.seen, self.position = stamp, 0
            self.generation = data["generation"] if data is not None else 0
            self.sum = self.sum_type.unpack(data) if data is not None else self.sum_type()
        for line in self.unread():
            self.sum.add(line)
        return self.sum

    def stamp(self) -> tuple[int, int] | None:
        """Tell one written sum from another; None if there is none."""
        if not self.sum_path.exists():
            return None
        found = self.sum_path.stat()
        return found.st_ino, found.st_mtime_ns

    def vanished(self) -> bool:
        return self.position > 0 and not self.path(self.generation).exists()

    def unread(self) -> Iterator[Line]:
        path = self.path(self.generation)
        if not path.exists() or path.stat().st_size <= self.position:
            return
        with path.open("rb") as file:
            file.seek(self.position)
            for data in file.read().splitlines(keepends=True):
                if not data.endswith(b"\n"):
                    return  # torn
                self.position += len(data)
                yield json.loads(data)

    def write(self, *lines: Line) -> None:
        """Append lines as one piece, and add them up."""
        self.read()
        data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
        with self.path(self.generation).open("ab") as file:
            file.truncate(self.position)
            file.write(data)
        self.position += len(data)
        for line in lines:
            self.sum.add(line)
        if self.sum.lines // self.lines_at_most != (self.sum.lines - len(lines)) // self.lines_at_most:
            self.write_sum()

    def write_sum(self) -> None:
        old = self.path(self.generation)
        fresh = self.sum_path.with_suffix(".new")
        fresh.write_text(json.dumps({"generation": self.generation + 1, **self.sum.pack()}), encoding="utf-8")
        fresh.replace(self.sum_path)
        self.generation, self.position, self.seen = self.generation + 1, 0, self.stamp()
        old.unlink(missing_ok=True)
