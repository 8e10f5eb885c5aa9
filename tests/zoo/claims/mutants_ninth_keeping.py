"""Mutants of the courier: what is due, what is given back, and what is acked."""

import asyncio
import heapq
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prism_patterns.claim_check import ClaimConsumer, ClaimDelivery
from prism_testkit.interfaces import PrismError
from tests.zoo.declare import Mutant

from .courier import Courier
from .courier_lines import Leases, Remembering
from .courier_parts import Broom, Counter
from .declare import declaring

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC4", "wrong set", trap="somebody who is not named acks long after those who are")
class WaitsForStrangersToo(Courier):
    class _Broom(Broom):
        def done(self, key: str, now_ms: int) -> bool:
            last = max(self.marks.get(key, {}).values(), default=0)
            return super().done(key, now_ms) and now_ms - last > self.config.retention_after_ack_s * 1000

    broom_type = _Broom


@mutant("CC4", "truncation", trap="two consumers whose names have 100 bytes in common")
class CutsLongNames(Courier):
    def marker(self, key: str, consumer: str) -> str:
        short = consumer.encode()[:100].decode(errors="ignore")
        return super().marker(key, short)


@mutant("CC4", "unit", trap="a consumer's name of 60 characters of two bytes: its marker has a hash", also="CC7")
class HashesByCharacters(Courier):
    def marker(self, key: str, consumer: str) -> str:
        return f"{key}.acks/{consumer}" if len(consumer) <= 100 and not consumer.startswith("#") else super().marker(key, consumer)


