"""Mutants that claim ``durability="process"`` and lose something of topics when the process is killed (persistent.16)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes
from prism_testkit.traits import Traits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FilePubSub, Member, PubSub
from .stores import Changes, FileStore, Mark, Row, Slot, Start

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Selective(FileStore):
    """Not everything is logged as it is."""

    def logged(self, thing: Row | Start | Mark) -> Row | Start | Mark | None:
        """Return what is written of a change; None for nothing."""
        return thing

    def write(self, namespace: str, changes: Changes) -> None:
        every = {slot: self.logged(thing) for slot, thing in changes.items()}
        super().write(namespace, {slot: thing for slot, thing in every.items() if thing is not None})


@mutant("persistent.16", "empty claim", trap="kill", also="persistent.5")
class OnlyInMemory(PubSub):
    """Claims what it does not even try."""

    traits = Traits(durability="process", ack_survives_kill="yes")


@mutant("persistent.16", "missing step", trap="kill after a publish")
class MessagesAreNotLogged(_Selective):
    def logged(self, thing: Row | Start | Mark) -> Row | Start | Mark | None:
        return None if isinstance(thing, Row) else thing


@mutant("persistent.16", "missing step", trap="kill; a subscription that began as new", also="persistent.1 persistent.5")
class SubscriptionsAreNotLogged(_Selective):
    def logged(self, thing: Row | Start | Mark) -> Row | Start | Mark | None:
        return None if isinstance(thing, Start) else thing


@mutant("persistent.16", "missing step", trap="kill; an ack before it", also="persistent.5")
class AcksAreNotLogged(_Selective):
    """Redelivery is legal, they say; but the claim is that acks survive."""

    def logged(self, thing: Row | Start | Mark) -> Row | Start | Mark | None:
        return replace(thing, acked=False) if isinstance(thing, Mark) else thing


@mutant("persistent.16", "position", trap="kill; an ack out of order before it", also="persistent.5 persistent.4")
class AcksArePositionsInTheLog(FileStore):
    """The log has the highest ack."""

    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, changes)
        space = self.spaces[namespace]
        for slot, thing in changes.items():
            if isinstance(thing, Mark) and thing.acked:
                place = space.topics[slot[0]][slot[2]].place
                space.starts[slot[0], slot[1]] = Start(max(place, space.starts[slot[0], slot[1]].place))


@mutant("persistent.16", "auto-ack", trap="kill while something is held", also="persistent.4 persistent.5")
class DeliveredIsAckedInTheLog(_Selective):
    def logged(self, thing: Row | Start | Mark) -> Row | Start | Mark | None:
        return replace(thing, acked=True) if isinstance(thing, Mark) else thing


@mutant("persistent.16", "missing field", trap="kill; headers", also="persistent.2")
class HeadersAreNotLogged(_Selective):
    def logged(self, thing: Row | Start | Mark) -> Row | Start | Mark | None:
        return replace(thing, message=replace(thing.message, headers={})) if isinstance(thing, Row) else thing


class _Buffering(FileStore):
    """Records are handed over later."""

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
        for record in self.buffer:
            super().write(*record)
        self.buffer.clear()

    def close(self) -> None:
        self.flush()


@mutant("persistent.16", "early acknowledgement", trap="kill after a few writes", also="persistent.5")
class LogsInSixteens(_Buffering):
    """Group commit that does not wait for its group."""

    def full(self) -> bool:
        return len(self.buffer) >= 16


@mutant("persistent.16", "early acknowledgement", trap="kill right after a write", also="persistent.5")
class LogsOneWriteLate(_Buffering):
    def full(self) -> bool:
        ready, self.buffer = self.buffer[:-1], self.buffer[-1:]
        for record in ready:
            FileStore.write(self, *record)
        return False


@mutant("persistent.16", "size", trap="kill after a payload above 4096 bytes")
class LargeMessagesAreLoggedLater(_Buffering):
    """A large record is left to a background writer, which comes when 32 records wait."""

    def full(self) -> bool:
        things = [thing for _, changes in self.buffer for thing in changes.values()]
        large = any(len(thing.message.payload) > 4096 for thing in things if isinstance(thing, Row))
        return not large or len(self.buffer) >= 32


@mutant("persistent.16", "boundary", trap="kill", also="persistent.5")
class ReplayDropsTheLast(FileStore):
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


@mutant("persistent.16", "origin", trap="kill; a subscription with a backlog", also="persistent.1")
class ReplayStartsAtTheEnd(FileStore):
    """Positions are those of the reopening."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        for space in self.spaces.values():
            space.starts = {key: Start(space.serial) for key in space.starts}


@mutant("persistent.16", "origin", trap="kill; a subscription that began as new after a publish", also="persistent.1")
class ReplayStartsAtTheBeginning(FileStore):
    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, {s: Start(0) if isinstance(t, Start) else t for s, t in changes.items()})


@mutant("persistent.16", "wrong mode", trap="kill", also="persistent.5")
class OpenTruncatesTheLog(FileStore):
    def __init__(self, place: Place) -> None:
        (place.directory / "zoo.log").unlink(missing_ok=True)
        super().__init__(place)


@mutant("persistent.16", "identity", trap="kill; publishes before and after", also="persistent.2 persistent.10 persistent.1")
class IdsBeginAnew(FilePubSub):
    """Each process counts from 1, and messages with ids that are known replace the old ones."""

    async def publish_persistent(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        self.store.notes.setdefault(self.namespace, 0)
        return await super().publish_persistent(topic, payload, headers)

    def new_persistent_id(self, topic: str, place: int) -> str:
        self.store.notes[self.namespace] += 1
        return f"p{self.store.notes[self.namespace]}"


@mutant("persistent.16", "selection", trap="kill; a message published while nobody is a member")
class MessagesWithoutMembersAreNotLogged(FilePubSub):
    """What is for nobody who is there stays in memory."""

    async def join(self, member: Member, start: str) -> None:
        await super().join(member, start)
        self.members(member.topic).append(member)

    def members(self, topic: str) -> list[Any]:
        found: list[Any] = self.store.notes.setdefault((self.namespace, topic), [])
        return found

    def insert(self, row: Row) -> None:
        if any(not member.left for member in self.members(row.topic)):
            super().insert(row)
        else:
            self.space().apply({(row.topic, row.message.id): row})
            self.wake()


@mutant("persistent.16", "aliasing", trap="kill; two subscriptions of one topic", also="persistent.6 persistent.5")
class LogsOneSubscriptionATopic(FileStore):
    """Acks are replayed for every subscription of the topic."""

    def replay(self, namespace: str, changes: Changes) -> None:
        super().replay(namespace, changes)
        space = self.spaces[namespace]
        for slot, thing in changes.items():
            if isinstance(thing, Mark) and thing.acked:
                others: list[Slot] = [(t, n, slot[2]) for t, n in space.starts if t == slot[0]]
                space.apply(dict.fromkeys(others, thing))


@mutant("persistent.16", "torn write", trap="much is written, and the process dies while the log is written anew")
class TopicLogsAreWrittenOverThemselves(FileStore):
    """Now and then the log is written over itself."""

    writes = 0

    def write(self, namespace: str, changes: Changes) -> None:
        super().write(namespace, changes)
        self.writes += 1
        if self.writes % 60 == 0:
            self.log.begun_anew()
