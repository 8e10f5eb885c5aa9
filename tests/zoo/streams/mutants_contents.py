"""Mutants of `StreamBasic` that change what they are given, refuse what is legal, or take what is not."""

from collections.abc import Mapping
from dataclasses import replace

from prism_testkit.interfaces import Bytes, InvalidName, PayloadTooLarge, Record
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Streams

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_SEEN = "consumer_groups.3"


class _Changes(Streams):
    """Stores something else."""

    def changed(self, record: Record) -> Record:
        raise NotImplementedError

    def insert(self, stream: str, record: Record) -> int:
        return super().insert(stream, self.changed(record))


# basic.2: contents


@mutant("basic.2", "falsy", trap="a record without a key", also=_SEEN)
class NoKeyIsEmptyKey(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, key=record.key or "")


@mutant("basic.2", "wrong value", trap="a record with a key", also=_SEEN + " basic.8")
class LowersKeys(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, key=record.key and record.key.lower())


@mutant("basic.2", "truncation", trap="a key with blanks around it", also=_SEEN + " basic.8")
class StripsKeys(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, key=record.key and (record.key.strip() or record.key))


@mutant("basic.2", "missing step", trap="headers", also=_SEEN + " basic.9")
class LosesHeaders(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, headers={})


@mutant("basic.2", "wrong value", trap="a header with a capital letter", also=_SEEN)
class LowersHeaderNames(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, headers={name.lower(): value for name, value in record.headers.items()})


@mutant("basic.2", "falsy", trap="a header with an empty value", also=_SEEN)
class DropsEmptyHeaders(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, headers={name: value for name, value in record.headers.items() if value})


@mutant("basic.2", "encoding", trap="a header that is not latin-1", also=_SEEN)
class HeadersInLatin1(_Changes):
    def changed(self, record: Record) -> Record:
        def cut(text: str) -> str:
            return text.encode("latin-1", "replace").decode("latin-1")

        return replace(record, headers={cut(name): cut(value) for name, value in record.headers.items()})


@mutant("basic.2", "truncation", trap="a payload with a zero byte", also=_SEEN)
class EndsAtZeroByte(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, payload=record.payload.split(b"\0")[0])


@mutant("basic.2", "encoding", trap="a payload that is no text", also=_SEEN)
class PayloadIsText(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, payload=record.payload.decode(errors="replace").encode())


@mutant("basic.2", "falsy", trap="an empty payload", also=_SEEN + " basic.1")
class EmptyPayloadIsNoRecord(Streams):
    """An empty payload is a tombstone, which no read gives."""

    def insert(self, stream: str, record: Record) -> int:
        super().insert(stream, record)
        if not record.payload:
            self.stream(stream).records.pop()
        return record.offset


@mutant("basic.2", "truncation", trap="a payload of more than 65535 bytes", also=_SEEN + " basic.9")
class CutsAt64K(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, payload=record.payload[:65535])


