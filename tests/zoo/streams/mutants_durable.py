"""Mutants that claim ``durability="process"`` and lose something when the process that wrote is killed.

While it lives all of them are right: what is read is read from memory.
"""

from collections.abc import Sequence
from dataclasses import replace

from prism_testkit.backend import Place
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileStreams, Streams
from .stores import Acked, Change, FileStore, Group, Held

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_BOTH = "consumer_groups.16"


def _g(*numbers: int) -> str:
    return " ".join(f"consumer_groups.{number}" for number in numbers)


class _Selective(FileStore):
    """A change is logged as something else, or not at all."""

    def logged(self, change: Change) -> Change | None:
        raise NotImplementedError

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        super().write(namespace, [kept for change in changes if (kept := self.logged(change)) is not None])


class _Replays(FileStore):
    """A change is replayed as something else."""

    def replayed(self, namespace: str, change: Change) -> Change | None:
        raise NotImplementedError

    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        super().replay(namespace, [kept for change in changes if (kept := self.replayed(namespace, change)) is not None])


class _Buffering(FileStore):
    """Records are handed over later."""

    def __init__(self, place: Place) -> None:
        self.buffer: list[tuple[str, list[Change]]] = []
        super().__init__(place)

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        self.buffer.append((namespace, list(changes)))
        if self.full():
            self.flush()

    def full(self) -> bool:
        return False

    def flush(self) -> None:
        buffer, self.buffer = self.buffer, []
        for namespace, changes in buffer:
            super().write(namespace, changes)

    def close(self) -> None:
        self.flush()


@mutant("basic.15", "empty claim", trap="kill", also=_BOTH)
class OnlyInMemory(Streams):
    """Claims what it does not even try."""

    traits = FileStreams.traits


@mutant("basic.15", "early acknowledgement", trap="kill", also=_BOTH)
class LogsInEights(_Buffering):
    """Group commit that does not wait for its group."""

    def full(self) -> bool:
        return len(self.buffer) >= 8


@mutant("basic.15", "early acknowledgement", trap="kill right after an append", also=_BOTH)
class LogsOneCallLate(_Buffering):
    """Each record goes out with the next one."""

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        self.flush()
        super().write(namespace, changes)


@mutant("basic.15", "size", trap="kill after a payload of more than 4096 bytes", also=_BOTH)
class LargeRecordsWait(_Buffering):
    """Small records are flushed, large ones left to a background writer."""

    def full(self) -> bool:
        _, changes = self.buffer[-1]
        return all(change.record is None or len(change.record.payload) <= 4096 for change in changes)


@mutant("basic.15", "missing step", trap="kill after a trim")
class TrimsAreNotLogged(_Selective):
    """What was trimmed is back after a replay."""

    def logged(self, change: Change) -> Change | None:
        return None if change.trim is not None else change


@mutant("basic.15", "missing step", trap="kill after appends with headers", also=_BOTH)
class HeadersAreNotLogged(_Selective):
    def logged(self, change: Change) -> Change | None:
        return change if change.record is None else replace(change, record=replace(change.record, headers={}))


@mutant("basic.15", "missing step", trap="kill after appends with keys", also=_BOTH)
class KeysAreNotLogged(_Selective):
    def logged(self, change: Change) -> Change | None:
        return change if change.record is None else replace(change, record=replace(change.record, key=None))


@mutant("basic.15", "renumbered", trap="kill after a trim and appends", also=_BOTH + " basic.4 basic.3")
class ReplayRenumbers(_Replays):
    """Offsets are not in the log; a replay counts what it finds since the last trim."""

    def replayed(self, namespace: str, change: Change) -> Change | None:
        if change.record is None or namespace not in self.spaces:
            return change
        log = self.spaces[namespace].stream(change.stream)
        return replace(change, record=replace(change.record, offset=log.floor + len(log.records) if log.records else 0))