@mutant("CC4", "parsing", trap="a consumer's name with .acks/ in it", also="CC7")
class ParsesFromTheEnd(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            start = f"{self.config.prefix}/"
            async for info in self.store.list_objects(self.config.bucket, start):
                name, dot, consumer = info.key[len(start) :].rpartition(".acks/")
                if not dot:
                    name = consumer
                if self.is_id(name):
                    if not dot:
                        self.born[start + name] = info.last_modified_ms
                    else:
                        self.marks.setdefault(start + name, {})[info.key] = info.last_modified_ms

    broom_type = _Broom


@mutant("CC4", "parsing", trap="a prefix with .acks/ in it", also="CC7")
class ParsesThePrefixToo(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            async for info in self.store.list_objects(self.config.bucket, f"{self.config.prefix}/"):
                key, dot, _ = info.key.partition(".acks/")
                if self.is_id(key.rpartition("/")[2]) and key.startswith(self.config.prefix + "/"):
                    if dot:
                        self.marks.setdefault(key, {})[info.key] = info.last_modified_ms
                    else:
                        self.born[key] = info.last_modified_ms

    broom_type = _Broom


@mutant("CC4", "parsing", trap="a consumer's name with a slash in it", also="CC7")
class ConsumersHaveNoSlash(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            await super().look()
            for key, marks in self.marks.items():
                self.marks[key] = {m: at for m, at in marks.items() if m.count("/") == key.count("/") + 1}

    broom_type = _Broom


@mutant("CC4", "rounding", trap="max_age_s and grace_period_s with fractions")
class AgeInWholeSecondsOnceMore(Courier):
    class _Broom(Broom):
        def due(self, key: str, now_ms: int) -> str:
            limit = int(self.config.max_age_s) + int(self.config.grace_period_s)
            return "expired" if now_ms - self.born[key] > limit * 1000 else super().due(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "rounding", trap="a retention with a fraction")
class RetentionInWholeSeconds(Courier):
    class _Broom(Broom):
        def done(self, key: str, now_ms: int) -> bool:
            self.config = self.config.model_copy(update={"retention_after_ack_s": int(self.config.retention_after_ack_s)})
            return super().done(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "falsy", trap="a retention of 0")
class ZeroIsTheDefaultRetention(Courier):
    class _Broom(Broom):
        def done(self, key: str, now_ms: int) -> bool:
            if not self.config.retention_after_ack_s:
                self.config = self.config.model_copy(update={"retention_after_ack_s": 300})
            return super().done(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "falsy", trap="a grace of 0", also="CC7")
class ZeroIsTheDefaultGrace(Courier):
    class _Broom(Broom):
        def due(self, key: str, now_ms: int) -> str:
            if not self.config.grace_period_s:
                self.config = self.config.model_copy(update={"grace_period_s": 3600})
            return super().due(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "falsy", trap="a max_age_s of 0", also="CC7")
class ZeroIsTheDefaultAge(Courier):
    class _Broom(Broom):
        def due(self, key: str, now_ms: int) -> str:
            if not self.config.max_age_s:
                self.config = self.config.model_copy(update={"max_age_s": 86400})
            return super().due(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "cache", trap="a second sweep within a minute of the first", also="CC7")
class AsksForTheTimeOnceAMinute(Courier):
    asked: tuple[float, int] | None = None

    async def now_ms(self) -> int:
        if self.asked is None or self.clock.now_s() - self.asked[0] > 60:
            self.asked = self.clock.now_s(), await super().now_ms()
        return self.asked[1]


@mutant("CC4", "cache", trap="a claim that a sweep saw, acked only afterwards", also="CC7")
class LooksAtWhatIsNewOnly(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            await super().look()
            seen = self.claims.notes.setdefault("seen", set())
            for key in self.born:
                if key in seen:
                    self.marks[key] = {}
            seen |= {key for key in self.born if key not in self.marks}

    broom_type = _Broom


@mutant("CC4", "cache", trap="a message that is acked again after a sweep saw its marker")
class RemembersTheFirstAck(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            await super().look()
            first = self.claims.notes.setdefault("first", {})
            for key, marks in self.marks.items():
                self.marks[key] = {name: first.setdefault(name, at) for name, at in marks.items()}

    broom_type = _Broom


@mutant("CC4", "wrong condition", trap="on_ack over QueueVisibility with one named, and somebody else acks")
class AnybodyOnAQueue(Courier):
    class _Broom(Broom):
        def done(self, key: str, now_ms: int) -> bool:
            if not self.claims.line.shared:
                self.config = self.config.model_copy(update={"consumers": ()})
            return super().done(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "wrong condition", trap="on_ack over groups with nobody named: one ack is enough")
class WaitsForTwoGroups(Courier):
    class _Broom(Broom):
        def done(self, key: str, now_ms: int) -> bool:
            few = not self.config.consumers and self.claims.line.shared and len(self.marks.get(key, {})) < 2
            return not few and super().done(key, now_ms)

    broom_type = _Broom


@mutant("CC4", "wrong condition", trap="three named consumers")
class WaitsForTheFirstTwo(Courier):
    class _Broom(Broom):
        def done(self, key: str, now_ms: int) -> bool:
            self.config = self.config.model_copy(update={"consumers": self.config.consumers[:2]})
            return super().done(key, now_ms)

    broom_type = _Broom


# CC4: giving back and acking


@mutant("CC4", "rounding", trap="a nack with a delay that is no whole number")
class DelaysWholeSeconds(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, float(int(delay_s)))

    counter_type = _Counter


@mutant("CC4", "clamp", trap="a nack on a queue for longer than the lease")
class DelaysNoLongerThanALease(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, min(delay_s, 60.0) if isinstance(self.desk, Leases) else delay_s)

    counter_type = _Counter


@mutant("CC4", "clamp", trap="a nack for more than five minutes")
class DelaysNoLongerThanFiveMinutes(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, min(delay_s, 300.0))

    counter_type = _Counter


@mutant("CC4", "client state", trap="a nack with a delay on a queue, and a second consumer")
class HoldsBackByItself(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery)
            self.notes["not_before"] = self.claims.clock.now_s() + delay_s

        async def receive(self, timeout_s: float = 0) -> ClaimDelivery | None:
            wait_s = self.notes.get("not_before", 0.0) - self.claims.clock.now_s()
            if wait_s > 0:
                await self.claims.clock.sleep(min(wait_s, timeout_s))
                if wait_s > timeout_s:
                    return None
            return await super().receive(timeout_s)

    counter_type = _Counter


@mutant("CC4", "comparison", trap="two nacks at one instant over a queue that takes nothing back")
class ComparesParcels(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            if isinstance(self.desk, Remembering):
                heapq.heappush(self.desk.back, (self.claims.clock.now_s() + max(0.0, delay_s), 0, delivery.handle))
            else:
                await super().nack(delivery, delay_s)

    counter_type = _Counter


@mutant("CC4", "replacement", trap="two messages that are given back, over a queue that takes nothing back")
class HoldsOneBack(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            if isinstance(self.desk, Remembering):
                self.desk.back.clear()
            await super().nack(delivery, delay_s)

    counter_type = _Counter


@mutant("CC4", "at once", trap="an ack that the broker refuses, or does not hear")
class AcksAndMarksAtOnce(Courier):
    class _Counter(Counter):
        async def ack(self, delivery: ClaimDelivery) -> None:
            if delivery.claim is None or delivery.handle.settled:
                await super().ack(delivery)
                return
            await asyncio.gather(self.desk.settle(delivery.handle), self.mark(delivery.claim))
            delivery.handle.settled = True

    counter_type = _Counter


@mutant("CC4", "lost retry", trap="an ack whose marker fails, and is repeated")
class MarksOnTheFirstAckOnly(Courier):
    class _Counter(Counter):
        async def ack(self, delivery: ClaimDelivery) -> None:
            if not delivery.handle.settled:
                await super().ack(delivery)

    counter_type = _Counter


@mutant("CC4", "side effect", trap="a consumer that is left after it read and did not ack")
class AcksWhatWasRead(Courier):
    class _Counter(Counter):
        async def read(self, delivery: ClaimDelivery) -> bytes:
            data = await super().read(delivery)
            self.notes.setdefault("done", []).append(delivery)
            return data

    counter_type = _Counter

    @asynccontextmanager
    async def consume(self, topic: str, consumer: str) -> AsyncIterator[ClaimConsumer]:
        async with super().consume(topic, consumer) as counter:
            yield counter
            for delivery in counter.notes.get("done", []):
                if not delivery.handle.settled:
                    try:
                        await counter.ack(delivery)
                    except PrismError:
                        continue


@mutant("CC4", "side effect", trap="a message that one consumer acked and another gives back")
class NackTakesTheMarkersBack(Courier):
    class _Counter(Counter):
        async def nack(self, delivery: ClaimDelivery, delay_s: float = 0) -> None:
            await super().nack(delivery, delay_s)
            if delivery.claim is not None:
                await self.claims.store.delete(delivery.claim.bucket, self.claims.marker(delivery.claim.key, self.consumer))

    counter_type = _Counter
