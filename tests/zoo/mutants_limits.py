"""Mutants of `KeyValueBasic` that refuse the wrong thing, too late or not at all, or that do not copy."""

from collections.abc import Mapping
from typing import cast

from prism_testkit.interfaces import Bytes, InvalidName, PayloadTooLarge
from prism_testkit.naming import check_name, check_payload
from prism_testkit.traits import Limits

from .declare import Mutant, declaring
from .reference import KeyValue, Transaction
from .stores import Entry

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.6: limits


class _CheckedHere(KeyValue):
    """Limits of the harness's own helpers put out of the way; at 4 MB they still stop a runaway check."""

    wide = Limits(max_name=4_000_000, max_payload=4_000_000)

    def named(self, key: str, operation: str) -> str:
        check_name(key, operation, "zoo", self.wide)
        return key

    def loaded(self, value: Bytes, operation: str, key: str) -> bytes:
        return check_payload(value, operation, "zoo", key, self.wide)


@mutant("basic.6", "unit", trap="a name of more than 512 bytes and at most 512 characters", also="batch.5 cas.7 transactional.8")
class NameLimitInCharacters(_CheckedHere):
    def name(self, key: str, operation: str) -> str:
        if len(self.named(key, operation)) > self.limits.max_name:
            raise InvalidName(f"zoo: {operation}: the name has {len(key)} characters")
        return key


@mutant("basic.6", "boundary", trap="a value of exactly max_payload bytes", also="basic.1")
class PayloadLimitExclusive(KeyValue):
    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        data = super().data(value, operation, key)
        if len(data) >= self.limits.max_payload:
            raise PayloadTooLarge(f"zoo: {operation}: {len(data)} bytes")
        return data


@mutant("basic.6", "boundary", trap="a name of exactly max_name bytes", also="basic.3")
class NameLimitExclusive(KeyValue):
    def name(self, key: str, operation: str) -> str:
        if len(super().name(key, operation).encode()) >= self.limits.max_name:
            raise InvalidName(f"zoo: {operation}: the name is too long")
        return key


@mutant("basic.6", "order of steps", trap="a value over the limit, under a key that is present")
class RefusesAfterRemovingOld(KeyValue):
    """Makes room first."""

    async def set(self, key: str, value: Bytes) -> None:
        self.drop(self.name(key, "set"))
        await super().set(key, value)


@mutant(
    "basic.6",
    "wrong error",
    trap="a name that is empty, too long or holds a surrogate",
    also="batch.5 cas.7 transactional.8 scan.6",
)
class BadNameRaisesValueError(KeyValue):
    def name(self, key: str, operation: str) -> str:
        try:
            return super().name(key, operation)
        except InvalidName as error:
            raise ValueError(str(error)) from None


@mutant("basic.6", "missing check", trap="reading or deleting a name that is refused")
class ReadsAcceptAnyName(KeyValue):
    """Whatever cannot be there is missing."""

    async def get(self, key: str) -> bytes | None:
        entry = self.find(key)
        return None if entry is None else entry.value

    async def exists(self, key: str) -> bool:
        return self.find(key) is not None

    async def delete(self, key: str) -> bool:
        return self.drop(key)


@mutant("basic.6", "encoding", trap="a name that holds a surrogate", also="batch.5 cas.7 transactional.8")
class ReplacesSurrogates(KeyValue):
    """Encodes with errors="replace"."""

    def name(self, key: str, operation: str) -> str:
        return super().name(key.encode("utf-8", "replace").decode() if isinstance(key, str) else key, operation)


@mutant("basic.6", "wrong error", trap="a name that holds a surrogate", also="batch.5 cas.7 transactional.8")
class SurrogateErrorLeaks(KeyValue):
    def name(self, key: str, operation: str) -> str:
        if isinstance(key, str):
            key.encode()
        return super().name(key, operation)


@mutant("basic.6", "truncation", trap="a name over the limit", also="basic.3 batch.5 cas.7 transactional.8")
class CutsOverlongNames(_CheckedHere):
    def name(self, key: str, operation: str) -> str:
        return self.named(key, operation).encode()[: self.limits.max_name].decode(errors="ignore")


