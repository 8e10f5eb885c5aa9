"""Mutants of `QueueBasic` that give something other than what was enqueued, or keep what is not theirs."""

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.interfaces import Bytes, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

_CONTENTS = "visibility.1 visibility.15 dead_letter.2 dead_letter.10 priority.4 delayed.4"

# basic.1: what comes out is what was put in


@mutant("basic.1", "encoding", trap="a payload with a zero byte", also=_CONTENTS)
class CutsPayloadAtNul(Queue):
    """A C string."""

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return super().data(payload, operation, queue).split(b"\0")[0]


@mutant("basic.1", "stripping", trap="a payload that ends with white space", also=_CONTENTS)
class StripsPayload(Queue):
    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return super().data(payload, operation, queue).rstrip()


@mutant("basic.1", "encoding", trap="a payload that is not UTF-8", also=_CONTENTS)
class PayloadIsText(Queue):
    """A text column, with replacement characters."""

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return super().data(payload, operation, queue).decode(errors="replace").encode()


@mutant("basic.1", "encoding", trap="a payload with CR LF", also=_CONTENTS)
class NormalisesLineEnds(Queue):
    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return super().data(payload, operation, queue).replace(b"\r\n", b"\n")


@mutant("basic.1", "truncation", trap="a payload of more than 4096 bytes", also=_CONTENTS)
class CutsPayloadAt4096(Queue):
    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return super().data(payload, operation, queue)[:4096]


@mutant("basic.1", "truncation", trap="a payload of more than 65535 bytes", also=_CONTENTS)
class PayloadLengthInSixteenBits(Queue):
    """The length is kept in two bytes, and wraps."""

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        data = super().data(payload, operation, queue)
        return data[: len(data) % 65536]


@mutant("basic.1", "boundary", trap="a payload of exactly 2**n bytes", also=_CONTENTS)
class LastByteOfFullFrameIsLost(Queue):
    """Frames of powers of two, with the terminator written over the last byte."""

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        data = super().data(payload, operation, queue)
        full = len(data) >= 128 and len(data) & (len(data) - 1) == 0
        return data[:-1] if full else data


@mutant("basic.1", "confusion with nothing", trap="an empty payload", also=_CONTENTS + " basic.2 basic.4")
class EmptyPayloadIsNothing(Queue):
    """``if not row.payload``: an empty message is taken and reads as an empty queue."""

    def pop(self, row: Row) -> Any:
        found = super().pop(row)
        return found if row.payload else None


@mutant("basic.1", "confusion with nothing", trap="an empty payload with headers", also=_CONTENTS)
class EmptyPayloadLosesHeaders(Queue):
    def insert(self, row: Row) -> str:
        return super().insert(row if row.payload else replace(row, headers={}))


class _Labels(Queue):
    """Something happens to names and values of headers."""

    def header(self, name: str) -> str:
        return name

    def text(self, value: str) -> str:
        return value

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return {self.header(name): self.text(value) for name, value in super().labels(headers, operation).items()}


@mutant("basic.1", "case", trap="a header name with capitals", also=_CONTENTS)
class LowersHeaderNames(_Labels):
    """As HTTP/2 does."""

    def header(self, name: str) -> str:
        return name.lower()


@mutant("basic.1", "case", trap="a header name that is not Capitalised-Like-This", also=_CONTENTS)
class CanonicalHeaderNames(_Labels):
    """As MIME does; ASCII only."""

    def header(self, name: str) -> str:
        return "-".join(part[:1].upper() + part[1:].lower() if part.isascii() else part for part in name.split("-"))


@mutant("basic.1", "normalisation", trap="a header name that is not NFC", also=_CONTENTS)
class NormalisesHeaderNames(_Labels):
    def header(self, name: str) -> str:
        return unicodedata.normalize("NFC", name)


@mutant("basic.1", "stripping", trap="a header value with white space at an end", also=_CONTENTS)
class StripsHeaderValues(_Labels):
    def text(self, value: str) -> str:
        return value.strip(" \t")


@mutant("basic.1", "encoding", trap="a header value beyond Latin-1", also=_CONTENTS)
class HeaderValuesInLatin1(_Labels):
    def text(self, value: str) -> str:
        return value.encode("latin-1", "replace").decode("latin-1")


