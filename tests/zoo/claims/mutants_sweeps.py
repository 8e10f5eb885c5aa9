"""Mutants of the sweep: what it takes that is not due or not ours, what it leaves, and sweeps that meet or end early."""

from prism_patterns.claim_check import ClaimCheckConfig, Swept
from prism_testkit.interfaces import NotFound, ObjectInfo, PrismError
from tests.zoo.declare import Mutant

from .declare import declaring
from .ours import OursOnQueues, OursOnTopics
from .stranger_sweep import Sweep
from .strangers import StrangeClaimCheck

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# CC7: nothing else


@mutant("CC7", "wrong condition", trap="somebody else's old object under the prefix")
class SweepsWhateverIsOldUnderThePrefix(StrangeClaimCheck):
    class _Greedy(Sweep):
        def note(self, found: ObjectInfo) -> None:
            super().note(found)
            name = found.key.removeprefix(f"{self.config.prefix}/")
            if "/" not in name and not name.startswith("_"):
                self.stored[name] = found.last_modified_ms

    sweep_type = _Greedy


@mutant("CC7", "wrong condition", trap="somebody else's old object in a folder under the prefix")
class SweepsFoldersUnderThePrefix(StrangeClaimCheck):
    class _Deep(Sweep):
        def note(self, found: ObjectInfo) -> None:
            super().note(found)
            name = found.key.removeprefix(f"{self.config.prefix}/")
            if "/" in name and ".acks/" not in name:
                self.stored[name] = found.last_modified_ms

    sweep_type = _Deep


@mutant("CC7", "wrong condition", trap="somebody else's object that looks like a marker")
class TakesEveryAcksFolderForItsOwn(StrangeClaimCheck):
    class _Loose(Sweep):
        def note(self, found: ObjectInfo) -> None:
            super().note(found)
            name, dot, consumer = found.key.removeprefix(f"{self.config.prefix}/").partition(".acks/")
            if dot and consumer:
                self.marked.setdefault(name, {})[consumer] = found.last_modified_ms

    sweep_type = _Loose


@mutant("CC7", "leak", trap="claims of another prefix that begins with this one")
class SweepsOtherPrefixesToo(StrangeClaimCheck):
    class _Wide(Sweep):
        async def run(self) -> Swept:
            listed = [found async for found in self.store.list_objects(self.config.bucket, self.config.prefix)]
            for found in listed:
                if (
                    not found.key.startswith(f"{self.config.prefix}/")
                    and self.now_ms - found.last_modified_ms > self.life_s() * 1000
                ):
                    await self.remove(found.key)
            return await super().run()

    sweep_type = _Wide


@mutant("CC7", "wrong condition", trap="an agreement as old as a claim that is due", also="CC8")
class SweepsTheAgreement(StrangeClaimCheck):
    class _Thorough(Sweep):
        async def run(self) -> Swept:
            key = self.key("_config")
            known = await self.store.metadata(self.config.bucket, key)
            if known is not None and self.now_ms - known.last_modified_ms > self.life_s() * 1000:
                await self.remove(key)
            return await super().run()

    sweep_type = _Thorough


@mutant("CC7", "wrong condition", trap="a marker of a claim that still waits for another", also="CC4")
class SweepsOldMarkersOfLiveClaims(OursOnTopics):
    async def swept(self) -> Swept:
        swept, config = await super().swept(), self._config
        if config.cleanup == "on_ack":
            now_ms = await self.now_ms()
            async for found in self._store.list_objects(config.bucket, f"{config.prefix}/"):
                if ".acks/" in found.key and now_ms - found.last_modified_ms > config.retention_after_ack_s * 1000:
                    await self._store.delete(config.bucket, found.key)
        return swept


@mutant("CC7", "order of steps", trap="a sweep that is interrupted between the markers and their claim", also="CC4")
class RemovesMarkersBeforeTheirClaim(StrangeClaimCheck):
    class _Backwards(Sweep):
        async def is_gone(self, identifier: str) -> bool:
            if identifier in self.stored and (self.is_acked(identifier) or self.is_old(identifier)):
                for consumer in self.marked.get(identifier, ()):
                    self.markers += await self.remove(f"{self.key(identifier)}.acks/{consumer}")
            return await super().is_gone(identifier)

    sweep_type = _Backwards


@mutant("CC7", "wrong condition", trap="`retain`", also="CC4")
class RetainsNothing(OursOnQueues):
    def sweeping(self) -> ClaimCheckConfig:
        if self._config.cleanup == "retain":
            return self._config.model_copy(update={"cleanup": "sweep"})
        return self._config


