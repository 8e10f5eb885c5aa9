"""Wrong drivers over a log that claim `durability="power"`: what is not on the disk when a call returns. And a right one."""

import os
from pathlib import Path
from typing import ClassVar

from prism_testkit.traits import Traits

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_cabinet import cabinet_backend
from .independent_journal import Journal, JournalKeyValue
from .syncing import sync

__all__ = ["MUTANTS", "UNUSUAL"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)
_POWER = Traits(durability="power", sharing="processes")
_ALSO = "transactional.1 ttl.12"


class SyncedJournal(Journal):
    """Each record is on the disk before its call returns, and a merged log before it takes the place of the old one."""

    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        new = not path.exists()
        Journal.write(path, data, how)
        sync(path)
        if new:
            sync(path.parent)

    def merge(self) -> None:
        super().merge()
        sync(self.log.parent)


class _PowerKeyValue(JournalKeyValue):
    traits: ClassVar[Traits] = _POWER
    cabinet_type = SyncedJournal


UNUSUAL = (cabinet_backend("zoo-power-journal", _PowerKeyValue),)


class _Handing(SyncedJournal):
    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        Journal.write(path, data, how)


@mutant("basic.12", "no sync", trap="a loss of power", also=_ALSO)
class JournalIsHandedOver(_PowerKeyValue):
    """Records are handed to the operating system, which writes them some time."""

    cabinet_type = _Handing


class _Nameless(SyncedJournal):
    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        Journal.write(path, data, how)
        sync(path)


@mutant("basic.12", "name of the file", trap="a loss of power", also=_ALSO)
class JournalWithoutAName(_PowerKeyValue):
    """The log is synced, the directory that holds its name is not."""

    cabinet_type = _Nameless


class _LooseMerges(SyncedJournal):
    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        if path.suffix == ".draft":
            Journal.write(path, data, how)
        else:
            SyncedJournal.write(path, data, how)


@mutant("basic.12", "order of steps", trap="a loss of power behind a merge", also=_ALSO)
class MergedLogIsNotSynced(_PowerKeyValue):
    """A merged log takes the place of the old one before it is on the disk."""

    cabinet_type = _LooseMerges


class _Unnamed(SyncedJournal):
    def merge(self) -> None:
        Journal.merge(self)


@mutant("basic.12", "missing step", trap="a loss of power behind a write that follows a merge", also=_ALSO)
class MergedNameIsNotSynced(_PowerKeyValue):
    """What is written behind a merge is synced, in a log whose name may still be that of the old one."""

    cabinet_type = _Unnamed


class _OnlyValues(SyncedJournal):
    removing = False

    def remove(self, key: str) -> bool:
        type(self).removing = True
        try:
            return super().remove(key)
        finally:
            type(self).removing = False

    @staticmethod
    def write(path: Path, data: bytes, how: int) -> None:
        if _OnlyValues.removing and how == os.O_APPEND:
            Journal.write(path, data, how)
        else:
            SyncedJournal.write(path, data, how)


@mutant("basic.12", "one kind of write", trap="a loss of power behind a delete", also=_ALSO)
class RemovalsAreNotSynced(_PowerKeyValue):
    """A removal is written, and not waited for."""

    cabinet_type = _OnlyValues
