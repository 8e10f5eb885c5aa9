"""Mistakes of the independent queues that show when a process was killed: in what is summed up, replayed, buffered or left open."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import prism_testkit as prism
from prism_testkit.interfaces import Lease
from tests.zoo.declare import Mutant

from .declare_independent import declaring
from .independent_ledger import Shelf
from .independent_sql import Database, SqlQueue
from .independent_sum import Entry, Ledger, Line, Sum

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("delayed.6", "lossy snapshot", trap="kill; a delayed message behind more than 24 changes")
class SumForgetsDelays(Sum):
    """What is summed up has no delay any more."""

    def pack_entry(self, entry: Entry) -> dict[str, Any]:
        return {**super().pack_entry(entry), "due": 0.0}


@mutant("basic.12", "lossy snapshot", also="visibility.13", trap="kill; a message with headers behind more than 24 changes")
class SumForgetsHeaders(Sum):
    """What is summed up has no headers any more."""

    def pack_entry(self, entry: Entry) -> dict[str, Any]:
        return {**super().pack_entry(entry), "headers": {}}


@mutant("dead_letter.8", "lossy snapshot", trap="kill; a dead message behind more than 24 changes")
class SumForgetsDeaths(Sum):
    """What is summed up does not know who died where."""

    def pack_entry(self, entry: Entry) -> dict[str, Any]:
        return {**super().pack_entry(entry), "origin": ""}


@mutant("visibility.13", "lossy snapshot", trap="kill; an open lease behind more than 24 changes")
class SumForgetsLeases(Sum):
    """What is summed up knows no open leases."""

    def pack_entry(self, entry: Entry) -> dict[str, Any]:
        return {**super().pack_entry(entry), "token": "", "until": 0.0}


@mutant(
    "visibility.13",
    "lossy snapshot",
    also="dead_letter.8 dead_letter.1",
    trap="kill; a message delivered once behind more than 24 changes",
)
class SumForgetsAttempts(Sum):
    """What is summed up was never delivered."""

    def pack_entry(self, entry: Entry) -> dict[str, Any]:
        return {**super().pack_entry(entry), "attempts": int(bool(entry.token)) and entry.attempts}


@mutant("dead_letter.8", "lossy snapshot", trap="kill; a policy behind more than 24 changes")
class SumForgetsPolicies(Sum):
    """Policies are in no sum."""

    def pack(self) -> dict[str, Any]:
        return {**super().pack(), "policies": {}}


@mutant("basic.12", "reused id", also="basic.2 visibility.13", trap="kill; more than 24 changes before, and an enqueue after")
class SumCountsWhatIsLeft(Sum):
    """The count of lines begins again at what is left, and with it ids and places."""

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> Sum:
        self = super().unpack(data)
        self.lines = sum(map(len, self.queues.values()))
        return self


@mutant("basic.12", "sorted as text", also="visibility.13", trap="kill; messages whose numbers have one digit and two, summed up")
class SumIsInTheOrderOfItsKeys(Sum):
    """A sum is read back in the order of its keys, and places are given anew."""

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> Sum:
        self = super().unpack(data)
        for held in self.queues.values():
            places = sorted(entry.place for entry in held.values())
            for place, (_, entry) in zip(places, sorted(held.items()), strict=True):
                entry.place = place
        return self


@mutant("dead_letter.8", "wrong order", trap="kill; deaths in another order than that of the enqueues, summed up")
class SumOrdersTheDeadByAge(Sum):
    """The order of deaths is read back as that of the enqueues."""

    @classmethod
    def unpack(cls, data: dict[str, Any]) -> Sum:
        self = super().unpack(data)
        for held in self.queues.values():
            dead = [entry for entry in held.values() if entry.origin]
            deaths = sorted(entry.death for entry in dead)
            for death, entry in zip(deaths, sorted(dead, key=lambda entry: int(entry.id, 16)), strict=True):
                entry.death = entry.place = death
        return self


class Buffering(Ledger):
    """Lines of some kinds are written with the next line of another kind."""

    kinds: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, folder: Any, namespace: str) -> None:
        super().__init__(folder, namespace)
        self.buffer: list[Line] = []

    def write(self, *lines: Line) -> None:
        if lines and all(self.is_buffered(line) for line in lines):
            self.read()
            for line in lines:
                self.sum.add(line)
            self.buffer += lines
            return
        buffered, self.buffer = self.buffer, []
        data = [self.encoded(line) for line in buffered]
        self.flush(b"".join(data))
        super().write(*lines)

    def is_buffered(self, line: Line) -> bool:
        return line[0] in self.kinds

    def encoded(self, line: Line) -> bytes:
        return json.dumps(line).encode() + b"\n"

    def flush(self, data: bytes) -> None:
        if data:
            with self.path(max(self.generation, 0)).open("ab") as file:
                file.write(data)
            self.position += len(data)


@mutant("dead_letter.8", "not durable", also="dead_letter.5 dead_letter.3", trap="kill right after a redrive")
class RedriveIsWrittenWithTheNextLine(Buffering):
    """Redriven messages are back in the target after a kill, unless something else was written meanwhile."""

    kinds = frozenset({"revived"})


@mutant("visibility.13", "not durable", trap="kill right after an extend")
class ExtendIsWrittenWithTheNextLine(Buffering):
    """After a kill a lease ends when it would have ended before the extend."""

    kinds = frozenset({"until"})


@mutant("basic.12", "not durable", also="visibility.13", trap="kill right after a dequeue of what was leased before")
class PopOfTheReturnedIsWrittenLater(Buffering):
    """What was leased and released before it was dequeued comes back after a kill."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] == "gone" and self.sum.queues[line[1]][line[2]].attempts > 0 and not self.sum.queues[line[1]][line[2]].token


