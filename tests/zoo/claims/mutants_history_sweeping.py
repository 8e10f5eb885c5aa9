"""Wrong depots, after bugs that were reported of others' code: what a sweep removes, and what stops it."""

from prism_patterns.claim_check import Swept
from prism_testkit.interfaces import ConfigError, ObjectNotFound, ObjectStorageConditional
from prism_testkit.pattern import offers
from tests.zoo.declare import Mutant

from .declare import declaring
from .history_broom import Broom, Seen
from .history_depot import Depot, DepotOnQueues, DepotOnTopics

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _OtherKey(Broom):
    async def remove(self, key: str) -> bool | None:
        root = self.root()
        return await super().remove(f"{self._config.prefix}{key.removeprefix(root)}")


@mutant("CC7", "names", "any claim that is due", also="CC4")
class RemovesAnotherKey(DepotOnQueues):
    """The key to remove is put together in another way than the key to store (Particular/NServiceBus.AmazonSQS#251)."""

    broom_type = _OtherKey


class _MarkersFirst(Broom):
    async def clear_claim(self, name: str, acks: list[str], old: bool) -> None:
        await self.clear_markers(name, acks)
        gone = await self.remove(self.claim_key(name))
        self.expired += bool(gone) and old
        self.acked += bool(gone) and not old


@mutant("CC7", "order", "a removal that fails once", also="CC4")
class DropsTheMarkersFirst(DepotOnQueues):
    """What says that something is due goes before it does: if that fails, nobody tries again (aboullaite/fhemni#64)."""

    broom_type = _MarkersFirst


class _Parsing(Broom):
    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        if not name.startswith("_"):
            int(name.partition(".acks/")[0], 36)
        super().note(seen, name, at_ms)


@mutant("CC7", "strangers", "somebody's object of another name under the prefix")
class StumblesOverAName(DepotOnQueues):
    """One thing that cannot be parsed ends the whole round (nspcc-dev/neofs-node#2823)."""

    broom_type = _Parsing


class _Defaulting(Broom):
    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        super().note(seen, name, at_ms)
        if name not in seen.claims and ".acks/" not in name and not name.startswith("_"):
            seen.claims[name] = 0


@mutant("CC7", "strangers", "somebody's object of another name under the prefix")
class TakesTheUnknownForOld(DepotOnQueues):
    """What does not say when it expires did so at the beginning of time (cognizant-ai-lab/neuro-san#1154)."""

    broom_type = _Defaulting


class _OwnPapers(Broom):
    def note(self, seen: Seen, name: str, at_ms: int) -> None:
        if name.startswith("_") and name != "_clock":
            seen.claims[name] = at_ms
        super().note(seen, name, at_ms)


@mutant("CC7", "strangers", "an agreement that is older than any claim", also="CC8")
class SweepsItsOwnPapers(DepotOnQueues):
    """Files that the keeper itself put beside the data count as orphans (apache/amoro#1959)."""

    broom_type = _OwnPapers


class _NextDoor(Broom):
    async def look(self) -> Seen:
        seen = Seen()
        async for info in self._store.list_objects(self._config.bucket, self._config.prefix):
            folder, _, name = info.key.partition("/")
            self.note(seen, name, info.last_modified_ms)
            if name in seen.claims:
                self.homes = {**getattr(self, "homes", {}), name: f"{folder}/{name}"}
        return seen

    def claim_key(self, name: str) -> str:
        homes: dict[str, str] = getattr(self, "homes", {})
        return homes.get(name, super().claim_key(name))


@mutant("CC7", "strangers", "a prefix that begins another")
class SweepsNextDoor(DepotOnQueues):
    """Everything that begins like the prefix is taken for what lies under it (vm0-ai/vm0#22152)."""

    broom_type = _NextDoor


class _Fragile(Broom):
    def is_enough(self) -> bool:
        return bool(self._errors)


@mutant("CC7", "errors", "one removal that fails")
class StopsAtADenial(DepotOnQueues):
    """One object that must not be removed ends the whole round (kopia/kopia#5509)."""

    broom_type = _Fragile


class _Strict(Broom):
    async def remove(self, key: str) -> bool | None:
        gone = await super().remove(key)
        if gone is False:
            self._errors.append(ObjectNotFound(f"{key!r} is not there"))
        return gone


@mutant("CC7", "races", "two sweeps at once")
class FailsWhenItIsGoneAlready(DepotOnQueues):
    """That somebody else removed an object first is an error (apache/iceberg#8670)."""

    broom_type = _Strict


