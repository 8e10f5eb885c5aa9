"""Mutants that claim ``durability="process"`` and lose something when the process that wrote is killed.

While it lives all of them are right: what is taken is taken from memory.
"""

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileQueue, Queue
from .stores import Changes, Config, FileStore, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_ALL = "visibility.13 dead_letter.8 delayed.6"


class _Selective(FileStore):
    """A change is logged as something else, or not at all."""

    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return thing

    def wanted(self, slot: tuple[str, str], thing: Row | Config | None) -> bool:
        return True

    def write(self, namespace: str, changes: Changes) -> None:
        kept = {slot: self.logged(thing) for slot, thing in changes.items() if self.wanted(slot, thing)}
        super().write(namespace, kept)


class _Replays(FileStore):
    """A change is replayed as something else."""

    def replayed(self, row: Row) -> Row:
        raise NotImplementedError

    def replay(self, namespace: str, changes: Changes) -> None:
        changed: Mapping[Any, Any] = {s: self.replayed(thing) if isinstance(thing, Row) else thing for s, thing in changes.items()}
        super().replay(namespace, changed)


class _Buffering(FileStore):
    """Records are handed over later; reads do not look at the file again."""

    def __init__(self, place: Place) -> None:
        self.buffer: list[tuple[str, Changes]] = []
        super().__init__(place)

    def write(self, namespace: str, changes: Changes) -> None:
        self.buffer.append((namespace, changes))
        if self.full():
            self.flush()

    def full(self) -> bool:
        return False

    def flush(self) -> None:
        for namespace, changes in self.buffer:
            super().write(namespace, changes)
        self.buffer.clear()

    def close(self) -> None:
        self.flush()


# basic.12: messages


@mutant("basic.12", "empty claim", trap="kill", also=_ALL)
class OnlyInMemory(Queue):
    """Claims what it does not even try."""

    traits = FileQueue.traits


@mutant("basic.12", "early acknowledgement", trap="kill", also=_ALL)
class LogsInEights(_Buffering):
    def full(self) -> bool:
        return len(self.buffer) >= 8


@mutant("basic.12", "early acknowledgement", trap="kill right after an enqueue", also=_ALL)
class LogsOneWriteLate(_Buffering):
    """Each record goes out with the next one."""

    def write(self, namespace: str, changes: Changes) -> None:
        self.flush()
        super().write(namespace, changes)


@mutant("basic.12", "snapshot", trap="kill", also=_ALL)
class SavesAtClose(_Buffering):
    """Everything is written when the last client leaves."""


@mutant("basic.12", "size", trap="kill after a payload of more than 4096 bytes", also=_ALL)
class LargeMessagesWait(_Buffering):
    """Small ones are written through, large ones left to a background writer."""

    def full(self) -> bool:
        return all(not isinstance(thing, Row) or len(thing.payload) <= 4096 for thing in self.buffer[-1][1].values())


@mutant("basic.12", "missing step", trap="kill after a dequeue", also="visibility.13")
class TakesAreNotLogged(_Selective):
    """What was taken comes back."""

    def wanted(self, slot: tuple[str, str], thing: Row | Config | None) -> bool:
        return thing is not None


@mutant("basic.12", "order", trap="kill after several enqueues", also="visibility.13 dead_letter.8")
class OrderIsNotLogged(_Replays):
    """Replayed by id as text."""

    def replayed(self, row: Row) -> Row:
        return replace(row, place=int(f"1{row.id[::-1]}".ljust(12, "0")))


@mutant("basic.12", "missing field", trap="kill; headers", also=_ALL)
class HeadersAreNotLogged(_Selective):
    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, headers={}) if isinstance(thing, Row) else thing


@mutant("basic.12", "identity", trap="kill; ids after the reopening", also="basic.2 visibility.13")
class SerialBeginsAnew(FileStore):
    """The counter is not in the log: a new message gets the id of an old one, and its place."""

    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, changes)
        self.spaces[namespace].serial = 0


