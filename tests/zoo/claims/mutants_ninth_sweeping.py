"""Mutants of the courier: sweeps, agreements, and ends."""

import asyncio
from typing import Any, Self

from prism_patterns.claim_check import Swept
from prism_testkit.interfaces import PrismError
from tests.zoo.declare import Mutant

from .courier import Courier
from .courier_parts import Broom
from .declare import declaring

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("CC7", "greedy", trap="instances with nested prefixes", also="CC4")
class SweepsNestedPrefixes(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            start = f"{self.config.prefix}/"
            async for info in self.store.list_objects(self.config.bucket, start):
                key, dot, consumer = info.key.partition(".acks/")
                if self.is_id(key.rpartition("/")[2]):
                    if not dot:
                        self.born[key] = info.last_modified_ms
                    elif consumer:
                        self.marks.setdefault(key, {})[info.key] = info.last_modified_ms

    broom_type = _Broom


@mutant("CC7", "counter", trap="sixteen failures that are not in a row")
class CountsAllFailures(Courier):
    class _Broom(Broom):
        async def remove(self, key: str) -> bool | None:
            kept = self.in_a_row
            found = await super().remove(key)
            if found is not None:
                self.in_a_row = kept
            return found

    broom_type = _Broom


@mutant("CC7", "wrong one", trap="two removals that fail differently")
class RaisesTheLastError(Courier):
    class _Broom(Broom):
        def end(self) -> None:
            self.errors.reverse()
            super().end()

    broom_type = _Broom


@mutant("CC7", "missing step", trap="a removal of a marker that fails, and the next sweep")
class NeverLooksForOrphans(Courier):
    class _Broom(Broom):
        async def orphans(self, key: str) -> None:
            """They went with their claim."""

    broom_type = _Broom


@mutant("CC7", "greedy", trap="somebody's object whose name begins with that of a claim")
class RemovesWhatBeginsAlike(Courier):
    class _Broom(Broom):
        async def clear(self, key: str, why: str) -> None:
            await super().clear(key, why)
            if not self.errors:
                async for info in self.store.list_objects(self.config.bucket, f"{key}."):
                    self.markers += bool(await self.remove(info.key))

    broom_type = _Broom


@mutant("CC7", "count", trap="two sweeps at once, which tell what they removed")
class CountsWhatItTried(Courier):
    class _Broom(Broom):
        async def remove(self, key: str) -> bool | None:
            found = await super().remove(key)
            return None if found is None else True

    broom_type = _Broom


@mutant("CC7", "count", trap="a marker without a claim")
class CountsNoOrphans(Courier):
    class _Broom(Broom):
        async def orphans(self, key: str) -> None:
            before = self.markers
            await super().orphans(key)
            self.markers = before

    broom_type = _Broom


@mutant("CC7", "stuck", trap="a sweep that is cancelled, and the next one", also="CC4")
class OneSweepAtATime(Courier):
    busy = False

    async def sweep(self) -> Swept:
        if self.busy:
            return Swept()
        self.busy = True
        try:
            found = await super().sweep()
        except Exception:
            self.busy = False
            raise
        self.busy = False
        return found


@mutant("CC7", "skipped", trap="a sweep while another one of the same instance is under way", also="CC4")
class SecondSweepsDoNothing(Courier):
    busy = 0

    async def sweep(self) -> Swept:
        if self.busy:
            return Swept()
        self.busy += 1
        try:
            return await super().sweep()
        finally:
            self.busy -= 1


@mutant("CC7", "wrong condition", trap="a marker without a claim, under retain")
class RetainsClaimsOnly(Courier):
    async def sweep(self) -> Swept:
        if self.config.cleanup != "retain":
            return await super().sweep()
        broom = Broom(self.store, self.config, self)
        await broom.look()
        for key in [key for key in broom.marks if key not in broom.born]:
            await broom.orphans(key)
        return Swept(0, 0, broom.markers)


@mutant("CC7", "state", trap="health after a sweep that failed in part, and one that did not", also="lifecycle.4")
class StaysDegraded(Courier):
    async def sweep(self) -> Swept:
        kept = self.trouble
        found = await super().sweep()
        self.trouble = kept
        return found


@mutant("CC7", "state", trap="health after a sweep that failed in part", also="lifecycle.4")
class APartIsNoTrouble(Courier):
    class _Broom(Broom):
        def end(self) -> None:
            try:
                super().end()
            except PrismError as error:
                error.part = True  # type: ignore[attr-defined]
                raise

    broom_type = _Broom

    async def sweep(self) -> Swept:
        try:
            return await super().sweep()
        except PrismError as error:
            if getattr(error, "part", False):
                self.trouble = ""
            raise


@mutant("CC7", "page", trap="more than a hundred claims that are due")
class AHundredASweep(Courier):
    class _Broom(Broom):
        async def look(self) -> None:
            await super().look()
            self.born = dict(list(self.born.items())[:100]) if len(self.born) > 100 else self.born

    broom_type = _Broom


@mutant("CC7", "misses", trap="a claim that is due, among younger ones that were listed first")
class StopsAtTheFirstYoungOne(Courier):
    class _Broom(Broom):
        async def run(self) -> Swept:
            now_ms = await self.claims.now_ms()
            await self.look()
            for key in list(self.born):
                why = self.due(key, now_ms)
                if not why and self.config.cleanup == "sweep":
                    self.born = dict(list(self.born.items()))
                    break
                if why:
                    await self.clear(key, why)
            for key in [key for key in self.marks if key not in self.born]:
                await self.orphans(key)
            self.end()
            return Swept(self.expired, self.acked, self.markers)

    broom_type = _Broom


@mutant("CC7", "wrong count", trap="claims that were acked, and what the sweep tells of them")
class CountsAllAsExpired(Courier):
    class _Broom(Broom):
        def due(self, key: str, now_ms: int) -> str:
            return "expired" if super().due(key, now_ms) else ""

    broom_type = _Broom


@mutant("CC7", "dies", trap="the worker after a sweep that failed", also="lifecycle.4")
class WorkerGivesUp(Courier):
    async def work(self) -> None:
        await self.clock.sleep(self.every_s)
        while True:
            try:
                await self.sweep()
            except PrismError:
                return
            await self.clock.sleep(self.every_s)


@mutant("CC7", "age", trap="a claim whose message was given back and acked by age", also="CC4")
class ExistsIsEnough(Courier):
    """Markers of a claim that is being put are orphans too: no second look."""

    class _Broom(Broom):
        async def orphans(self, key: str) -> None:
            for mark in self.marks[key]:
                self.markers += bool(await self.remove(mark))

    broom_type = _Broom


# CC8, and ends


@mutant("CC8", "tolerance", trap="two long ages that differ in their seventh digit")
class AgreesToSixDigits(Courier):
    def terms(self) -> dict[str, Any]:
        return super().terms() | {"max_age_s": f"{self.config.max_age_s:g}"}


@mutant("CC8", "leak", trap="an entry that is refused", also="lifecycle.1")
class WorksBeforeItAgrees(Courier):
    async def __aenter__(self) -> Self:
        self.state = "open"
        self.worker = asyncio.create_task(self.work())
        self.state = "new"
        return await super().__aenter__()


@mutant("CC8", "side effect", trap="an entry that is refused because of its slots")
class MakesTheBucketFirst(Courier):
    async def __aenter__(self) -> Self:
        await self.store.create_bucket(self.config.bucket)
        await self.agree()
        return await super().__aenter__()


@mutant("CC8", "wrong key", trap="an agreement under a prefix, another one under a longer prefix")
class AgreesByTheFirstPart(Courier):
    async def agree(self) -> None:
        kept, self.config = self.config, self.config.model_copy(update={"prefix": self.config.prefix.partition("/")[0]})
        try:
            await super().agree()
        finally:
            self.config = kept


@mutant("CC8", "missing", trap="a config whose compression is the default, and one that is not, entered by a retainer")
class RetainersNeedNoAgreement(Courier):
    async def agree(self) -> None:
        if self.config.cleanup != "retain":
            await super().agree()


@mutant("CC7", "leftover", trap="an instance that is closed while its worker sweeps", also="lifecycle.2")
class LeavesItsWorker(Courier):
    async def close(self) -> None:
        self.state = "closed"
        self.worker = None
