"""A queue as a mail spool: a folder for each queue, a file for each message, its state in the file's name, moved by rename."""

import hashlib
import json
import math
import shutil
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import ClassVar, NamedTuple

import prism_testkit as prism
from prism_testkit.backend import Place
from prism_testkit.interfaces import (
    Bytes,
    Lease,
    QueueBasic,
    QueueDeadLetter,
    QueueDelayed,
    QueueMessage,
    QueuePriority,
    QueueVisibility,
)
from prism_testkit.interfaces.errors import Conflict
from prism_testkit.traits import Traits

from .ninth_desk import NAME, Bell, Desk, checked, connector

__all__ = ["Letter", "MailQueue", "Spool", "clean", "connect"]

NOBODY = "0"


class Letter(NamedTuple):
    """A file's name. Instants are whole milliseconds, rounded up."""

    state: str
    """``r``eady, ``d``elayed, ``h``eld."""
    rank: int
    place: int
    until: int
    tries: int
    token: str
    grave: str
    died: int
    id: str

    @property
    def file(self) -> str:
        return ".".join(map(str, self))


@lru_cache(maxsize=65536)
def letter(file: str) -> Letter:
    state, rank, place, until, tries, token, grave, died, name = file.split(".")
    return Letter(state, int(rank), int(place), int(until), int(tries), token, grave, int(died), name)


class Spool:
    """All folders of a place."""

    def __init__(self, place: Place) -> None:
        self.clock = place.clock
        self.root = Path(place.directory)
        self.bells: dict[Path, Bell] = {}

    def digest(self, queue: str) -> str:
        return hashlib.sha256(queue.encode()).hexdigest()[:40]

    def folder(self, space: str, queue: str) -> Path:
        folder = self.root / space / self.digest(queue)
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def bell(self, folder: Path) -> Bell:
        return self.bells.setdefault(folder, Bell())

    def next(self, space: str) -> int:
        """Count: the length of a file is how far it came."""
        with (self.root / space / "count").open("ab", buffering=0) as file:
            file.write(b".")
            return file.tell()

    def instant(self, seconds: float) -> int:
        return math.ceil((self.clock.now_s() + seconds) * 1000)

    def write(self, folder: Path, new: Letter, text: str) -> None:
        draft = folder.parent / "draft"
        draft.write_text(text)
        draft.rename(folder / new.file)
        self.bell(folder).ring()

    def letters(self, folder: Path) -> list[Letter]:
        return [letter(file.name) for file in folder.iterdir() if file.name != "config"]

    def move(self, folder: Path, old: Letter, new: Letter, to: Path | None = None) -> Letter:
        to = to or folder
        (folder / old.file).rename(to / new.file)
        self.bell(to).ring()
        return new

    def config(self, folder: Path) -> tuple[str, int]:
        """Return the target, "" for none, and the most attempts."""
        try:
            target, most = json.loads((folder / "config").read_text())
        except FileNotFoundError:
            return "", 0
        return target, most

    def configure(self, folder: Path, target: str, most: int) -> None:
        draft = folder.parent / "draft"
        draft.write_text(json.dumps([target, most]))
        draft.rename(folder / "config")

    def tick(self, space: str, folder: Path) -> list[Letter]:
        """Do what time has done to a folder; return what is in it."""
        now = self.clock.now_ms()
        target, most = self.config(folder)
        kept: list[Letter] = []
        over = sorted(self.letters(folder), key=lambda old: old.until)
        for old in over:
            new = old
            if old.state != "r" and old.until <= now:
                new = self.move(folder, old, old._replace(state="r", token=NOBODY))
            if new.state == "r" and target and new.tries >= most:
                self.bury(space, folder, new, target)
            else:
                kept.append(new)
        return kept

    def bury(self, space: str, folder: Path, old: Letter, target: str) -> None:
        number = self.next(space)
        new = old._replace(place=number, tries=0, grave=folder.name, died=number, until=0)
        self.move(folder, old, new, self.folder(space, target))

    def ready(self, space: str, folder: Path) -> list[Letter]:
        """Return what is available, in the order of takes."""
        letters = [old for old in self.tick(space, folder) if old.state == "r"]
        return sorted(letters, key=lambda old: (-old.rank, old.place))

    def nap(self, folder: Path) -> float:
        timed = [old.until for old in self.letters(folder) if old.state != "r"]
        return min(timed) / 1000 - self.clock.now_s() if timed else math.inf

    def dead(self, space: str, folder: Path) -> tuple[Path, list[Letter]]:
        """Return the target's folder, and what died here and is available there, in the order of death."""
        self.tick(space, folder)
        target, _ = self.config(folder)
        if not target:
            return folder, []
        there = self.folder(space, target)
        dead = [old for old in self.ready(space, there) if old.grave == folder.name]
        return there, sorted(dead, key=lambda old: old.died)


