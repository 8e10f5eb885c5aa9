"""Wrong drivers over a log of events: what is not written down, what is folded wrong, what is looked at too late."""

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.interfaces import Bytes

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .independent_log import Change, EventFile, EventKeyValue, EventTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("basic.1", "value encoding", trap="a value that ends like padding")
class TakesOffPadding(EventKeyValue):
    """Values were padded to blocks once; what looks like padding (n bytes of n) is taken off."""

    def value(self, key: str) -> bytes | None:
        value = super().value(key)
        if value and 1 <= value[-1] <= 16 and len(value) % 16 == 0 and value.endswith(bytes([value[-1]]) * value[-1]):
            return value[: -value[-1]]
        return value


@mutant("basic.3", "name encoding", trap="a key beside one that ends with a tilde or a digit behind one")
class MarksTakenNames(EventKeyValue):
    """A key over 255 bytes is cut there, and its length is put behind."""

    def key(self, key: str, operation: str) -> str:
        super().key(key, operation)
        data = key.encode()
        return key if len(data) <= 255 else data[:250].decode(errors="ignore") + f"~{len(data)}"


@mutant("basic.12", "lazy write", trap="a delete, and kill", also="batch.3")
class RemovalsWaitForTheNext(EventFile):
    """An event that only removes is written with the next one that does not, or at the end."""

    def __init__(self, place: Place) -> None:
        self.waiting = b""
        super().__init__(place)

    def record(self, space: str, changes: Sequence[Change]) -> None:
        self.lazy = all(change.value is None for change in changes)
        super().record(space, changes)

    def emit(self, line: bytes) -> None:
        self.waiting += line
        if not self.lazy:
            super().emit(self.waiting)
            self.waiting = b""

    def close(self) -> bool:
        super().emit(self.waiting)
        return super().close()


@mutant("basic.12", "lazy write", trap="more than 32 writes, and kill", also="ttl.12")
class RewritesItsFile(EventFile):
    """After 32 events the file is written anew, through a buffer that is handed on by and by."""

    events = 0
    buffer: Any = None

    def emit(self, line: bytes) -> None:
        self.events += 1
        if self.events == 32:
            os.ftruncate(self.file, 0)
            self.buffer = self.path.open("wb", buffering=65536)
            for space, versions in self.spaces.items():
                for history in versions.values():
                    text = __import__("json").dumps([space, [self.encoded(history[-1].change)]]).encode()
                    self.buffer.write(self.checksum(text) + b" " + text + b"\n")
        if self.buffer is not None:
            self.buffer.write(line)
        else:
            super().emit(line)

    def close(self) -> bool:
        if self.buffer is not None:
            self.buffer.close()
        return super().close()


@mutant("basic.12", "lazy write", trap="a compare-and-delete or an empty value, and kill")
class EmptyValuesAreRemovals(EventFile):
    """In the file, an empty value is written as none."""

    def encoded(self, change: Change) -> list[Any]:
        return super().encoded(replace(change, value=change.value or None))


@mutant("basic.12", "torn end", trap="a kill in a write, then a write, then another opening")
class GoesOnBehindATornLine(EventFile):
    """What is torn at the end stays, and the next line is written behind it."""

    def __init__(self, place: Place) -> None:
        super().__init__(place)

    def emit(self, line: bytes) -> None:
        half = len(line) // 2
        os.write(self.file, line[:half])
        os.write(self.file, line[half:])

    def replay(self) -> int:
        super().replay()
        return self.path.stat().st_size


@mutant("ttl.12", "restart", trap="a deadline, kill, and time passes before the restart")
class DeadlinesBeginAnew(EventFile):
    """The file holds the seconds given; they are counted from the opening."""

    def decoded(self, key: str, value: str | None, due_ns: int | None, given_s: float) -> Change:
        change = super().decoded(key, value, due_ns, given_s)
        return change if due_ns is None else replace(change, due_ns=self.now_ns() + int(given_s * 1e9))