@mutant("basic.2", "boundary", trap="any append", also="basic.3 basic.6 basic.12 basic.5 consumer_groups.3")
class AppendReturnsTheNextOffset(Streams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        return await super().append(stream, payload, key, headers) + 1


@mutant("basic.2", "confusion", trap="an append after a trim", also="basic.3 basic.6 basic.12")
class AppendReturnsTheNumberOfRecords(Streams):
    def insert(self, stream: str, record: Record) -> int:
        super().insert(stream, record)
        return len(self.stream(stream).records) - 1


@mutant("basic.2", "stale", trap="headers, then a record without any", also=_SEEN)
class HeadersStickToTheStream(_Changes):
    """Headers are merged into those of the last record."""

    def changed(self, record: Record) -> Record:
        slot = self.namespace, "headers", record.key
        self.store.notes[slot] = {**self.store.notes.get(slot, {}), **record.headers}
        return replace(record, headers=self.store.notes[slot])


# basic.9: limits and refusals


@mutant("basic.9", "order of steps", trap="an append that is refused", also="basic.8")
class RefusesAfterTheAppend(Streams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        name = self.name(stream, "append")
        if isinstance(payload, bytes) and len(payload) > self.limits.max_payload:
            self.insert(name, Record(self.new_offset(name), None, b"", {}, self.stamp(name)))
        return await super().append(stream, payload, key, headers)


@mutant("basic.9", "order of steps", trap="an append that is refused for its headers")
class RefusedAppendTakesAnOffset(Streams):
    """`latest_offset` counts what was refused."""

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        try:
            return super().labels(headers, operation)
        except (InvalidName, PayloadTooLarge):
            for log in self.space().streams.values():
                log.latest = log.end
            raise


@mutant("basic.9", "boundary", trap="a payload of exactly the limit")
class RefusesAtTheLimit(Streams):
    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        data = super().data(payload, operation, stream)
        if len(data) == self.limits.max_payload:
            raise PayloadTooLarge(f"zoo: {operation}: too large")
        return data


@mutant("basic.9", "missing check", trap="a payload over the limit")
class TakesAnySize(Streams):
    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        return bytes(payload) if isinstance(payload, bytes) else super().data(payload, operation, stream)


@mutant("basic.9", "wrong condition", trap="a payload of the limit with headers")
class HeadersCountAsPayload(Streams):
    async def append(self, stream: str, payload: Bytes, key: str | None = None, headers: Mapping[str, str] | None = None) -> int:
        size = sum(len(name.encode()) + len(value.encode()) for name, value in self.labels(headers, "append").items())
        if len(bytes(payload)) + size > self.limits.max_payload:
            raise PayloadTooLarge("zoo: append: too large with its headers")
        return await super().append(stream, payload, key, headers)


@mutant("basic.9", "missing check", trap="headers of more than 8 KiB")
class TakesAnyHeaders(Streams):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        try:
            return super().labels(headers, operation)
        except PayloadTooLarge:
            return dict(headers or {})


@mutant("basic.9", "unit", trap="a name of fewer characters than bytes")
class CountsCharactersOfNames(Streams):
    def name(self, stream: str, operation: str) -> str:
        try:
            return super().name(stream, operation)
        except InvalidName:
            if not stream or len(stream) > self.limits.max_name or not stream.isprintable():
                raise
            return stream


@mutant("basic.9", "missing check", trap="a trim with a negative bound", also="basic.7")
class NegativeTrimIsZero(Streams):
    def bound(self, offset: int, operation: str) -> int:
        return max(0, offset) if operation == "trim" else super().bound(offset, operation)


# basic.8: names


class _Names(Streams):
    """Stores a stream under another name."""

    def stored(self, stream: str) -> str:
        raise NotImplementedError

    def name(self, stream: str, operation: str) -> str:
        return self.stored(super().name(stream, operation))


@mutant("basic.8", "missing check", trap="an empty key", also="basic.9")
class TakesEmptyKeys(Streams):
    def key_name(self, key: str, operation: str) -> str:
        return key if key == "" else super().key_name(key, operation)


@mutant("basic.8", "falsy", trap="an empty key", also="basic.9 basic.2")
class EmptyKeyIsNone(Streams):
    def key(self, key: str | None, operation: str) -> str | None:
        return super().key(key or None, operation)


@mutant("basic.8", "folding", trap="names that differ in case", also="basic.11 consumer_groups.13")
class FoldsCase(_Names):
    def stored(self, stream: str) -> str:
        return stream.lower()


@mutant("basic.8", "truncation", trap="long names", also="consumer_groups.13")
class CutsNamesAt255(_Names):
    def stored(self, stream: str) -> str:
        return stream.encode()[:255].decode(errors="ignore")


@mutant("basic.8", "encoding", trap="names with slashes or dots", also="consumer_groups.13")
class SlashesAreDashes(_Names):
    """As in a name of a file."""

    def stored(self, stream: str) -> str:
        return stream.replace("/", "-").replace(":", "-")


@mutant("basic.8", "truncation", trap="names with blanks at the end", also="consumer_groups.13")
class StripsNames(_Names):
    def stored(self, stream: str) -> str:
        return stream.strip() or stream


@mutant("basic.8", "normalization", trap="composed and decomposed letters", also="consumer_groups.13")
class NormalizesNames(_Names):
    def stored(self, stream: str) -> str:
        import unicodedata

        return unicodedata.normalize("NFC", stream)


@mutant("basic.8", "pattern", trap="a name that looks like a pattern of another")
class TrimTakesPatterns(Streams):
    """A star in the name of the stream trims all that match."""

    async def trim(self, stream: str, before: int) -> int:
        if "*" in stream or "%" in stream:
            head = stream.replace("%", "*").split("*")[0]
            for other in [name for name in self.space().streams if name.startswith(head) and name != stream]:
                await super().trim(other, before)
        return await super().trim(stream, before)


@mutant("basic.8", "encoding", trap="a key that is not ASCII", also="basic.2 consumer_groups.3")
class KeysAreAscii(_Changes):
    def changed(self, record: Record) -> Record:
        return replace(record, key=record.key and record.key.encode("ascii", "replace").decode())


# basic.10: copies


@mutant("basic.10", "aliasing of a buffer", trap="a bytearray changed after the append", also="basic.2 basic.4")
class KeepsTheBuffer(Streams):
    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        super().data(payload, operation, stream)
        return payload  # type: ignore[return-value]

    def shown(self, record: Record) -> Record:
        return replace(super().shown(record), payload=bytes(record.payload))


@mutant("basic.10", "aliasing of a mapping", trap="a mapping changed after the append", also="basic.2 basic.4")
class KeepsTheMapping(Streams):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return super().labels(headers, operation) if headers is None else (super().labels(headers, operation), headers)[1]


@mutant("basic.10", "aliasing of what is given", trap="the headers of a record that was read are changed", also="basic.2 basic.4")
class GivesItsOwnHeaders(Streams):
    def shown(self, record: Record) -> Record:
        return record


@mutant("basic.10", "aliasing of a buffer", trap="a memoryview whose buffer changes", also="basic.2 basic.4")
class KeepsTheView(Streams):
    def data(self, payload: Bytes, operation: str, stream: str) -> bytes:
        super().data(payload, operation, stream)
        return payload if isinstance(payload, memoryview) else bytes(payload)  # type: ignore[return-value]

    def shown(self, record: Record) -> Record:
        return replace(super().shown(record), payload=bytes(record.payload))
