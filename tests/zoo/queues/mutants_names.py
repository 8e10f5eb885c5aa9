"""Mutants of `QueueBasic` that confuse names, and that refuse the wrong things or too late."""

import unicodedata
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from prism_testkit.interfaces import Bytes, InvalidName, PayloadTooLarge, QueueMessage
from prism_testkit.naming import check_headers, check_name, check_payload
from prism_testkit.traits import Limits
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# basic.6: names

_SHARED = "basic.1 basic.2 basic.3 visibility.15 dead_letter.10 priority.4 delayed.4"


class _Alias(Queue):
    """Two names are one."""

    def name(self, queue: str, operation: str) -> str:
        return self.alias(super().name(queue, operation))

    def alias(self, queue: str) -> str:
        raise NotImplementedError


@mutant("basic.6", "case", trap="names that differ in case", also=_SHARED)
class FoldsCase(_Alias):
    def alias(self, queue: str) -> str:
        return queue.casefold()


@mutant("basic.6", "case", trap="names that differ in case, ASCII only", also=_SHARED)
class LowersAscii(_Alias):
    """A column collated NOCASE."""

    def alias(self, queue: str) -> str:
        return "".join(c.lower() if c.isascii() else c for c in queue)


@mutant("basic.6", "normalisation", trap="names equal in NFC", also=_SHARED)
class NormalisesToNfc(_Alias):
    def alias(self, queue: str) -> str:
        return unicodedata.normalize("NFC", queue)


@mutant("basic.6", "normalisation", trap="names equal in NFKC only", also=_SHARED)
class NormalisesToNfkc(_Alias):
    def alias(self, queue: str) -> str:
        return unicodedata.normalize("NFKC", queue)


@mutant("basic.6", "stripping", trap="a name with white space at an end", also=_SHARED)
class StripsNames(_Alias):
    def alias(self, queue: str) -> str:
        return queue.strip() or queue


@mutant("basic.6", "stripping", trap="a name that ends with a blank", also=_SHARED)
class PadsNames(_Alias):
    """CHAR(n): trailing blanks do not count."""

    def alias(self, queue: str) -> str:
        return queue.rstrip(" ") or queue


@mutant("basic.6", "separator", trap="names that differ in a separator", also=_SHARED)
class SeparatorsAreAlike(_Alias):
    """What a broker's name must not hold becomes a dash."""

    def alias(self, queue: str) -> str:
        return "".join("-" if c in ".:/ _" else c for c in queue)


@mutant("basic.6", "separator", trap="a name with a slash at an end or twice", also=_SHARED)
class NamesArePaths(_Alias):
    def alias(self, queue: str) -> str:
        return "/".join(part for part in queue.split("/") if part) or queue


@mutant("basic.6", "truncation", trap="names that differ after 80 characters", also=_SHARED)
class CutsNamesAt80(_Alias):
    """As SQS's limit is."""

    def alias(self, queue: str) -> str:
        return queue[:80]


@mutant("basic.6", "truncation", trap="names that differ in the last byte of 512", also=_SHARED)
class CutsNamesAt511Bytes(_Alias):
    def alias(self, queue: str) -> str:
        return queue.encode()[:511].decode(errors="ignore")


@mutant("basic.6", "encoding", trap="a name with a zero character", also=_SHARED)
class NamesEndAtNul(_Alias):
    def alias(self, queue: str) -> str:
        return queue.split("\0")[0]


@mutant("basic.6", "encoding", trap="a name with a percent sign", also=_SHARED)
class UnquotesNames(_Alias):
    def alias(self, queue: str) -> str:
        return unquote(queue)


@mutant("basic.6", "encoding", trap="names beyond the Basic Multilingual Plane", also=_SHARED)
class NamesInUcs2(_Alias):
    """MySQL's utf8."""

    def alias(self, queue: str) -> str:
        return "".join(c if ord(c) < 0x10000 else "?" for c in queue)


@mutant("basic.6", "type", trap="names that read as equal numbers", also=_SHARED)
class NumericNames(_Alias):
    def alias(self, queue: str) -> str:
        return str(int(queue)) if queue.isascii() and queue.isdecimal() else queue


@mutant("basic.6", "reserved name", trap="a name that begins with an underscore, dot or dollar", also=_SHARED)
class HiddenNamesAreOne(_Alias):
    """The driver keeps names of that kind to itself."""

    def alias(self, queue: str) -> str:
        return "_" if queue[0] in "_.$" else queue


@mutant("basic.6", "pattern", trap="a name with an asterisk, and one that it matches", also=_SHARED)
class StarInNameMatches(Queue):
    """A take is from every queue that begins as the name does up to the star."""

    def rows(self, queue: str) -> list[Row]:
        if not queue.endswith("*"):
            return super().rows(queue)
        found = [
            row
            for name in list(self.space().queues)
            if name.startswith(queue[:-1])
            for row in super(StarInNameMatches, self).rows(name)
        ]
        return sorted(found, key=self.order)


@mutant("basic.6", "missing call", trap="names that differ in case, peeked", also="basic.5")
class OnlyPeekFoldsCase(Queue):
    def name(self, queue: str, operation: str) -> str:
        checked = super().name(queue, operation)
        if operation != "peek":
            return checked
        return next((name for name in self.space().queues if name.casefold() == checked.casefold()), checked)


# basic.7: refusals

_REFUSED = "visibility.15 dead_letter.10 priority.4 delayed.4"


@mutant("basic.7", "missing check", trap="a name with a surrogate", also=_REFUSED)
class ReplacesSurrogates(Queue):
    def name(self, queue: str, operation: str) -> str:
        return super().name(queue.encode(errors="replace").decode(), operation)