@mutant("basic.12", "wrong mode", trap="kill", also=_ALL)
class OpenTruncatesTheLog(FileStore):
    def __init__(self, place: Place) -> None:
        (place.directory / "zoo.log").unlink(missing_ok=True)
        super().__init__(place)


@mutant("basic.12", "boundary", trap="kill", also=_ALL)
class ReplayDropsTheLastRecord(FileStore):
    """Takes the last record for a torn one, always."""

    def __init__(self, place: Place) -> None:
        self.last: tuple[str, Changes] | None = None
        self.opening = True
        super().__init__(place)
        self.opening = False

    def replay(self, namespace: str, changes: Changes) -> None:
        if self.opening:
            if self.last is not None:
                super().replay(*self.last)
            self.last = namespace, changes
        else:
            super().replay(namespace, changes)


# visibility.13: acks, leases and attempts


@mutant("visibility.13", "missing step", trap="kill after an ack", also="visibility.4")
class AcksAreNotLogged(FileQueue):
    """Removed in memory; the log still has the row, leased."""

    async def ack(self, lease: Lease) -> None:
        row = self.held(lease, "ack")
        self.space().apply({(row.queue, row.id): None})


@mutant("visibility.13", "missing field", trap="kill while a lease is open", also="visibility.2")
class LeasesAreNotLogged(_Selective):
    """The row is logged as if it were available."""

    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, token="", until=0.0) if isinstance(thing, Row) else thing


@mutant("visibility.13", "missing field", trap="kill after a failed attempt", also="visibility.3 dead_letter.1")
class AttemptsAreNotLogged(_Selective):
    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, attempts=0) if isinstance(thing, Row) else thing


@mutant("visibility.13", "origin", trap="kill while a lease is open; time passes before the reopening", also="visibility.3")
class LeasesBeginAnewAtReplay(_Replays):
    """An hour from the reopening."""

    def replayed(self, row: Row) -> Row:
        return replace(row, until=self.clock.now_s() + 3600) if row.token else row


@mutant("visibility.13", "lost", trap="kill while a lease is open", also="visibility.11")
class LeasedIsLostInAKill(_Selective):
    """A message in flight is with its consumer alone."""

    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return None if isinstance(thing, Row) and thing.token else thing


@mutant(
    "visibility.13", "missing step", trap="kill after a release or a deadline, then the attempts", also="visibility.7 visibility.3"
)
class ReleasesAreNotLogged(FileQueue):
    async def release(self, lease: Lease) -> None:
        row = self.ended(self.held(lease, "release"), self.now())
        self.space().apply({(row.queue, row.id): row})
        self.bury(row.queue)


@mutant("visibility.13", "missing step", trap="kill after an extend", also="visibility.6 visibility.2 visibility.3")
class ExtendsAreNotLogged(FileQueue):
    async def extend(self, lease: Lease, seconds: float) -> None:
        wanted = self.visibility(seconds, "extend")
        row = replace(self.held(lease, "extend"), until=self.after(wanted))
        self.space().apply({(row.queue, row.id): row})


@mutant("visibility.13", "stranger", trap="kill; an ack of a lease from before", also="visibility.5 visibility.4")
class TokensAreOfTheProcess(_Replays):
    """Leases live on, under tokens that nobody has."""

    def replayed(self, row: Row) -> Row:
        return replace(row, token=f"recovered {row.token}") if row.token else row


# dead_letter.8


@mutant("dead_letter.8", "missing step", trap="kill after configure_dead_letter", also="dead_letter.1 dead_letter.6")
class ConfigurationIsNotLogged(_Selective):
    def wanted(self, slot: tuple[str, str], thing: Row | Config | None) -> bool:
        return not isinstance(thing, Config)