@mutant("ttl.12", "restart", trap="a deadline with a fraction, kill, and a look before it")
class DeadlinesInWholeSeconds(EventFile):
    """The file holds deadlines in whole seconds, rounded down."""

    def encoded(self, change: Change) -> list[Any]:
        due = change.due_ns
        return super().encoded(change if due is None else replace(change, due_ns=due // 10**9 * 10**9))


@mutant("ttl.12", "restart", trap="expire of a key that has a value, then kill")
class ExpireIsNotWritten(EventFile):
    """An event that changes nothing but the deadline is taken for a repeat, and is not written."""

    def record(self, space: str, changes: Sequence[Change]) -> None:
        if len(changes) == 1:
            history = self.spaces.get(space, {}).get(changes[0].key)
            if history and history[-1].change.due_ns is not None and history[-1].change.value == changes[0].value:
                return
        super().record(space, changes)


@mutant("scan.2", "prefix", trap="a prefix of two characters that may be composed")
class ScansCasefoldedIndex(EventKeyValue):
    """Keys are found by an index of their first two characters in lower case, and then not compared if the prefix is no longer."""

    async def count(self, prefix: str = "") -> int:
        if len(prefix) == 2:
            versions = self.log.spaces.get(self.space, {})
            return sum(self.version(key) is not None for key in versions if key[:2].lower() == prefix.lower())
        return await super().count(prefix)


@mutant("scan.3", "cache", trap="one key is deleted and another created between two scans", also="scan.1 basic.8")
class ReusesItsListing(EventKeyValue):
    """A listing is made again only if the number of keys is another."""

    listing: tuple[int, list[str]] = (0, [])

    async def walk(self, prefix: str, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        number = await self.count()
        if self.listing[0] != number:
            self.listing = number, [key async for key, _ in super().walk("", None)]
        given = 0
        for key in self.listing[1]:
            value = self.value(key)
            if given == limit:
                return
            if key.startswith(prefix) and value is not None:
                given += 1
                yield key, value


@mutant("scan.7", "leak", trap="a scan that is left, and a delete after it", also="basic.4 scan.3")
class DeletesWaitForScans(EventKeyValue):
    """While a scan of the driver is open keys are deleted later; one that is left is open for ever."""

    scanning = 0

    async def walk(self, prefix: str, limit: int | None) -> AsyncIterator[tuple[str, bytes]]:
        if limit is not None:
            async for pair in super().walk(prefix, limit):
                yield pair
            return
        self.scanning += 1
        async for pair in super().walk(prefix, limit):
            yield pair
        self.scanning -= 1

    async def batch_delete(self, keys: Sequence[str]) -> int:
        if self.scanning:
            return len({key for key in keys if self.version(self.key(key, "batch_delete"))})
        return await super().batch_delete(keys)


@mutant("ttl.3", "shortcut", trap="a set of the value that is there, with a time to live", also="ttl.10")
class EqualValuesAreNotWritten(EventKeyValue):
    """`set` of what is there already is no event."""

    async def set(self, key: str, value: Bytes) -> None:
        if self.value(self.key(key, "set")) != self.data(value, "set", key):
            await super().set(key, value)


@mutant("ttl.3", "shortcut", trap="a transaction sets the value that is there, with a time to live", also="transactional.1")
class EqualValuesAreNotCommitted(EventTransaction):
    """A commit leaves out what is there already."""

    def apply(self) -> None:
        self.changes = {key: change for key, change in self.changes.items() if self.driver.value(key) != change.value}
        super().apply()


@mutant("ttl.4", "shortcut", trap="a swap of a value for itself, with a time to live")
class EqualSwapsAreNotWritten(EventKeyValue):
    """A swap for the value that is there says True, and does nothing."""

    def replace(self, key: str, expected: bytes | None, change: Change) -> bool:
        if expected is not None and expected == change.value == self.value(key):
            return True
        return super().replace(key, expected, change)


@mutant("ttl.5", "write back", trap="a key with a deadline is read in a transaction", also="ttl.1 ttl.2 transactional.5")
class WritesBackWhatItRead(EventTransaction):
    """What a transaction that writes has read is written too, without its deadline."""

    def apply(self) -> None:
        if self.changes:
            for key in self.seen:
                value = self.driver.value(key)
                if value is not None:
                    self.changes.setdefault(key, Change(key, value))
        super().apply()


@mutant("ttl.11", "siblings", trap="expire of a key in a batch that was set together", also="ttl.1 ttl.2")
class SharesDeadlinesOfABatch(EventKeyValue):
    """Equal values of a batch share one version, and so one deadline."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        version = self.version(self.key(key, "expire"))
        done = await super().expire(key, ttl_s)
        if version is not None and done and ttl_s > 0:
            for other, history in list(self.log.spaces[self.space].items()):
                if other != key and history[-1].number == version.number and history[-1].change.value == version.change.value:
                    await super().expire(other, ttl_s)
        return done
