"""Wrong ones that claim `durability="power"`: what is written is not on the disk when its call returns. And a right one."""

from dataclasses import replace

from tests.zoo.declare import Mutant
from tests.zoo.family import Log
from tests.zoo.syncing import LateSyncs, NamelessLog, OnlyTheFirstIsSynced, SyncedLog

from .declare import declaring
from .reference import FileStreams, backend
from .stores import FileStore, connector

__all__ = ["MUTANTS", "UNUSUAL"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_ALSO = "consumer_groups.16"


class PowerStreams(FileStreams):
    """All interfaces over a store that is on the disk before a call returns."""

    traits = replace(FileStreams.traits, durability="power")


def _store(log: type[Log]) -> type[FileStore]:
    return type(log.__name__, (FileStore,), {"log_type": log})


UNUSUAL = (backend("on-the-disk", PowerStreams, connector(_store(SyncedLog))),)

_FIRST, _NAMELESS, _LATE = map(_store, (OnlyTheFirstIsSynced, NamelessLog, LateSyncs))


@mutant("basic.15", "no sync", trap="a loss of power", also=_ALSO, store=FileStore)
class HandedOverIsEnough(PowerStreams):
    """Records are handed to the operating system, which writes them some time."""


@mutant("basic.15", "name of the file", trap="a loss of power", also=_ALSO, store=_NAMELESS)
class NameIsNotSynced(PowerStreams):
    """The log is synced, the directory is not."""


@mutant("basic.15", "first only", trap="a loss of power, behind the second write", also=_ALSO, store=_FIRST)
class SyncsWhenItBegins(PowerStreams):
    """The log is synced when it is made."""


@mutant("basic.15", "one behind", trap="a loss of power, behind the last write", also=_ALSO, store=_LATE)
class SyncsWithTheNext(PowerStreams):
    """A record is synced by the call that writes the next."""