@mutant("basic.15", "reuse", trap="kill after a trim of everything, then an append", also="basic.3 basic.6")
class ReplayForgetsTheEnd(FileStore):
    """The next offset is found by a look at the last record kept."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        for space in self.spaces.values():
            for stream in space.streams.values():
                stream.latest = stream.records[-1].offset if stream.records else None


@mutant("basic.15", "boundary", trap="kill", also=_BOTH)
class ReplayDropsTheLastRecord(FileStore):
    """Takes the last record for a torn one, always."""

    def __init__(self, place: Place) -> None:
        self.last: tuple[str, Sequence[Change]] | None = None
        super().__init__(place)

    def replay(self, namespace: str, changes: Sequence[Change]) -> None:
        if self.last is not None:
            super().replay(*self.last)
        self.last = namespace, changes


@mutant("basic.15", "wrong value", trap="kill, time passing before what is left is read", also="basic.13")
class ReplayStampsAnew(_Replays):
    def replayed(self, namespace: str, change: Change) -> Change | None:
        return change if change.record is None else replace(change, record=replace(change.record, appended_ms=self.clock.now_ms()))


@mutant("consumer_groups.16", "missing step", trap="kill after a create_group", also=_g(2, 5, 1, 6))
class GroupsAreNotLogged(_Selective):
    def logged(self, change: Change) -> Change | None:
        return None if change.create is not None else change


@mutant("consumer_groups.16", "wrong value", trap="kill after a create_group at an offset or latest", also=_g(1, 5))
class ReplayedGroupsBeginAtTheOldest(_Replays):
    def replayed(self, namespace: str, change: Change) -> Change | None:
        return change if change.create is None else replace(change, create=0)


@mutant("consumer_groups.16", "wrong value", trap="kill after a create_group, before what it has not given", also=_g(1, 5))
class ReplayedGroupsBeginAtTheEnd(FileStore):
    """Groups that nobody has joined are made again at the end of their stream."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)
        for space in self.spaces.values():
            for stream in space.streams.values():
                for group in stream.groups.values():
                    if not group.pending:
                        group.position = stream.end


@mutant("consumer_groups.5", "lost in death", trap="kill of a member that holds records", also=_g(16, 11))
class TheDeadTakeTheirRecordsAlong(FileStore):
    def bury(self, group: Group) -> None:
        group.members.clear()
        group.pending.clear()


@mutant("consumer_groups.5", "missing step", trap="kill of a member that holds records", also=_g(16, 11))
class TheDeadKeepTheirRecords(FileStore):
    def bury(self, group: Group) -> None:
        pass


@mutant("consumer_groups.5", "late", trap="kill of a member that holds records; they come long after the timeout", also=_g(16))
class TheDeadAreMissedLate(FileStore):
    def bury(self, group: Group) -> None:
        super().bury(group)
        late = self.clock.now_s() + 60
        group.pending = {offset: replace(held, due=late) for offset, held in group.pending.items()}


@mutant("consumer_groups.6", "missing step", trap="kill after acks", also=_g(16))
class AcksAreNotLogged(_Selective):
    """Claims ``ack_survives_kill``."""

    def logged(self, change: Change) -> Change | None:
        return None if isinstance(change.held, Acked) else change


@mutant("consumer_groups.6", "position moved", trap="kill with some of a batch acked", also=_g(16, 5))
class OnlyThePositionSurvives(_Replays):
    """All below the highest ack is acked after a kill."""

    def replayed(self, namespace: str, change: Change) -> Change | None:
        if isinstance(change.held, Acked) and namespace in self.spaces:
            group = self.spaces[namespace].stream(change.stream).groups.get(change.group)
            for offset in [o for o in group.pending if o <= change.offset] if group is not None else ():
                assert group is not None
                del group.pending[offset]
        return change


@mutant("consumer_groups.16", "missing step", trap="kill after nacks", also=_g(5, 6))
class NackedRecordsAreNotLogged(_Selective):
    """What was given back is kept in memory; the log says that it is done."""

    def logged(self, change: Change) -> Change | None:
        if isinstance(change.held, Held) and not change.held.member:
            return replace(change, held=Acked())
        return change


@mutant("consumer_groups.16", "early acknowledgement", trap="kill after a create_group, before the next", also=_g(2, 5, 1, 6))
class GroupsAreLoggedWithTheNext(FileStore):
    """A creation goes out with the one after it."""

    def __init__(self, place: Place) -> None:
        self.waiting_changes: list[Change] = []
        super().__init__(place)

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        made = [change for change in changes if change.create is not None]
        if made:
            changes, self.waiting_changes = self.waiting_changes, made
        super().write(namespace, changes)


@mutant("consumer_groups.16", "boundary", trap="kill of a member that was given records", also=_g(1, 5, 11))
class ReplayedPositionsAreOneFurther(_Replays):
    """The offset in the log is that of the last record given, and one is added once too often."""

    def replayed(self, namespace: str, change: Change) -> Change | None:
        return change if change.position is None else replace(change, position=change.position + 1)