class MailQueue(QueueBasic, QueueVisibility, QueueDeadLetter, QueuePriority, QueueDelayed, Desk):
    """The driver. It holds nothing: each call reads the folder again."""

    traits: ClassVar[Traits] = Traits(
        durability="process", ack_survives_kill="yes", lease_survives_kill="yes", attempts_survive_kill="yes"
    )

    def __init__(self, spool: Spool, namespace: str) -> None:
        Desk.__init__(self)
        self.spool = spool
        self.space = namespace

    def folder(self, queue: str, call: str) -> Path:
        prism.check_name(queue, call, NAME, self.limits)
        return self.spool.folder(self.space, queue)

    def insert(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int = 0, delay_s: float = 0) -> str:
        data, copy = checked(self.limits, "enqueue", queue, payload, headers)
        folder = self.folder(queue, "enqueue")
        place = self.spool.next(self.space)
        new = Letter("r", rank, place, 0, 0, NOBODY, NOBODY, 0, f"m{place}")
        if delay_s > 0:
            new = new._replace(state="d", until=self.spool.instant(delay_s))
        self.spool.write(folder, new, self.text(data, copy))
        return new.id

    def text(self, data: bytes, headers: dict[str, str]) -> str:
        return json.dumps({"data": b64encode(data).decode(), "headers": headers})

    def message(self, folder: Path, old: Letter) -> QueueMessage:
        found = json.loads((folder / old.file).read_text())
        return QueueMessage(old.id, b64decode(found["data"]), found["headers"])

    async def enqueue(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        with self.serving("enqueue"):
            return self.insert(queue, payload, headers)

    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        with self.serving("enqueue_with_priority"):
            if not isinstance(priority, int) or isinstance(priority, bool):
                raise TypeError(f"{NAME}: a priority is an int")
            if priority not in range(10):
                raise ValueError(f"{NAME}: a priority is 0 to 9")
            return self.insert(queue, payload, headers, priority)

    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        with self.serving("enqueue_delayed"):
            return self.insert(queue, payload, headers, 0, prism.check_timeout(delay_s, "enqueue_delayed", NAME))

    async def scheduled_count(self, queue: str) -> int:
        with self.serving("scheduled_count"):
            folder = self.folder(queue, "scheduled_count")
            return sum(old.state == "d" for old in self.spool.tick(self.space, folder))

    async def peek(self, queue: str) -> QueueMessage | None:
        with self.serving("peek"):
            folder = self.folder(queue, "peek")
            ready = self.spool.ready(self.space, folder)
            return self.message(folder, ready[0]) if ready else None

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        with self.serving("dequeue") as call:
            wait = prism.check_timeout(timeout_s, "dequeue", NAME)
            folder = self.folder(queue, "dequeue")

            def look() -> QueueMessage | None:
                ready = self.spool.ready(self.space, folder)
                if not ready:
                    return None
                found = self.message(folder, ready[0])
                (folder / ready[0].file).unlink()
                return found

            return await self.until(call, self.spool.bell(folder), wait, look, lambda: self.spool.nap(folder))

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        with self.serving("receive") as call:
            wait = prism.check_timeout(timeout_s, "receive", NAME)
            seconds = self.visibility(visibility_s, "receive")
            folder = self.folder(queue, "receive")

            def look() -> Lease | None:
                ready = self.spool.ready(self.space, folder)
                return self.hold(queue, folder, ready[0], seconds) if ready else None

            return await self.until(call, self.spool.bell(folder), wait, look, lambda: self.spool.nap(folder))

    def hold(self, queue: str, folder: Path, old: Letter, seconds: float) -> Lease:
        until, token = self.spool.instant(seconds), str(self.spool.next(self.space))
        new = self.spool.move(folder, old, old._replace(state="h", tries=old.tries + 1, until=until, token=token))
        return Lease(queue, self.message(folder, new), new.tries, token)

    def held(self, lease: Lease, call: str) -> tuple[Path, Letter]:
        folder = self.folder(lease.queue, call)
        for old in self.spool.tick(self.space, folder):
            if old.state == "h" and old.token == lease.token and old.id == lease.message.id:
                return folder, old
        raise Conflict(f"{NAME}: {call} {lease.queue[:40]!a}: the lease has ended")

    async def ack(self, lease: Lease) -> None:
        with self.serving("ack", finishing=True):
            folder, old = self.held(lease, "ack")
            (folder / old.file).unlink()

    async def extend(self, lease: Lease, seconds: float) -> None:
        with self.serving("extend", finishing=True):
            seconds = self.visibility(seconds, "extend")
            folder, old = self.held(lease, "extend")
            self.spool.move(folder, old, old._replace(until=self.spool.instant(seconds)))

    async def release(self, lease: Lease) -> None:
        with self.serving("release", finishing=True):
            folder, old = self.held(lease, "release")
            self.spool.move(folder, old, old._replace(state="r", token=NOBODY))

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        with self.serving("configure_dead_letter"):
            prism.check_name(target, "configure_dead_letter", NAME, self.limits)
            folder = self.folder(queue, "configure_dead_letter")
            if max_attempts < 1 or target == queue:
                raise ValueError(f"{NAME}: max_attempts below 1, or a queue that is its own target")
            self.spool.tick(self.space, folder)
            self.spool.configure(folder, target, max_attempts)

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        with self.serving("dead_letters"):
            there, dead = self.spool.dead(self.space, self.folder(queue, "dead_letters"))
            return [self.message(there, old) for old in dead]

    async def redrive(self, queue: str) -> int:
        with self.serving("redrive"):
            folder = self.folder(queue, "redrive")
            there, dead = self.spool.dead(self.space, folder)
            for old in dead:
                new = old._replace(place=self.spool.next(self.space), grave=NOBODY, tries=0, died=0)
                self.spool.move(there, old, new, folder)
            return len(dead)


connect = connector(Spool, "ninth mail")


async def clean(spool: Spool, prefix: str) -> None:
    for folder in spool.root.glob(f"{prefix}*"):
        shutil.rmtree(folder)
