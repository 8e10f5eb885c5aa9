"""Wrong depots, after bugs that were reported of others' code: who acked, and how long ago."""

import contextlib
from typing import Any

from prism_patterns.claim_check import Claim, ClaimDelivery
from prism_testkit.interfaces import PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .history_broom import Broom, Seen, marker_of
from .history_counter import Counter, Given
from .history_depot import DepotOnQueues, DepotOnTopics
from .history_ways import Leases, LeaseStand, Parcel, Way

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _LastPart(Broom):
    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        claim, acks, consumer = name.partition(".acks/")
        super().note(seen, f"{claim}.acks/{consumer.split('/')[-1]}" if acks else name, at_ms)


@mutant("CC4", "names", "a consumer with a slash in its name", also="CC7")
class TakesSlashesForFolders(DepotOnTopics):
    """A name with a slash is looked for under its last part (kurrent-io/KurrentDB#804)."""

    broom_type = _LastPart


def _stem(consumer: str) -> str:
    return marker_of(consumer.split("#")[0] or consumer)


class _StemBroom(Broom):
    def marker(self, consumer: str) -> str:
        return _stem(consumer)


class _StemCounter(Counter):
    def marker(self) -> str:
        return _stem(self._name)


@mutant("CC4", "names", "two consumers alike up to a #")
class CutsNamesAtTheHash(DepotOnTopics):
    """What follows a # in a name is lost, as of a URL (PTCInc/Kepware-ConfigAPI-SDK-Python#26)."""

    counter_type = _StemCounter
    broom_type = _StemBroom


class _EagerCounter(Counter):
    async def ack(self, delivery: ClaimDelivery) -> None:
        self._check("ack")
        async with self._depot.desk.call("ack"):
            given: Given = delivery.handle
            if given.slip is not None:
                await self.mark(given.slip.claim)
            await self.confirm(given)


@mutant("CC4", "order", "an ack that the queue does not take", also="CC3")
class RemovesBeforeTheAck(DepotOnQueues):
    """The payload is let go first, then the message is acked, which may fail (awslabs/amazon-sqs-java-extended-client-lib#29)."""

    counter_type = _EagerCounter


class _Anybody(Broom):
    def last_ack(self, acks: dict[str, int]) -> int | None:
        return max(acks.values(), default=None)


@mutant("CC4", "counting", "two consumers, of whom one acked")
class GoesWithTheFirstWhoAcks(DepotOnTopics):
    """The fastest of several subscribers removes the body (Particular/NServiceBus.AmazonSQS#254)."""

    broom_type = _Anybody


class _DeafCounter(Counter):
    async def confirm(self, given: Given) -> None:
        with contextlib.suppress(PrismError):
            await super().confirm(given)


@mutant("CC4", "errors", "an ack that the queue does not take", also="CC3")
class DoesNotHearThatAnAckFailed(DepotOnQueues):
    """Whether a message was removed is not looked at (bbc/sqs-consumer#193)."""

    counter_type = _DeafCounter


class _ForwardCounter(Counter):
    async def confirm(self, given: Given) -> None:
        if not given.acked:
            given.acked = True
            await self._stand.ack(given.parcel)


@mutant("CC4", "retries", "an ack that fails and is repeated", also="CC3")
class ThinksItAckedWhenItTried(DepotOnQueues):
    """A message counts as acked before the ack succeeded: a repeat does nothing (svix/omniqueue-rs#95)."""

    counter_type = _ForwardCounter


class _Counting(Broom):
    def last_ack(self, acks: dict[str, int]) -> int | None:
        enough = len(acks) >= max(1, len(self._config.consumers))
        return max(acks.values()) if enough else None


@mutant("CC4", "counting", "an ack of somebody who is not named")
class CountsAcks(DepotOnTopics):
    """Takes the number of references for who they are (lsst/qserv#116)."""

    broom_type = _Counting


class _FirstAck(Broom):
    def last_ack(self, acks: dict[str, int]) -> int | None:
        wanted = [self.marker(name) for name in self._config.consumers] or list(acks)
        return min((acks[name] for name in wanted), default=None) if all(name in acks for name in wanted) else None


@mutant("CC4", "times", "two acks, one long after the other")
class CountsFromTheFirstAck(DepotOnTopics):
    """The time runs from an event before the one that makes it due (scality/backbeat#2681)."""

    broom_type = _FirstAck


