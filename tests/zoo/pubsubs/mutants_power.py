"""Wrong ones that claim `durability="power"`: what is written is not on the disk when its call returns. And a right one."""

from dataclasses import replace

from tests.zoo.declare import Mutant
from tests.zoo.family import Log
from tests.zoo.syncing import LateSyncs, NamelessLog, OnlyTheFirstIsSynced, SyncedLog

from .declare import declaring
from .reference import FilePubSub, backend
from .stores import FileStore, connector

__all__ = ["MUTANTS", "UNUSUAL"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_ALSO = "ordering.11"


class PowerPubSub(FilePubSub):
    """All interfaces over a store that is on the disk before a call returns."""

    traits = replace(FilePubSub.traits, durability="power")


def _store(log: type[Log]) -> type[FileStore]:
    return type(log.__name__, (FileStore,), {"log_type": log})


UNUSUAL = (backend("on-the-disk", PowerPubSub, connector(_store(SyncedLog))),)

_FIRST, _NAMELESS, _LATE = map(_store, (OnlyTheFirstIsSynced, NamelessLog, LateSyncs))


@mutant("persistent.16", "no sync", trap="a loss of power", also=_ALSO, store=FileStore)
class HandedOverIsEnough(PowerPubSub):
    """Records are handed to the operating system, which writes them some time."""


@mutant("persistent.16", "name of the file", trap="a loss of power", also=_ALSO, store=_NAMELESS)
class NameIsNotSynced(PowerPubSub):
    """The log is synced, the directory is not."""


@mutant(
    "persistent.16", "first only", trap="a loss of power, behind the second write", also=_ALSO, store=_store(OnlyTheFirstIsSynced)
)
class SyncsWhenItBegins(PowerPubSub):
    """The log is synced when it is made."""


@mutant("persistent.16", "one behind", trap="a loss of power, behind the last write", also=_ALSO, store=_LATE)
class SyncsWithTheNext(PowerPubSub):
    """A record is synced by the call that writes the next."""