@mutant("CC7", "wrong condition", trap="markers under `retain`", also="CC4")
class RetainsClaimsWithoutTheirMarkers(StrangeClaimCheck):
    async def sweep(self) -> Swept:
        config, markers = self.config, 0
        if config.cleanup != "retain":
            return await super().sweep()
        async for found in self.store.list_objects(config.bucket, f"{config.prefix}/"):
            if ".acks/" in found.key:
                markers += await self.store.delete(config.bucket, found.key)
        return Swept(markers=markers)


# CC7: what it leaves


@mutant("CC7", "missing step", trap="a claim that was acked and swept")
class LeavesMarkers(StrangeClaimCheck):
    class _Untidy(Sweep):
        async def decide(self, identifier: str) -> None:
            await self.is_gone(identifier)

    sweep_type = _Untidy


@mutant("CC7", "missing step", trap="a sweep that is interrupted between a claim and its markers")
class LeavesMarkersOfAnInterruptedSweep(StrangeClaimCheck):
    class _Fresh(Sweep):
        def found(self) -> list[str]:
            return list(self.stored)

    sweep_type = _Fresh


@mutant("CC7", "missing step", trap="a claim that is removed by its age, with the ack of one of two")
class LeavesMarkersOfTheExpired(OursOnTopics):
    class _ByAge(Sweep):
        async def decide(self, identifier: str) -> None:
            if identifier in self.stored and not self.is_acked(identifier):
                await self.is_gone(identifier)
            else:
                await super().decide(identifier)

        def found(self) -> list[str]:
            return list(self.stored)

    sweep_type = _ByAge


@mutant("CC7", "aliasing", trap="a consumer whose name holds a slash", also="CC4")
class LeavesMarkersWithASlash(StrangeClaimCheck):
    class _Flat(Sweep):
        def note(self, found: ObjectInfo) -> None:
            if found.key.removeprefix(f"{self.config.prefix}/").count("/") <= 1:
                super().note(found)

    sweep_type = _Flat


@mutant("CC7", "swallowed error", trap="a removal that fails once, and a sweep after it", also="CC4")
class EndsSweepingAtTheFirstError(StrangeClaimCheck):
    async def sweep(self) -> Swept:
        if self.__dict__.get("_ended"):
            return Swept()
        try:
            return await super().sweep()
        except PrismError:
            self._ended = True
            raise


@mutant("CC7", "swallowed error", trap="a removal that fails once, and is said to be done", also="CC4")
class SaysNothingOfAFailedRemoval(StrangeClaimCheck):
    class _Quiet(Sweep):
        async def run(self) -> Swept:
            try:
                return await super().run()
            except PrismError:
                return Swept(self.expired, self.acked, self.markers)

    sweep_type = _Quiet


@mutant("CC7", "forgotten state", trap="a sweep that failed, and a later one by the same instance", also="CC4")
class RemembersWhatItTriedToRemove(StrangeClaimCheck):
    async def sweep(self) -> Swept:
        tried: set[str] = self.__dict__.setdefault("_tried", set())

        class Once(Sweep):
            async def remove(self, key: str) -> bool:
                if key in tried:
                    return False
                tried.add(key)
                return await super().remove(key)

        self.sweep_type = Once
        return await super().sweep()


@mutant("CC7", "wrong error", trap="two sweeps at once")
class ExpectsToSweepAlone(StrangeClaimCheck):
    class _Alone(Sweep):
        async def remove(self, key: str) -> bool:
            if not await super().remove(key):
                raise NotFound(f"{key} went away")
            return True

    sweep_type = _Alone


@mutant("CC7", "lock", trap="a sweep that is interrupted, and a later one")
class LocksASweepWithAnObject(StrangeClaimCheck):
    """A lock without a deadline outlives its holder."""

    async def sweep(self) -> Swept:
        if self.config.cleanup == "retain":
            return Swept()
        key = f"{self.config.prefix}/_sweeping"
        if await self.store.exists(self.config.bucket, key):
            return Swept()
        await self.store.put(self.config.bucket, key, b"")
        swept = await super().sweep()
        await self.store.delete(self.config.bucket, key)
        return swept


@mutant("CC7", "wrong count", trap="any sweep that removes something")
class CountsWhatItLooksAt(StrangeClaimCheck):
    class _Counting(Sweep):
        async def run(self) -> Swept:
            swept = await super().run()
            return Swept(max(swept.expired, len(self.stored)), swept.acked, swept.markers)

    sweep_type = _Counting


@mutant("CC7", "wrong count", trap="a claim that is removed by its age")
class CountsEverythingAsAcked(StrangeClaimCheck):
    class _Mixing(Sweep):
        async def run(self) -> Swept:
            swept = await super().run()
            return Swept(0, swept.acked + swept.expired, swept.markers)

    sweep_type = _Mixing