class _OnePage(Broom):
    async def look(self) -> Seen:
        seen, root, count = Seen(), self.root(), 0
        async for info in self._store.list_objects(self._config.bucket, root):
            self.note(seen, info.key.removeprefix(root), info.last_modified_ms)
            count += 1
            if count == 1000:
                break
        return seen


@mutant("CC7", "pages", "more than a thousand objects", also="CC4")
class ForgetsTheNextPage(DepotOnQueues):
    """Asks for the next page by the wrong token, and so sees the first thousand alone (globaldatanet/aws-firewall-factory#613)."""

    broom_type = _OnePage


class _Pages(Broom):
    async def sweep(self) -> Swept:
        offset = 0
        while True:
            listed = sorted([(i.key, i.last_modified_ms) async for i in self._store.list_objects(self._config.bucket, self.root())])
            page, offset = listed[offset : offset + 100], offset + 100
            if not page:
                return Swept(self.expired, self.acked, self.markers)
            seen = Seen()
            for key, at_ms in page:
                self.note(seen, key.removeprefix(self.root()), at_ms)
            await self.clear(seen)
            if self._errors:
                raise self._errors[0]


@mutant("CC7", "pages", "more than a hundred objects, of which some are due", also="CC4")
class SkipsWhatMovedUp(DepotOnQueues):
    """Pages are counted from the beginning, which is elsewhere after removals (floci-io/floci-az#301)."""

    broom_type = _Pages


class _Once(Broom):
    tried: set[str]

    async def remove(self, key: str) -> bool | None:
        if key in self.tried:
            return False
        self.tried.add(key)
        return await super().remove(key)


@mutant("CC7", "retries", "a removal that fails once", also="CC4")
class TriesOnce(DepotOnQueues):
    """What was taken off the list of what to remove is not put back when that fails (ray-project/ray#29014)."""

    tried: set[str]

    def broom(self, now_ms: int) -> Broom:
        broom = _Once(self.store, self.config, now_ms)
        self.tried = broom.tried = getattr(self, "tried", set())
        return broom


class _Locking(Broom):
    async def sweep(self) -> Swept:
        bucket, lock = self._config.bucket, f"{self.root()}_lock"
        if await self._store.exists(bucket, lock):
            return Swept()
        await self._store.put(bucket, lock, b"")
        found = await super().sweep()
        await self._store.delete(bucket, lock)
        return found


@mutant("CC7", "locks", "a sweep that is interrupted", also="CC4")
class LeavesItsLock(DepotOnQueues):
    """Who is interrupted leaves a lock behind, and everybody waits for him forever (restic/restic#3219)."""

    broom_type = _Locking


class _NoMarkers(Broom):
    async def clear_markers(self, name: str, acks: list[str]) -> None:
        return


@mutant("CC7", "markers", "a claim that is removed after its acks")
class LeavesWhatBelongsToIt(DepotOnQueues):
    """What belongs to an object stays when it goes (samvera/hyrax#6334)."""

    broom_type = _NoMarkers


class _NoRest(Broom):
    async def clear_rest(self, name: str, acks: list[str]) -> None:
        return


@mutant("CC7", "markers", "an ack of a claim that is gone")
class LeavesLateMarkers(DepotOnQueues):
    """What belongs to nothing any more is never looked at (statamic/ideas#89)."""

    broom_type = _NoRest


@mutant("CC7", "policies", "a policy that keeps everything", also="CC4")
class SweepsWhatIsRetained(DepotOnQueues):
    """The policy is asked in one of two phases, and the other removes as well (goharbor/harbor#15332)."""

    async def swept(self) -> Swept:
        if self.config.cleanup == "retain":
            broom = self.broom(await self.now_ms())
            seen = await broom.look()
            for name in seen.acks.keys() - seen.claims.keys():
                await broom.clear_rest(name, list(seen.acks[name]))
            return Swept(markers=broom.markers)
        return await super().swept()


@mutant("CC8", "order", "two who disagree")
class OverwritesTheAgreement(DepotOnTopics):
    """Who begins again writes a new configuration over the old one (rustic-rs/rustic#1141)."""

    async def agree(self) -> None:
        await self.store.delete(self.config.bucket, self.key("_config"))
        await super().agree()


@mutant("CC8", "errors", "two who disagree, over a store with conditional puts")
class TakesNoForAnAnswer(Depot):
    """That somebody was first is told in a way that is not looked for (JasperFx/wolverine#4211)."""

    async def agree(self) -> None:
        try:
            await super().agree()
        except ConfigError:
            if not offers(self.store, ObjectStorageConditional):
                raise
