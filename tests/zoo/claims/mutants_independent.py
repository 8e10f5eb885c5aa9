"""What goes wrong in a claim check of other parts: what is sent, refused, acked and waited for."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from functools import cached_property
from typing import Any

from prism_patterns.claim_check import Claim, ClaimDelivery, Receipt
from prism_testkit.interfaces import BackendUnavailable, CorruptPayload, NotFound, OperationTimeout
from prism_testkit.interfaces.keyvalue import Bytes
from tests.zoo.declare import Mutant

from .declare import declaring
from .independent_claims import OwnClaimCheck, OwnConsumer
from .independent_codec import Stretcher, Sums
from .independent_sweep import Sweep

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


# The six that everybody thinks of.


@mutant("CC3", "the wrong order")
class SendsBeforeItUploads(OwnClaimCheck):
    """The message goes first, so that consumers hear of it early."""

    async def upload(self, first: bytes, rest: AsyncIterator[Bytes] | None) -> Claim:
        self.later = first if rest is None else first + b"".join([bytes(part) async for part in rest])
        sums = Sums()
        sums.add(self.later)
        return Claim(self.config.bucket, self.new_key(), sums.size, sums.checksum, self.config.compression, self.clock.now_ms())

    async def sent(self, topic: str, payload: Any, headers: Any) -> Receipt:
        receipt = await super().sent(topic, payload, headers)
        if receipt.claim is not None:
            await self.store.put_stream(self.config.bucket, receipt.claim.key, self.squeezed(self.later, None, Sums()))
        return receipt


@mutant("CC4", "one ack for all", "two named consumers, one of which acked")
class CountsOneMarkerForAll(OwnClaimCheck):
    """Any marker counts, whoever is named."""

    any_marker = True


@mutant("CC4", "kept in memory", "a restart between the ack and the end of its retention")
class KnowsTheAcksItSawAlone(OwnClaimCheck):
    """Remembers the acks it saw itself, with their instants; markers are written, and read by nobody."""

    @cached_property
    def seen(self) -> set[str]:
        return set()

    async def mark(self, claim: Claim, consumer: str) -> None:
        await super().mark(claim, consumer)
        self.seen.add(claim.key.rpartition("/")[2])


@mutant("CC5", "the wrong bytes", "compression, and an object that was exchanged with its digest")
class ChecksTheDigestOfTheCompressedBytes(OwnClaimCheck):
    """The digest is of what is stored."""

    async def squeezed(self, first: bytes, rest: AsyncIterator[Bytes] | None, sums: Sums) -> AsyncIterator[bytes]:
        other = Sums()
        async for piece in super().squeezed(first, rest, other):
            sums.digest.update(piece)
            yield piece
        sums.size = other.size

    async def fetched(self, claim: Claim) -> AsyncIterator[bytes]:
        stored = b"".join([data async for data in self.read_all(claim)])
        if f"sha256:{hashlib.sha256(stored).hexdigest()}" != claim.checksum:
            raise CorruptPayload(f"{claim.key} was changed")
        stretcher = Stretcher(claim.compression)
        for piece in stretcher.feed(stored):
            yield piece
        yield stretcher.end()

    async def read_all(self, claim: Claim) -> AsyncIterator[bytes]:
        try:
            async for data in self.store.get_stream(claim.bucket, claim.key):
                yield data
        except NotFound as error:
            raise await self.absent(claim) from error


@mutant("CC3", "nothing is undone", "a queue that refuses the message")
class LeavesTheObjectAfterARefusal(OwnClaimCheck):
    """The sweeper will find it."""

    async def refused(self, claim: Claim, refusal: BaseException) -> None:
        return None


@mutant("CC7", "the wrong bound", "a claim whose age is over max_age_s and not over the grace", also="CC4")
class SweepsAClaimInItsGrace(OwnClaimCheck):
    """The grace is forgotten."""

    without_grace = True


class _Due(Sweep):
    def acked(self, markers: Mapping[str, int], now: int) -> bool:
        if getattr(self.owner, "any_marker", False) and markers:
            return now - max(markers.values()) > self.owner.config.retention_after_ack_s * 1000
        return super().acked(markers, now)

    def due(self, claim: str, now: int) -> str | None:
        if getattr(self.owner, "without_grace", False) and now - self.claims.get(claim, now) > self.owner.config.max_age_s * 1000:
            return "expired"
        why = super().due(claim, now)
        seen = getattr(self.owner, "seen", None)
        return None if why == "acked" and seen is not None and claim not in seen else why


for _wrong in (CountsOneMarkerForAll, SweepsAClaimInItsGrace, KnowsTheAcksItSawAlone):
    _wrong.Sweeping = _Due

# The subtler ones: what is sent, and what of it is believed.


@mutant("CC3", "a refusal that is none", "an enqueue that timed out after its message was taken", also="CC4")
class TakesEveryErrorForARefusal(OwnClaimCheck):
    """Removes the object after every error."""

    refusals = (Exception,)


@mutant("CC3", "a refusal that is none", "a queue that is away, after its message was taken", also="CC4")
class TakesAnAbsentQueueForARefusal(OwnClaimCheck):
    """A queue that is not there cannot have taken it."""

    async def sent(self, topic: str, payload: Any, headers: Any) -> Receipt:
        claims: list[Claim] = []
        upload = self.upload

        async def noted(first: bytes, rest: Any) -> Claim:
            claims.append(await upload(first, rest))
            return claims[0]

        self.upload = noted  # type: ignore[method-assign]
        try:
            return await super().sent(topic, payload, headers)
        except BackendUnavailable as error:
            for claim in claims:
                await self.refused(claim, error)
            raise
        finally:
            self.upload = upload  # type: ignore[method-assign]


@mutant("CC3", "undone by cancellation", "a publish that is cancelled while its message is sent", also="CC4")
class RemovesTheObjectOfACancelledPublish(OwnClaimCheck):
    """Cleans up behind itself, whatever ends it but an error of the store."""

    refusals = (asyncio.CancelledError, *OwnClaimCheck.refusals)


@mutant("CC3", "a refusal that is not known", "a queue whose quota is used up")
class DoesNotKnowThatAQuotaIsARefusal(OwnClaimCheck):
    """Only what is wrong with the message is a refusal."""

    refusals = tuple(e for e in OwnClaimCheck.refusals if e.__name__ != "QuotaExceeded")


@mutant("CC4", "remembered by address", "deliveries whose handles are freed", also="CC1")
class RemembersAcksById(OwnClaimCheck):
    """Keeps ``id(handle)`` of what the broker confirmed; the next handle may live at the same address."""

    class Consuming(OwnConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            self.usable()
            seen: set[int] = self.__dict__.setdefault("seen", set())
            if id(delivery.handle) not in seen:
                await self.reader.ack(delivery.handle)
                seen.add(id(delivery.handle))
            if delivery.claim is not None:
                await self.owner.mark(delivery.claim, self.name)


@mutant("CC4", "the wrong order", "a crash between the marker and the broker's ack")
class MarksBeforeItAcks(OwnClaimCheck):
    """The marker is written first, since it may fail."""

    class Consuming(OwnConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            self.usable()
            if delivery.claim is not None:
                await self.owner.mark(delivery.claim, self.name)
            await self.reader.ack(delivery.handle)


@mutant("CC4", "an error that is swallowed", "a marker that cannot be written")
class IgnoresAMarkerThatFails(OwnClaimCheck):
    """The broker has the ack; that is what counts."""

    async def mark(self, claim: Claim, consumer: str) -> None:
        with suppress(BackendUnavailable, OperationTimeout):
            await super().mark(claim, consumer)


@mutant("CC4", "a repeat that is refused", "an ack repeated after its marker failed, on a queue of leases")
class AcksTheBrokerAgainWithEachRepeat(OwnClaimCheck):
    """A lease that was acked has ended, so the repeat raises Conflict and the marker is never written."""

    class Consuming(OwnConsumer):
        async def ack(self, delivery: ClaimDelivery) -> None:
            self.confirmed.clear()
            await super().ack(delivery)


@mutant("CC4", "counted from the first", "two consumers that ack at different times")
class CountsTheRetentionFromTheFirstAck(OwnClaimCheck):
    """min for max."""

    class Sweeping(Sweep):
        def acked(self, markers: Mapping[str, int], now: int) -> bool:
            return super().acked(dict.fromkeys(markers, min(markers.values(), default=0)), now)


@mutant("CC4", "counted from the upload", "an ack long after the publish")
class CountsTheRetentionFromTheUpload(OwnClaimCheck):
    """The age of the object is at hand, that of the marker is not."""

    class Sweeping(Sweep):
        def due(self, claim: str, now: int) -> str | None:
            c = self.owner.config
            if claim in self.claims and now - self.claims[claim] <= c.retention_after_ack_s * 1000:
                return None
            self.markers[claim] = dict.fromkeys(self.markers.get(claim, {}), self.claims.get(claim, now))
            return super().due(claim, now)


@mutant("CC4", "a name that is not hashed twice", "named consumers whose names are long")
class LooksForLongNamesAsTheyAre(OwnClaimCheck):
    """The marker has the hash, the sweep looks for the name."""

    class Sweeping(Sweep):
        def acked(self, markers: Mapping[str, int], now: int) -> bool:
            return all(name in markers for name in self.owner.config.consumers) and super().acked(markers, now)


@mutant("CC4", "names cut at a slash", "a consumer whose name has a slash")
class TakesTheLastPartForTheConsumer(OwnClaimCheck):
    """``key.rpartition('/')``."""

    class Sweeping(Sweep):
        async def look(self) -> None:
            await super().look()
            self.markers = {
                claim: {name.rpartition("/")[2]: at for name, at in found.items()} for claim, found in self.markers.items()
            }