@mutant("dead_letter.8", "missing field", trap="kill; dead_letters after the reopening", also="dead_letter.4 dead_letter.5")
class OriginIsNotLogged(_Selective):
    """The dead are ordinary messages of the target after a kill."""

    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, origin="", death=0) if isinstance(thing, Row) else thing


@mutant("dead_letter.8", "order", trap="kill; messages that died in another order than they were enqueued", also="dead_letter.4")
class OrderOfDeathIsNotLogged(_Selective):
    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, death=1) if isinstance(thing, Row) and thing.origin else thing

    def replay(self, namespace: str, changes: Changes) -> None:
        ordered = {s: replace(t, death=int(t.id)) if isinstance(t, Row) and t.origin else t for s, t in changes.items()}
        super().replay(namespace, ordered)


@mutant("dead_letter.8", "torn", trap="kill between the two records of a death", also="dead_letter.3 visibility.13 basic.12")
class DeathIsTwoRecords(FileStore):
    """The insert is logged with the next write."""

    def __init__(self, place: Place) -> None:
        self.held: list[tuple[str, Changes]] = []
        super().__init__(place)

    def write(self, namespace: str, changes: Changes) -> None:
        held, self.held = self.held, []
        for record in held:
            super().write(*record)
        dead = {slot: thing for slot, thing in changes.items() if isinstance(thing, Row) and thing.origin and not thing.token}
        if dead and len(changes) > len(dead):
            self.held = [(namespace, dead)]
        super().write(namespace, {slot: thing for slot, thing in changes.items() if slot not in dead or not self.held})


@mutant("dead_letter.8", "missing step", trap="kill after a redrive", also="dead_letter.5 dead_letter.3 basic.12")
class RedriveIsNotLogged(FileQueue):
    def revive(self, queue: str) -> int:
        rows = [row for row in self.dead(queue) if not row.token]
        for row in rows:
            moved = self.revived(row, queue)
            self.space().apply({(row.queue, row.id): None, (queue, row.id): moved})
        return len(rows)


# delayed.6


@mutant("delayed.6", "missing field", trap="kill while a message is delayed", also="delayed.1")
class DelaysAreNotLogged(_Selective):
    """Available after the reopening."""

    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, due=0.0) if isinstance(thing, Row) else thing


@mutant("delayed.6", "origin", trap="kill while a message is delayed; time passes before the reopening", also="delayed.1")
class DelaysBeginAnewAtReplay(FileStore):
    """The log has seconds, and they are counted from the replay."""

    def write(self, namespace: str, changes: Changes) -> None:
        now = self.clock.now_s()
        seconds = {s: replace(t, due=max(0.0, t.due - now)) if isinstance(t, Row) else t for s, t in changes.items()}
        super().write(namespace, seconds)

    def replay(self, namespace: str, changes: Changes) -> None:
        now = self.clock.now_s()
        anew = {s: replace(t, due=now + t.due) if isinstance(t, Row) and t.due else t for s, t in changes.items()}
        super().replay(namespace, anew)


@mutant("delayed.6", "lost", trap="kill while a message is delayed", also="basic.12")
class DelayedIsATimer(_Selective):
    """It is written when it is due."""

    def wanted(self, slot: tuple[str, str], thing: Row | Config | None) -> bool:
        return not (isinstance(thing, Row) and thing.due > self.clock.now_s())


@mutant("delayed.6", "truncation", trap="kill; a delay that does not end on a whole second", also="delayed.1")
class LogsWholeSecondsOfDelay(_Selective):
    """Rounded down."""

    def logged(self, thing: Row | Config | None) -> Row | Config | None:
        return replace(thing, due=float(math.floor(thing.due))) if isinstance(thing, Row) else thing


@mutant("basic.12", "torn write", trap="much is written, and the process dies while the log is written anew", also=_ALL)
class LogsAreWrittenOverThemselves(FileStore):
    """Now and then the log is written over itself."""

    writes = 0

    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, changes)
        self.writes += 1
        if self.writes % 60 == 0:
            self.log.begun_anew()
