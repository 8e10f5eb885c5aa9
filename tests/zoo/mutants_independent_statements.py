"""Wrong drivers over SQL: deadlines, transactions, batches and swaps, and what their statements leave out."""

from collections.abc import Sequence
from typing import Any

from prism_testkit.interfaces import Bytes

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_sql import SqlKeyValue, SqlTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("ttl.1", "integer", trap="a time to live of 137 years", also="ttl.6")
class SecondsOf32Bits(SqlKeyValue):
    """Deadlines of expire are cut to the last second of 32 bits, 7 February 2106."""

    def restart(self, row: bytes, ttl_s: float) -> bool:
        if ttl_s > 0 and self.due(ttl_s) > (2**32 - 1) * 10**6 and self.look(row)[0]:
            self.change(row, (2**32 - 1) * 10**6, ttl_s)
            return True
        return super().restart(row, ttl_s)


@mutant("ttl.6", "ttl", trap="expire to later than was given first, then ttl", also="ttl.7")
class ExpireKeepsWhatWasGiven(SqlKeyValue):
    """`expire` of a key that has a deadline leaves the seconds given."""

    def change(self, row: bytes, due: int | None, given: float | None) -> None:
        found = self.live("given", "AND key = ?3", row)
        if due is not None and found and found[0][0] is not None:
            given = found[0][0]
        super().change(row, due, given)


@mutant("ttl.9", "rounding", trap="a time to live under a millisecond", also="ttl.2")
class NoMillisecondIsForEver(SqlKeyValue):
    """Zero whole milliseconds mean no deadline."""

    def restart(self, row: bytes, ttl_s: float) -> bool:
        if ttl_s > 0 and int(ttl_s * 1000) == 0:
            self.keep(row)
            return self.look(row)[0] != 0
        return super().restart(row, ttl_s)


@mutant("ttl.9", "negative", trap="expire by seconds below zero of a key with a time to live", also="ttl.7")
class NegativeMeansNoDeadline(SqlKeyValue):
    """Seconds under -1e6 say, as elsewhere, that there is no deadline."""

    def restart(self, row: bytes, ttl_s: float) -> bool:
        if ttl_s < -1e6:
            self.keep(row)
            return self.look(row)[0] != 0
        return super().restart(row, ttl_s)


@mutant("ttl.10", "left behind", trap="removed with a deadline by one call, created by another", also="ttl.3 ttl.1 ttl.2")
class DeadlinesOutliveTheirKeys(SqlKeyValue):
    """Deadlines are a table of their own, which compare_and_delete forgets and a swap that creates does not look at."""

    def swap(self, row: bytes, expected: bytes | None, new: bytes | None) -> bool:
        orphans = self.database.__dict__.setdefault("orphans", {})
        place = self.namespace, row
        if new is None:
            due = self.live("due, given", "AND key = ?3", row)
            done = super().swap(row, expected, new)
            if done and due[0][0] is not None:
                orphans[place] = due[0]
            return done
        done = super().swap(row, expected, new)
        if done and expected is None and place in orphans:
            self.change(row, *orphans.pop(place))
        return done


@mutant("transactional.5", "versions", trap="a swap between read and commit")
class SwapsKeepTheNumber(SqlKeyValue):
    """A swap updates the value alone, not the number that transactions compare."""

    def swap(self, row: bytes, expected: bytes | None, new: bytes | None) -> bool:
        before = self.look(row)[0]
        done = super().swap(row, expected, new)
        if done and new is not None and before:
            self.database.run("UPDATE entry SET number = ? WHERE space = ? AND key = ?", before, self.namespace, row)
        return done


@mutant("transactional.5", "versions", trap="a key is deleted and written again between read and commit")
class NumbersBeginAnew(SqlKeyValue):
    """A row counts its own writes, from one, and begins again after a delete."""

    def put(self, row: bytes, value: bytes, ttl_s: float | None = None) -> None:
        before = self.database.run("SELECT number FROM entry WHERE space = ? AND key = ?", self.namespace, row).fetchone()
        super().put(row, value, ttl_s)
        number = before[0] + 1 if before else 1
        self.database.run("UPDATE entry SET number = ? WHERE space = ? AND key = ?", number, self.namespace, row)


@mutant("transactional.5", "isolation", trap="a key is read, written in the transaction, and changed by another")
class OwnWritesHideReads(SqlTransaction):
    """A key that is written is not compared: the last writer wins (lost update)."""

    def holds(self) -> bool:
        return all(self.driver.look(row)[0] == number for row, (number, _) in self.met.items() if row not in self.pending)


@mutant(
    "transactional.8", "refusal", trap="a write of the transaction refused by its type, with a write before", also="transactional.2"
)
class ARefusalEndsIt(SqlTransaction):
    """A value of a wrong type leaves None, a removal, where the value was to be."""

    async def set(self, key: str, value: Bytes) -> None:
        row = self.begin("set in a transaction", key)
        self.pending.setdefault(row, None)
        await super().set(key, value)


@mutant("transactional.3", "copy", trap="a buffer changed between a transaction's set and its exit", also="basic.7 transactional.1")
class CopiesAtCommit(SqlTransaction):
    """The value is copied when it is written."""

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        if isinstance(value, memoryview) and value.format == "B":
            self.pending[self.driver.key(key, "set")] = value  # type: ignore[assignment]


@mutant("batch.3", "count", trap="an expired key among those removed", also="ttl.2")
class CountsWhatTheStatementRemoved(SqlKeyValue):
    """Told is how many rows the statements removed."""

    def remove_all(self, rows: Sequence[bytes]) -> int:
        return sum(self.database.run("DELETE FROM entry WHERE space = ? AND key = ?", self.namespace, row).rowcount for row in rows)


@mutant("batch.1", "deadline", trap="a batch over a key with a time to live", also="ttl.3")
class BatchesUpdateInPlace(SqlKeyValue):
    """A batch of one item is an update of the value alone."""

    def put_all(self, rows: Any) -> None:
        if len(rows) > 1:
            super().put_all(rows)
            return
        for row, value in rows.items():
            self._update(row, value)

    def _update(self, row: bytes, value: bytes) -> None:
        found = self.live("due, given", "AND key = ?3", row)
        self.put(row, value)
        if found and found[0][0] is not None:
            self.change(row, *found[0])


@mutant("cas.5", "comparison", trap="bytes that are no text")
class ComparesText(SqlKeyValue):
    """Values that are no UTF-8 are compared as what decoding makes of them."""

    def swap(self, row: bytes, expected: bytes | None, new: bytes | None) -> bool:
        value = self.read(row)
        if value is not None and expected is not None and value.decode(errors="replace") == expected.decode(errors="replace"):
            expected = value
        return super().swap(row, expected, new)


@mutant("cas.4", "deadline", trap="compare_and_delete of a key whose deadline has passed", also="ttl.2")
class RemovesTheExpired(SqlKeyValue):
    """compare_and_delete is one DELETE, with the value and no look at the deadline."""

    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        row, wanted = self.key(key, "compare_and_delete"), self.data(expected, "compare_and_delete", key)
        done = self.database.run(
            "DELETE FROM entry WHERE space = ? AND key = ? AND value = ?", self.namespace, row, wanted
        ).rowcount
        return done == 1