@mutant("visibility.13", "not durable", trap="kill right after the ack of a second attempt")
class AckOfALaterAttemptIsWrittenLater(Buffering):
    """The ack of a message that was delivered twice is written with the next line."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] == "gone" and self.sum.queues[line[1]][line[2]].attempts > 1


@mutant("visibility.13", "not durable", trap="kill right after a release")
class ReleaseIsWrittenWithTheNextLine(Buffering):
    """After a kill a message that was released is leased again."""

    kinds = frozenset({"back"})


@mutant("dead_letter.8", "not durable", trap="kill right after a policy was replaced")
class SecondPolicyIsWrittenLater(Buffering):
    """The first policy of a queue is written at once, what replaces it with the next line."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] == "policy" and line[1] in self.sum.policies


@mutant("basic.12", "not durable", also="priority.4", trap="kill right after an enqueue with a priority")
class PriorityIsWrittenLater(Buffering):
    """What was enqueued with a priority is written with the next line."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] == "put" and line[5] > 0


@mutant("basic.12", "not durable", also="visibility.13 dead_letter.8", trap="kill right after a message of the target was taken")
class TakesFromTheTargetAreWrittenLater(Buffering):
    """What died and was taken from the target comes back after a kill."""

    def is_buffered(self, line: Line) -> bool:
        return line[0] == "gone" and bool(self.sum.queues[line[1]][line[2]].origin)


@mutant("delayed.6", "relative time", trap="kill; a delay is over before it is opened again")
class DelaysThatEndedUnseenEndLate(Shelf):
    """Who opens the file gives what came due meanwhile a second more, to be started in good order."""

    def ledger(self, namespace: str) -> Ledger:
        fresh = namespace not in self.ledgers
        ledger = super().ledger(namespace)
        if fresh:
            start = self.clock.now_s()
            for held in ledger.read().queues.values():
                for entry in held.values():
                    if 0 < entry.due <= start:
                        entry.due = start + 1
        return ledger


class Lingering(Database):
    """Some changes stay in a transaction that the next one commits."""

    lingering = False

    @contextmanager
    def change(self) -> Iterator[None]:
        if self.connection.in_transaction and not self.lingering:
            yield
            return
        self.lingering = False
        before = self.connection.total_changes
        if not self.connection.in_transaction:
            self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.connection.execute("COMMIT")
            raise
        if not self.lingering:
            self.connection.execute("COMMIT")
        if self.connection.total_changes != before:
            self.wake()


@mutant("dead_letter.8", "not durable", also="dead_letter.3", trap="kill right after a message died", store=Lingering)
class DeathsAreCommittedWithTheNextChange(SqlQueue):
    """A look that buried somebody leaves its transaction open."""

    def bury(self, queue: str) -> None:
        before = self.database.connection.total_changes
        super().bury(queue)
        if self.database.connection.total_changes > before:
            self.database.lingering = True  # type: ignore[attr-defined]


@mutant("visibility.13", "not durable", trap="kill right after an ack", store=Lingering)
class AckIsCommittedWithTheNextChange(SqlQueue):
    """An ack of a lease that was extended leaves its transaction open."""

    extended: set[str]

    def __init__(self, database: Any, namespace: str) -> None:
        super().__init__(database, namespace)
        self.extended = set()

    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        self.extended.add(lease.token)

    async def ack(self, lease: Lease) -> None:
        with self.database.change():
            self.database.ask("DELETE FROM message WHERE id = ?", self.valid(lease, "ack"))
            self.database.lingering = lease.token in self.extended  # type: ignore[attr-defined]


@mutant(
    "basic.12",
    "wrong order",
    also="visibility.13 basic.3",
    trap="kill; some of the messages were taken before, and another is enqueued after",
)
class PlacesBeginAtTheCountOfRows(Database):
    """The next place is one more than there are rows when the file is opened."""

    def __init__(self, place: prism.Place) -> None:
        super().__init__(place)
        self.connection.execute("UPDATE serial SET last = (SELECT count(*) FROM message)")


@mutant("visibility.13", "cleaned at opening", trap="kill; a lease that is open")
class LeasesEndAtOpening(Database):
    """Who opens the file takes all leases for those of dead processes, and ends them."""

    def __init__(self, place: prism.Place) -> None:
        super().__init__(place)
        self.connection.execute("UPDATE message SET token = NULL, from_ms = 0 WHERE token IS NOT NULL")


@mutant("dead_letter.8", "cleaned at opening", trap="kill; a policy whose target is empty")
class PoliciesOfEmptyTargetsAreTidiedUp(Database):
    """Who opens the file removes policies whose queue holds no message."""

    def __init__(self, place: prism.Place) -> None:
        super().__init__(place)
        self.connection.execute(
            "DELETE FROM policy WHERE NOT EXISTS "
            "(SELECT 1 FROM message m WHERE m.namespace = policy.namespace AND m.queue = policy.queue)"
        )


@mutant("delayed.6", "cleaned at opening", also="delayed.1 basic.12", trap="kill; delays are longer than the process lives")
class DelaysEndAtOpening(Database):
    """Who opens the file looks at the token only: what nobody holds is available."""

    def __init__(self, place: prism.Place) -> None:
        super().__init__(place)
        self.connection.execute("UPDATE message SET from_ms = 0 WHERE token IS NULL AND attempts = 0")


class Counting(Database):
    """Counts tokens."""

    count = 0


@mutant("visibility.13", "reused token", also="visibility.5", trap="kill; a stale lease meets a new delivery", store=Counting)
class TokensBeginAgainAtOpening(SqlQueue):
    """Tokens are counted by whoever opened the file."""

    def lend(self, queue: str, row: Any, seconds: float) -> Lease:
        lease = super().lend(queue, row, seconds)
        self.database.count += 1  # type: ignore[attr-defined]
        count = self.database.count  # type: ignore[attr-defined]
        self.database.ask("UPDATE message SET token = ? WHERE id = ?", count, row[0])
        return Lease(lease.queue, lease.message, lease.attempt, str(count))