@mutant("basic.7", "missing check", trap="a name that is too long", also=_REFUSED)
class CutsLongNames(Queue):
    def name(self, queue: str, operation: str) -> str:
        return super().name(queue.encode(errors="surrogatepass")[:512].decode(errors="surrogatepass"), operation)


@mutant("basic.7", "missing check", trap="the empty name", also=_REFUSED)
class EmptyNameIsDefault(Queue):
    def name(self, queue: str, operation: str) -> str:
        return super().name(queue or "default", operation) if isinstance(queue, str) else super().name(queue, operation)


@mutant("basic.7", "unit", trap="a name at the limit in bytes and over it, not in ASCII", also=_REFUSED)
class CountsCharactersOfNames(Queue):
    """The limit is 512 characters."""

    def name(self, queue: str, operation: str) -> str:
        check_name(queue, operation, "zoo", Limits(max_name=2048))
        if len(queue) > 512:
            raise InvalidName(f"zoo: {operation}: more than 512 characters")
        return queue


@mutant("basic.7", "boundary", trap="a name of exactly the limit", also=_REFUSED)
class RefusesNameAtLimit(Queue):
    def name(self, queue: str, operation: str) -> str:
        check_name(queue, operation, "zoo", Limits(max_name=511))
        return queue


@mutant("basic.7", "boundary", trap="a payload of exactly the limit", also=_REFUSED)
class RefusesPayloadAtLimit(Queue):
    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return check_payload(payload, operation, "zoo", queue, Limits(max_payload=self.limits.max_payload - 1))


@mutant("basic.7", "boundary", trap="a payload of one byte over the limit", also=_REFUSED)
class AcceptsPayloadOverLimit(Queue):
    def data(self, payload: Bytes, operation: str, queue: str) -> bytes:
        return check_payload(payload, operation, "zoo", queue, Limits(max_payload=self.limits.max_payload + 1))


@mutant("basic.7", "missing rule", trap="a payload of exactly the limit, with headers", also=_REFUSED)
class HeadersCountAgainstThePayload(Queue):
    def add(self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, **more: Any) -> str:  # type: ignore[override]
        size = sum(len(name) + len(value) for name, value in self.labels(headers, operation).items())
        check_payload(payload, operation, "zoo", queue, Limits(max_payload=max(1, self.limits.max_payload - size)))
        return super().add(operation, queue, payload, headers, **more)


@mutant("basic.7", "boundary", trap="headers of exactly 8 KiB", also=_REFUSED)
class RefusesHeadersAtLimit(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo", 8191)


@mutant("basic.7", "missing check", trap="headers of more than 8 KiB", also=_REFUSED)
class AcceptsAnyHeaders(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        return check_headers(headers, operation, "zoo", 10**9)


@mutant("basic.7", "unit", trap="headers over the limit in bytes, not in characters", also=_REFUSED)
class CountsCharactersOfHeaders(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = check_headers(headers, operation, "zoo", 10**9)
        if sum(len(name) + len(value) for name, value in checked.items()) > 8192:
            raise PayloadTooLarge(f"zoo: {operation}: too many headers")
        return checked


@mutant("basic.7", "missing rule", trap="headers whose values are within 8 KiB, and whose names are not", also=_REFUSED)
class CountsHeaderValuesOnly(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        checked = check_headers(headers, operation, "zoo", 10**9)
        if sum(len(value.encode()) for value in checked.values()) > 8192:
            raise PayloadTooLarge(f"zoo: {operation}: too many headers")
        return checked


@mutant("basic.7", "missing check", trap="an empty header name", also=_REFUSED)
class AcceptsEmptyHeaderNames(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        if not isinstance(headers, dict):
            return super().labels(headers, operation)
        empty = {name: value for name, value in headers.items() if name == ""}
        return {**super().labels({n: v for n, v in headers.items() if n != ""}, operation), **empty}


@mutant("basic.7", "wrong error", trap="a header value with a surrogate", also=_REFUSED)
class SurrogateInValueIsInvalidName(Queue):
    def labels(self, headers: Mapping[str, str] | None, operation: str) -> Mapping[str, str]:
        try:
            return super().labels(headers, operation)
        except ValueError as error:
            raise InvalidName(str(error)) from error


@mutant("basic.7", "order of steps", trap="illegal headers", also=_REFUSED + " basic.2")
class ChecksHeadersAfterTheInsert(Queue):
    """The message is written, then its headers."""

    def add(self, operation: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, **more: Any) -> str:  # type: ignore[override]
        made = super().add(operation, queue, payload, None, **more)
        row = self.space().queues[self.name(queue, operation)][made]
        self.put(Row(**{**{f: getattr(row, f) for f in row.__slots__}, "headers": self.labels(headers, operation)}))
        return made


@mutant("basic.7", "missing check", trap="peek of an illegal name")
class PeekAcceptsAnyName(Queue):
    async def peek(self, queue: str) -> QueueMessage | None:
        return None if not queue or len(queue) > 512 else await super().peek(queue)


@mutant("basic.7", "wrong error", trap="dequeue of an illegal name")
class DequeueRaisesValueError(Queue):
    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        try:
            return await super().dequeue(queue, timeout_s)
        except InvalidName as error:
            raise ValueError(str(error)) from error


@mutant(
    "basic.7", "order of steps", trap="dequeue with an illegal timeout and a message there", also="basic.1 basic.2 basic.3 basic.4"
)
class ChecksTimeoutAfterTheTake(Queue):
    """The timeout is looked at when there is something to wait for, after a first take that is thrown away with the error."""

    async def dequeue(self, queue: str, timeout_s: float = 0) -> QueueMessage | None:
        found = await super().dequeue(queue)
        timeout = self.timeout(timeout_s, "dequeue")
        return found or await super().dequeue(queue, timeout)
