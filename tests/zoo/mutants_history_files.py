"""Mistakes that only a kill shows: graves that are forgotten before what they hide, deadlines that were never written."""

from .declare import Mutant
from .family import Log
from .history_client import Remote, history
from .history_declare import declaring_history
from .history_files import MERGED, Durable, Filing, Known
from .history_server import Node, Row, Space

__all__ = ["MUTANTS", "RIGHT"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

RIGHT = (history("history-remote", Remote), history("history-files", Durable, Filing))
"""The right drivers that the mistakes were put into."""


class YoungestFirst(Filing):
    """Merges the youngest full files, and takes them for the oldest."""

    def merge(self, names: list[str]) -> None:
        super().merge(names[-MERGED:] if len(names) > MERGED else [])


@mutant("basic.12", "durability", trap="kill; a name was deleted long after it was written", node=YoungestFirst)
class MergeForgetsGraves(Durable):
    """A merge of younger files drops the graves of what lies in an older one, and the next start finds it again
    (basho/bitcask#82)."""


class DropsWhatExpired(YoungestFirst):
    """Keeps graves, and leaves out what has expired."""

    def worth_keeping(self, merged: Known) -> Known:
        return {place: row for place, row in merged.items() if row is None or self.alive(row)}


@mutant(
    "ttl.12",
    "durability",
    trap="kill; a name with a deadline that expired was written without one long before",
    also="ttl.10 ttl.2",
    node=DropsWhatExpired,
)
class MergeForgetsWhatExpired(Durable):
    """What expired is dropped with its marker, and the next start finds the value before it (nats-io/nats-server#8505)."""


class ExpireAtOnceInMemory(Filing):
    """Writes no record of an expire that leaves nothing."""

    def expire(self, space: Space, name: bytes, seconds: float) -> bool:
        if seconds > 0 or self.find(space, name) is None:
            return super().expire(space, name, seconds)
        Node.store(self, space, name, None)
        return True


@mutant(
    "basic.12", "durability", trap="kill; expire with no time left was acknowledged", also="ttl.12 ttl.9", node=ExpireAtOnceInMemory
)
class ExpireWithoutTimeIsNotWritten(Durable):
    """An expire with a negative time removes the name in memory only (pmem/kvdk#241)."""


class DeadlinesOfExpireInMemory(Filing):
    """Writes the deadlines that come with a value, and not those that are set later."""

    expiring = False

    def expire(self, space: Space, name: bytes, seconds: float) -> bool:
        self.expiring = True
        done = super().expire(space, name, seconds)
        self.expiring = False
        return done

    def kept(self, changes: Known) -> Known:
        if not self.expiring:
            return changes
        return {place: row and Row(row.value, row.revision) for place, row in changes.items()}


@mutant("ttl.12", "durability", trap="kill; a deadline was set by expire", node=DeadlinesOfExpireInMemory)
class DeadlinesOfOneCommandAreLost(Durable):
    """The deadlines that one of the commands gives are not in the file (dragonflydb/dragonfly#2052)."""


class RewritesLargeValues(Filing):
    """Large values are collected before the graves are looked at."""

    LARGE = 1024

    def worth_keeping(self, merged: Known) -> Known:
        return self.collected | super().worth_keeping(merged)

    def merge(self, names: list[str]) -> None:
        self.collected: Known = {}
        for name in names[:MERGED] if len(names) >= MERGED else []:
            for record in Log(self.directory / name).unread():
                self.collected.update({at: row for at, row in record.items() if row is not None and len(row.value) >= self.LARGE})
        super().merge(names)


@mutant("basic.12", "durability", trap="kill; a large value was written and deleted some files ago", node=RewritesLargeValues)
class RewriteBringsBackLargeValues(Durable):
    """A rewrite of large values ends after the graves of some of them were purged (dgraph-io/badger#2310)."""