@mutant("basic.6", "unit", trap="a value of 1,000,001 to 1,048,576 bytes", also="batch.5 cas.7 transactional.8")
class PayloadLimitIsMebibyte(_CheckedHere):
    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        data = self.loaded(value, operation, key)
        if len(data) > 1 << 20:
            raise PayloadTooLarge(f"zoo: {operation}: {len(data)} bytes")
        return data


@mutant("basic.6", "accounting", trap="a value of less than max_name under max_payload", also="basic.1")
class PayloadLimitIncludesName(KeyValue):
    """A record holds both."""

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        data = super().data(value, operation, key)
        if len(data) + len(key.encode()) > self.limits.max_payload:
            raise PayloadTooLarge(f"zoo: {operation}: {len(data)} bytes, and the name")
        return data


@mutant("basic.6", "unit", trap="a memoryview over the limit whose items are wider than a byte")
class MeasuresItems(_CheckedHere):
    """``len()`` of a memoryview counts items."""

    async def set(self, key: str, value: Bytes) -> None:
        name, data = self.name(key, "set"), self.loaded(value, "set", key)
        if len(value) > self.limits.max_payload:
            raise PayloadTooLarge(f"zoo: set: {len(value)} bytes")
        self.apply({name: self.entry(data)})


# basic.7: buffers


class _KeepsBuffers(KeyValue):
    """Values may be the caller's own buffers; readers are given bytes."""

    def value(self, entry: Entry) -> bytes:
        return bytes(entry.value)

    def kept(self, value: Bytes, operation: str, key: str) -> bytes:
        self.data(value, operation, key)
        return cast(bytes, value)


@mutant("basic.7", "aliasing", trap="a bytearray changed after set")
class KeepsCallersBuffer(_KeepsBuffers):
    async def set(self, key: str, value: Bytes) -> None:
        self.apply({self.name(key, "set"): self.entry(self.kept(value, "set", key))})


@mutant("basic.7", "aliasing", trap="a buffer of 1024 bytes or more, changed after any write", also="batch.1 cas.1 transactional.1")
class KeepsLargeBuffers(_KeepsBuffers):
    """Copies only what is small."""

    def data(self, value: Bytes, operation: str, key: str) -> bytes:
        data = super().data(value, operation, key)
        return data if len(data) < 1024 else cast(bytes, value)


@mutant("basic.7", "missing step", trap="a bytearray changed after set_with_ttl")
class TtlWriteKeepsBuffer(_KeepsBuffers):
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        name, data = self.name(key, "set_with_ttl"), self.kept(value, "set_with_ttl", key)
        seconds = self.seconds(ttl_s, "set_with_ttl")
        self.apply({name: self.entry(data, seconds) if seconds > 0 else None})


@mutant("basic.7", "missing step", trap="a bytearray changed after compare_and_swap")
class SwapKeepsBuffer(_KeepsBuffers):
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        name, data = self.name(key, "compare_and_swap"), self.kept(new, "compare_and_swap", key)
        wanted = None if expected is None else self.data(expected, "compare_and_swap", key)
        return self.swap(name, wanted, self.entry(data))


@mutant("basic.7", "missing step", trap="a bytearray changed after batch_set", also="batch.1")
class BatchKeepsBuffers(_KeepsBuffers):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        checked = {self.name(key, "batch_set"): self.kept(value, "batch_set", key) for key, value in items.items()}
        self.apply({name: self.entry(data) for name, data in checked.items()})


@mutant("basic.7", "order of steps", trap="a bytearray changed inside an open transaction", also="transactional.8")
class TransactionCopiesAtCommit(Transaction):
    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        return None if value is None else bytes(value)

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        self.writes[key] = Entry(cast(bytes, value))

    async def commit(self) -> None:
        self.writes = {key: entry and Entry(bytes(entry.value)) for key, entry in self.writes.items()}
        await super().commit()


@mutant("basic.7", "type", trap="the returned buffer is changed", also="basic.1")
class HandsOutOwnBuffer(_KeepsBuffers):
    """Keeps bytearrays, to grow them in place, and gives them away."""

    async def get(self, key: str) -> bytes | None:
        entry = self.find(self.name(key, "get"))
        return None if entry is None else entry.value

    def entry(self, data: bytes, seconds: float | None = None) -> Entry:
        return super().entry(cast(bytes, bytearray(data)), seconds)
