"""Mutants of `KeyValueBasic` that store or return another value than was written."""

import zlib
from typing import cast

from prism_testkit.interfaces import Bytes

from .declare import Mutant, declaring
from .reference import KeyValue
from .stores import Changes, Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.1", "encoding", trap="a value that ends in a newline")
class StripsNewlineOnGet(KeyValue):
    """Reads a value as a line of text."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return value[:-1] if value is not None and value.endswith(b"\n") else value


class _RewritesOnSet(KeyValue):
    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        await super().set(name, self.rewritten(name, data))

    def rewritten(self, key: str, data: bytes) -> bytes:
        return data


@mutant("basic.1", "normalisation", trap="a value of less than 4 KiB that holds CR LF")
class FoldsLineEnds(_RewritesOnSet):
    """Writes short values in text mode."""

    def rewritten(self, key: str, data: bytes) -> bytes:
        return data.replace(b"\r\n", b"\n") if len(data) < 4096 else data


@mutant("basic.1", "truncation", trap="a value that holds a NUL which is not its first byte")
class EndsValueAtNul(_RewritesOnSet):
    """Hands the value to a C string; one that starts with NUL is taken for binary."""

    def rewritten(self, key: str, data: bytes) -> bytes:
        return data if data.startswith(b"\0") else data.split(b"\0")[0]


@mutant("basic.1", "encoding", trap="a value that is not UTF-8", also="batch.1 cas.1 cas.5 transactional.1 scan.1")
class ReplacesInvalidUtf8(KeyValue):
    """Keeps values in a text column."""

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        return super().entry(data.decode("utf-8", "replace").encode(), seconds)


@mutant("basic.1", "encoding", trap="a value that begins with the bytes EF BB BF")
class DropsByteOrderMark(KeyValue):
    """Decodes with utf-8-sig."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value is None else value.removeprefix(b"\xef\xbb\xbf")


@mutant("basic.1", "truncation", trap="a value of 65,536 bytes or more")
class CutsValueAt65535(_RewritesOnSet):
    """Keeps the length in 16 bits."""

    def rewritten(self, key: str, data: bytes) -> bytes:
        return data[:65535]


@mutant("basic.1", "boundary", trap="a value whose length is a multiple of 4096, from 8192 on")
class LosesLastFullChunk(_RewritesOnSet):
    """Writes in chunks of 4096, and the loop ends one early when the last one is full."""

    def rewritten(self, key: str, data: bytes) -> bytes:
        return data[:-4096] if len(data) > 4096 and len(data) % 4096 == 0 else data


@mutant("basic.1", "lost write", trap="overwriting by a value of the same length, first and last byte")
class SkipsLookalikeOverwrite(KeyValue):
    """Saves a write when a fingerprint says that nothing changed."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        old = self.find(name)
        if old is None or old.deadline is not None or _fingerprint(old.value) != _fingerprint(data):
            await super().set(name, data)


def _fingerprint(data: bytes) -> tuple[int, bytes, bytes]:
    return len(data), data[:1], data[-1:]


@mutant("basic.1", "sniffing", trap="a value that is itself a zlib stream")
class InflatesWhatLooksDeflated(KeyValue):
    """Compression was added later, and old values are told from new ones by their first bytes."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        try:
            return zlib.decompress(value) if value is not None and value.startswith(b"\x78\x9c") else value
        except zlib.error:
            return value


@mutant("basic.1", "encoding", trap="a value of decimal digits with a leading zero", also="batch.1 cas.5 transactional.1 scan.1")
class KeepsDigitsAsNumber(KeyValue):
    """A column with numeric affinity."""

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        return super().entry(str(int(data)).encode() if data.isdigit() and len(data) < 19 else data, seconds)


@mutant("basic.1", "missing step", trap="overwriting by a shorter value")
class KeepsTailOfLongerValue(_RewritesOnSet):
    """Writes in place and does not truncate."""

    def rewritten(self, key: str, data: bytes) -> bytes:
        old = self.find(key)
        return data if old is None else data + old.value[len(data) :]


@mutant("basic.1", "sentinel", trap="the value b'null'", also="basic.2 basic.5")
class NullIsMissing(KeyValue):
    """Tombstones are stored as a word."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value == b"null" else value


@mutant("basic.1", "lost write", trap="more than 1,000 keys", also="scan.1 batch.1 batch.4")
class EvictsOldestBeyondThousand(KeyValue):
    """A cache's bound."""

    def apply(self, changes: Changes) -> None:
        super().apply(changes)
        rows = self.rows()
        for key in list(rows)[: max(0, len(rows) - 1000)]:
            del rows[key]


@mutant("basic.1", "lost write", trap="one key set three times with nothing between")
class CoalescesThirdWrite(KeyValue):
    """Debounces a key that is written again and again, and forgets to write at the end."""

    last: tuple[str, int] = ("", 0)

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.data(value, "set", key)
        before, times = self.last
        self.last = (name, times + 1 if before == name else 1)
        if self.last[1] != 3:
            await super().set(name, data)

    async def get(self, key: str) -> bytes | None:
        if self.last[1] < 3:
            self.last = ("", 0)
        return await super().get(key)


@mutant("basic.1", "type")
class ReturnsMemoryview(KeyValue):
    """Spares a copy."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value is None else cast(bytes, memoryview(value))


@mutant("basic.1", "type", trap="a value given as a bytearray or memoryview")
class RefusesBuffers(KeyValue):
    """``isinstance(value, bytes)``."""

    async def set(self, key: str, value: Bytes) -> None:
        if not isinstance(value, bytes):
            raise TypeError(f"zoo: set {key[:40]!a}: a value is bytes, not {type(value).__name__}")
        await super().set(key, value)


@mutant("basic.1", "collision", trap="two keys with different values of one length, from 1024 bytes on")
class LongValuesShareSlot(KeyValue):
    """Long values lie in a file of their own, named by what they have: their length."""

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        if len(data) >= 1024:
            self.store.notes[self.namespace, len(data)] = data
        return super().entry(data, seconds)

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value is None else self.store.notes.get((self.namespace, len(value)), value)
