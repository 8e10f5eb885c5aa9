"""What an examiner found that no check saw: kinds of streams and of headers, several topics, agreements, sweeps that fail, ids."""

import asyncio
import inspect
import re
import uuid
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from types import TracebackType
from typing import Any, ClassVar

from prism_patterns.claim_check import Claim, ClaimDelivery, ClaimExpired, ClaimNotFound, Receipt, Swept
from prism_testkit.interfaces import (
    AccessDenied,
    BackendUnavailable,
    Bytes,
    ConfigError,
    Conflict,
    NotFound,
    PayloadTooLarge,
    QuotaExceeded,
)
from tests.zoo.declare import Mutant

from .declare import declaring
from .tenth_bills import Bill
from .tenth_freight import Clerk, OnGroups, OnQueues, OnTopics
from .tenth_roads import Came
from .tenth_yard import Lot, Yard, Yardmaster

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# -- streams ---------------------------------------------------------------------------------------------------------------------


@mutant("CC1", "types", trap="a stream that begins anew when it is asked again", also="CC5")
class AsksAStreamTwice(OnQueues):
    """What is left of a stream is asked of the stream, and not of the iterator that its head came from."""

    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        self.__dict__["source"] = payload
        return await super().publish(topic, payload, headers)

    async def joined(self, head: bytes, pieces: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
        async for piece in super().joined(head, aiter(self.__dict__["source"])):
            yield piece


@mutant("CC1", "types", trap="a stream that is no iterator itself")
class TakesIteratorsAlone(OnQueues):
    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        if not isinstance(payload, bytes | bytearray | memoryview | AsyncIterator):
            raise TypeError("a payload is bytes or an iterator")
        return await super().publish(topic, payload, headers)


@mutant("CC1", "types", trap="a stream that is no generator")
class TakesGeneratorsAlone(OnQueues):
    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        if not isinstance(payload, bytes | bytearray | memoryview) and not inspect.isasyncgen(payload):
            raise TypeError("a payload is bytes or a generator")
        return await super().publish(topic, payload, headers)


@mutant("CC1", "types", trap="a long stream whose iterator can do nothing but go on")
class ClosesEveryStream(OnQueues):
    async def joined(self, head: bytes, pieces: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
        async for piece in super().joined(head, pieces):
            yield piece
        closing: Any = pieces
        await closing.aclose()


@mutant("CC3", "errors", trap="a source that breaks with an error of the system")
class TakesAnErrorForTheEnd(OnQueues):
    """A connection that is lost is taken for one that has come to its end."""

    async def joined(self, head: bytes, pieces: AsyncIterator[Bytes]) -> AsyncIterator[bytes]:
        try:
            async for piece in super().joined(head, pieces):
                yield piece
        except OSError:
            return


@mutant("CC3", "errors", trap="a source that breaks before the threshold", also="CC1")
class SendsTheHeadOfWhatBroke(OnQueues):
    async def head(self, pieces: AsyncIterator[Bytes]) -> bytes:
        head = bytearray()
        try:
            async for piece in pieces:
                head += piece
                if not self.is_small(len(head)):
                    break
        except (EOFError, TimeoutError):
            pass
        return bytes(head)


# -- headers and names -----------------------------------------------------------------------------------------------------------


@mutant("CC1", "types", trap="headers that are a mapping, and no dict")
class TakesDictsAlone(OnQueues):
    async def publish(self, topic: str, payload: Bytes | AsyncIterable[Bytes], headers: Mapping[str, str] | None = None) -> Receipt:
        if headers is not None and not isinstance(headers, dict):
            raise TypeError("headers are a dict")
        return await super().publish(topic, payload, headers)


class _Pattern(Bill):
    def put_on(self, headers: Mapping[str, str], room: int) -> dict[str, str]:
        alike = {name: f"!{name}" for name in headers if not self.is_mine(name) and re.fullmatch(_asked(self.field), name)}
        return super().put_on({alike.get(name, name): value for name, value in headers.items()}, room)


def _asked(field: str) -> str:
    return field.replace("\\", "").translate({ord(letter): "." for letter in "()*[]+?|"})


@mutant("CC1", "names", trap="a name of the header that means something in a pattern")
class SearchesByAPattern(OnQueues):
    bill_type = _Pattern


class _CountsLetters(Bill):
    def put_on(self, headers: Mapping[str, str], room: int) -> dict[str, str]:
        out = {(f"!{name}" if self.is_mine(name) else name): value for name, value in headers.items()}
        size = sum(len(name) + len(value) for name, value in out.items())
        if size + room > 8192 or any(len(name) > 512 for name in out):
            raise PayloadTooLarge("headers leave no room")
        return out


@mutant("CC1", "limits", trap="headers of letters of several bytes at their limit")
class CountsLettersForBytes(OnQueues):
    bill_type = _CountsLetters


class _Dashed(Yard):
    def is_id(self, name: str) -> bool:
        return len(name) == 36 and set(name) <= set("0123456789abcdef-")


@mutant("CC7", "names", trap="what characters an id has")
class DashesInIds(OnQueues):
    yard_type = _Dashed

    def new_key(self) -> str:
        return f"{self.config.prefix}/{uuid.uuid4()}"


# -- several topics and instances ------------------------------------------------------------------------------------------------


class _ByNumber(Clerk):
    def delivery(self, came: Came) -> ClaimDelivery:
        made = super().delivery(came)
        known: dict[str, Claim | None] = self.house.__dict__.setdefault("known", {})
        return ClaimDelivery(
            made.message_id,
            made.topic,
            made.headers,
            known.setdefault(f"{self.name} {came.id}", made.claim),
            made.delivery_count,
            made.handle,
        )


@mutant("CC1", "caching", trap="messages of two topics that have one number")
class KnowsClaimsByTheirNumber(OnGroups):
    clerk_type = _ByNumber


@mutant("CC1", "shared state", trap="a drain beside another instance", also="lifecycle.3")
class DrainsTheWholeProcess(OnQueues):
    in_hand: ClassVar[dict[asyncio.Task[Any], int]] = {}

    async def __aenter__(self) -> "DrainsTheWholeProcess":
        self.hand = self.in_hand
        return await super().__aenter__()


@mutant("CC1", "errors", trap="an error of the user", also="lifecycle.2")
class SwallowsTheErrorOfItsUser(OnQueues):
    async def __aexit__(  # type: ignore[override]
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        await self.close()
        return isinstance(error, OSError)


# -- agreements and ages ---------------------------------------------------------------------------------------------------------


class _Given(Yard):
    def agreement(self) -> dict[str, object]:
        return {name: value if name in self.config.model_fields_set else None for name, value in super().agreement().items()}


@mutant("CC8", "comparison", trap="a max_age_s that is left out by one and given by another")
class AgreesOnWhatIsGiven(OnQueues):
    yard_type = _Given


class _Unasked(Yard):
    async def agree(self) -> None:
        try:
            await super().agree()
        except ConfigError:
            if self.config.max_age_s:
                raise


@mutant("CC8", "falsy values", trap="a max_age_s of nothing")
class NothingDisagreesWithNothing(OnQueues):
    yard_type = _Unasked


class _Withdrawn(Yard):
    async def agree(self) -> None:
        try:
            await super().agree()
        except ConfigError:
            await self.store.delete(self.config.bucket, f"{self.root}_config")
            raise


@mutant("CC8", "order of steps", trap="one who was refused and tries again")
class RefusesOnce(OnQueues):
    yard_type = _Withdrawn


class _WholeSeconds(Clerk):
    async def missing(self, claim: Claim, where: str) -> NotFound:
        age_ms = await self.house.yard.now_ms() - claim.stored_ms
        kind = ClaimExpired if age_ms > int(self.house.config.max_age_s) * 1000 else ClaimNotFound
        return kind(f"{where} is gone")


@mutant("CC6", "rounding", trap="a max_age_s that is no whole number, and a read between the two")
class ExpiresAtWholeSeconds(OnQueues):
    clerk_type = _WholeSeconds


# -- sweeps ----------------------------------------------------------------------------------------------------------------------


class _KnowsSome(Yardmaster):
    async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
        try:
            await super().look(claim, lot, now_ms)
        except (BackendUnavailable, AccessDenied, Conflict, QuotaExceeded):
            raise
        except Exception as error:
            raise RuntimeError("the sweep failed") from error


@mutant("CC7", "errors", trap="a removal that times out", also="CC4 lifecycle.4")
class ATimeoutEndsASweep(OnTopics):
    master_type = _KnowsSome


class _TellsNoNumber(Yardmaster):
    def told(self) -> Swept:
        if self.errors:
            raise self.errors[0]
        return super().told()


class _Orphans(Yardmaster):
    async def look(self, claim: str, lot: Lot, now_ms: int) -> None:
        if self.config.cleanup != "retain" or lot.stored_ms is None:
            await super().look(claim, lot, now_ms)


@mutant("CC7", "configuration", trap="markers of what is gone, where everything is retained")
class RetainsClaimsAlone(OnQueues):
    async def swept(self) -> Swept:
        return await _Orphans(self.yard).run()