@mutant("basic.1", "truncation", trap="a header value of more than 255 bytes", also=_CONTENTS)
class CutsHeaderValuesAt255(_Labels):
    def text(self, value: str) -> str:
        return value.encode()[:255].decode(errors="ignore")


@mutant("basic.1", "type", trap="a header value that reads as a number or a truth value", also=_CONTENTS)
class HeaderValuesThroughJson(_Labels):
    """Whatever parses as JSON is parsed, and written again."""

    def text(self, value: str) -> str:
        try:
            parsed = json.loads(value)
        except ValueError:
            return value
        return parsed if isinstance(parsed, str) else str(parsed)


@mutant("basic.1", "confusion with nothing", trap="an empty header value", also=_CONTENTS)
class DropsEmptyHeaderValues(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return {name: value for name, value in super().labels(headers, operation).items() if value}


@mutant("basic.1", "limit", trap="more than ten headers", also=_CONTENTS)
class KeepsTenHeaders(Queue):
    """As SQS does with attributes."""

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return dict(list(super().labels(headers, operation).items())[:10])


@mutant("basic.1", "encoding", trap="a header value with a line end", also=_CONTENTS)
class HeadersAreLines(Queue):
    """``name:value`` lines."""

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        text = "\n".join(f"{name}\t{value}" for name, value in super().labels(headers, operation).items())
        return dict(line.partition("\t")[::2] for line in text.split("\n") if line)


@mutant("basic.1", "leak", trap="the driver's own headers", also=_CONTENTS)
class AddsHeaderOfItsOwn(Queue):
    """A content type where there are headers, and none has that name."""

    def message(self, row: Row) -> QueueMessage:
        found = super().message(row)
        return replace(found, headers={"content-type": "application/octet-stream", **found.headers}) if row.headers else found


@mutant("basic.1", "wrong result", trap="the id of a message that is taken", also="basic.2 basic.5")
class TakenMessageHasIdOfTheTake(Queue):
    """The id is that of the delivery."""

    def pop(self, row: Row) -> QueueMessage:
        return replace(super().pop(row), id=f"{row.id}-{self.serial()}")


@mutant("basic.1", "wrong result", trap="the id that enqueue returns", also="basic.2 basic.5 visibility.1")
class ReturnsIdOfThePrevious(Queue):
    """The number before the increment."""

    def insert(self, row: Row) -> str:
        super().insert(row)
        return str(int(row.id) - 1)


# basic.8: the queue keeps a copy


@mutant("basic.8", "aliasing", trap="a bytearray changed after the call", also=_CONTENTS + " basic.1")
class KeepsBytearray(Queue):
    """Makes bytes when the message is given."""

    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        data = super().data(payload, operation, queue)
        return payload if isinstance(payload, bytearray) else data  # type: ignore[return-value]

    def message(self, row: Row) -> QueueMessage:
        return replace(super().message(row), payload=bytes(row.payload))


@mutant("basic.8", "aliasing", trap="a memoryview whose buffer changes after the call", also=_CONTENTS + " basic.1")
class KeepsMemoryview(Queue):
    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        data = super().data(payload, operation, queue)
        return payload if isinstance(payload, memoryview) else data  # type: ignore[return-value]

    def message(self, row: Row) -> QueueMessage:
        return replace(super().message(row), payload=bytes(row.payload))


@mutant("basic.8", "aliasing", trap="a mapping of headers changed after the call", also=_CONTENTS + " basic.1")
class KeepsHeadersMapping(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = super().labels(headers, operation)
        return checked if headers is None else headers


@mutant("basic.8", "leak", trap="headers of a peeked message changed by the reader", also="basic.1 basic.5")
class GivesStoredHeaders(Queue):
    """A reader is given the stored map itself."""

    def message(self, row: Row) -> QueueMessage:
        return QueueMessage(row.id, row.payload, row.headers)


@mutant("basic.8", "cache", trap="one mapping enqueued twice, changed in between", also=_CONTENTS + " basic.1")
class CachesHeadersByIdentity(Queue):
    """Encodes a mapping once: the cache is by ``id()`` and keeps the mapping alive."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.cache: dict[int, tuple[object, Mapping[str, str]]] = {}

    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = super().labels(headers, operation)
        return self.cache.setdefault(id(headers), (headers, checked))[1] if headers else checked