class _OwnBroom(Broom):
    acks: dict[str, dict[str, int]]

    async def look(self) -> Seen:
        seen = await super().look()
        for key, acks in self.acks.items():
            seen.acks[key.rpartition("/")[2]].update(acks)
        return seen


class _OwnCounter(Counter):
    async def mark(self, claim: Claim) -> None:
        depot: Any = self._depot
        depot.acks.setdefault(claim.key, {})[self.marker()] = await depot.now_ms()


@mutant("CC4", "state", "a sweep of another instance, or after a restart")
class RemembersAcksItself(DepotOnTopics):
    """What belongs into a store that all share is held in memory (MassTransit/MassTransit#2064)."""

    counter_type = _OwnCounter
    acks: dict[str, dict[str, int]]

    def checked(self) -> Way:
        self.acks = {}
        return super().checked()

    def broom(self, now_ms: int) -> Broom:
        broom = _OwnBroom(self.store, self.config, now_ms)
        broom.acks = self.acks
        return broom


class _HastyStand(LeaseStand):
    async def nack(self, parcel: Parcel, delay_s: float) -> None:
        await super().nack(parcel, delay_s / 3)


@mutant("CC4", "times", "a message given back with a delay")
class ShortensDelays(DepotOnQueues):
    """What is given back comes after a third of its delay (apache/pulsar#5344)."""

    def checked(self) -> Way:
        way = super().checked()
        assert isinstance(way, Leases)
        way.stand_type = _HastyStand
        return way


@mutant("CC4", "clocks", "a store whose clock is not ours", also="CC6 CC7")
class AsksTheHostsClock(DepotOnQueues):
    """Ages are judged by the host's clock, objects are stamped by the store's (earth-mover/icechunk#2310)."""

    async def now_ms(self) -> int:
        return self.clock.now_ms()


@mutant("CC4", "clocks", "a second sweep, or a claim that is absent long after the last", also="CC6 CC7")
class AsksAStaleClock(DepotOnQueues):
    """Reads the time off an object that was written a while ago (keiretsu-labs/kubernetes-manifests#2746)."""

    async def now_ms(self) -> int:
        last = await self.store.metadata(self.config.bucket, self.key("_clock"))
        now_ms = await super().now_ms()
        return now_ms if last is None else last.last_modified_ms


class _Idle(Broom):
    async def look(self) -> Seen:
        seen = await super().look()
        instants = [*seen.claims.values(), *(at for acks in seen.acks.values() for at in acks.values())]
        self._now_ms = max(instants, default=0)
        return seen


@mutant("CC4", "clocks", "a claim that nothing newer came after", also="CC7")
class LetsNoTimePassWhenIdle(DepotOnQueues):
    """Ages are those relative to the newest that is there (opensearch-project/time-series-db#17)."""

    broom_type = _Idle


class _WholeSeconds(Broom):
    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        super().note(seen, name, at_ms // 1000 * 1000)


@mutant("CC4", "times", "a sweep less than a second before a claim is due", also="CC7")
class TakesWholeSeconds(DepotOnQueues):
    """Instants lose what is under a second, and so are earlier than they were (earth-mover/icechunk#2368)."""

    broom_type = _WholeSeconds


class _Midnight(Broom):
    def is_old(self, stored_ms: int) -> bool:
        ttl_ms = int(1000 * (self._config.max_age_s + self._config.grace_period_s))
        day_ms = 86_400_000
        due_ms = stored_ms + ttl_ms
        return self._now_ms > (due_ms // day_ms * day_ms if ttl_ms >= day_ms else due_ms)


@mutant("CC4", "times", "a claim that lives for days, on its last", also="CC7")
class GoesAtMidnight(DepotOnQueues):
    """What lives for days goes at the midnight before its time (rustfs/rustfs#2827)."""

    broom_type = _Midnight


class _Millis(Broom):
    def is_done(self, acks: dict[str, int]) -> bool:
        last_ms = self.last_ack(acks) if self._config.cleanup == "on_ack" else None
        return last_ms is not None and self._now_ms - last_ms > self._config.retention_after_ack_s


@mutant("CC4", "units", "a sweep soon after an ack")
class TakesSecondsForMilliseconds(DepotOnQueues):
    """A time in seconds is used as one in milliseconds (twitter-archive/kestrel#30)."""

    broom_type = _Millis
