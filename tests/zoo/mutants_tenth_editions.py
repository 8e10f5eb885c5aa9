"""Wrong drivers over chains of editions: numbers that come again, looks that lose their ground, answers kept too long."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from prism_testkit.interfaces import Bytes, InvalidName
from prism_testkit.naming import check_limit, check_prefix

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .tenth_editions import Change, Edition, Editions, Space
from .tenth_keyvalue import EditionKeyValue

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant(
    "basic.8", "stale cache", trap="a key deleted by another client and written again with as many bytes", also="basic.1 basic.10"
)
class KnownByItsLength(EditionKeyValue):
    """What was read is good as long as the value has the length that it had."""

    async def get(self, key: str) -> bytes | None:
        name = self.key(key, "get")
        edition, known = self.now(name), self.known.get(name)
        if known is not None and edition is not None and edition.value is not None and len(edition.value) == len(known[1]) > 32:
            await self.hop()
            return known[1]
        return await super().get(key)


@mutant(
    "basic.8",
    "numbers come again",
    trap="a key read, written until its chain is cut and is as long again, and read",
    also="basic.1 basic.10 transactional.5",
)
class StampIsTheLengthOfTheChain(Editions):
    """The number of a key is how many editions it has; cutting the chain makes numbers come again."""

    def stamp(self, space: Space, key: str) -> int:
        return 0 if self.look(space, key) is None else len(space.chains[key])


@mutant("basic.3", "decoding", trap="a key that begins with U+FEFF beside the same without it", also="scan.2 scan.1 basic.2")
class ByteOrderMarksAreDropped(EditionKeyValue):
    """Names are decoded with ``utf-8-sig``."""

    def key(self, key: str, call: str) -> str:
        return super().key(key, call).encode().decode("utf-8-sig") or super().key(key, call)


@mutant("basic.3", "shortened", trap="two keys of more than 256 bytes that differ in their middle only", also="basic.1 scan.1")
class LongKeysLoseTheirMiddle(EditionKeyValue):
    def key(self, key: str, call: str) -> str:
        name = super().key(key, call)
        return name if len(name) <= 256 else name[:120] + f"~{len(name)}~" + name[-120:]


@mutant("basic.4", "race", trap="two deletes of one key at once", also="basic.10")
class DeleteLooksFirst(EditionKeyValue):
    async def delete(self, key: str) -> bool:
        key = self.key(key, "delete")
        found = self.now(key) is not None
        await self.hop()
        if found:
            self.write((key, None))
        return found


@mutant(
    "basic.5", "stale cache", trap="a key read by one client, deleted by another, and asked for by the first", also="basic.8 ttl.2"
)
class ExistsTrustsWhatWasRead(EditionKeyValue):
    async def exists(self, key: str) -> bool:
        return await super().exists(key) or key in self.known


@mutant("basic.6", "length", trap="a memoryview of items of four bytes, of more bytes than are allowed")
class ItemsAreCountedForBytes(EditionKeyValue):
    """The length of a value is ``len``, and the limit is the caller's to keep for what is no view."""

    def data(self, value: Bytes, call: str, key: str) -> bytes:
        if isinstance(value, memoryview) and self.limits.max_payload is not None and len(value) <= self.limits.max_payload:
            return value.tobytes()
        return super().data(value, call, key)


class _Views(EditionKeyValue):
    def data(self, value: Bytes, call: str, key: str) -> bytes:
        super().data(value, call, key)
        return value if isinstance(value, memoryview) else bytes(value)  # type: ignore[return-value]

    async def get(self, key: str) -> bytes | None:
        found = await super().get(key)
        return None if found is None else bytes(found)


@mutant("basic.7", "shared buffer", trap="a memoryview of a bytearray that changes after the call")
class ViewsAreKept(_Views):
    """A view is kept, and copied when it is read."""


@mutant(
    "basic.9", "cache of the place", trap="one key in two namespaces, whose numbers of writes are equal", also="basic.1 basic.8"
)
class KnownIsOfThePlace(EditionKeyValue):
    """What was read is kept for all, by key and number, without the namespace."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.known = editions.notes.setdefault("known", {})

    def remember(self, key: str, edition: Edition) -> bytes:
        self.known = self.editions.notes.setdefault("known", {})
        return super().remember(key, edition)


@mutant(
    "basic.11",
    "undo",
    trap="a set that is cancelled when it has its effect, and somebody else's write just before that",
    also="basic.10 basic.8",
)
class CancelledSetsAreUndone(EditionKeyValue):
    """A cancelled set writes what was there before it."""

    async def set(self, key: str, value: Bytes) -> None:
        name = self.key(key, "set")
        before = self.now(name)
        try:
            await super().set(key, value)
        except asyncio.CancelledError:
            after = self.now(name)
            if after is not None and after is not before and before is not None:
                self.write((name, before.value))
            raise


@mutant(
    "scan.1",
    "early end",
    trap="as many keys in a row as a page holds, all deleted or expired, and more behind them",
    also="scan.5 scan.4",
)
class AnEmptyPageIsTheEnd(EditionKeyValue):
    async def walk(self, prefix: str, limit: int | None, call: str) -> AsyncIterator[tuple[str, bytes]]:
        prefix = check_prefix(prefix, call, "editions", self.limits).decode()
        left = check_limit(limit, call, "editions")
        await self.hop()
        space, names = self.space, list(self.space.named(prefix))
        for at in range(0, len(names), self.page):
            page = [(key, self.editions.look(space, key)) for key in names[at : at + self.page]]
            live = [(key, edition.value) for key, edition in page if edition is not None and edition.value is not None]
            if not live:
                return
            for key, value in live:
                if left == 0:
                    return
                left = None if left is None else left - 1
                yield key, value


class _Uffff(Space):
    def named(self, prefix: str) -> Any:
        return (name for name in super().named(prefix) if name < prefix + "\uffff")


@mutant("scan.2", "upper bound", trap="a key whose next character after the prefix is beyond U+FFFF", also="scan.1 scan.5")
class PrefixesEndAtUffff(Editions):
    """The keys of a prefix are those between it and it with U+FFFF behind."""

    def space(self, namespace: str) -> Space:
        return self.spaces.setdefault(namespace, _Uffff())


@mutant(
    "scan.3",
    "early vacuum",
    trap="two scans open at once from different moments, many writes, and the older one goes on",
    also="scan.1 transactional.5",
)
class VacuumGoesByTheNewestLook(Editions):
    """What is older than the newest look is cut off, not than the oldest."""

    vacuum_every = 8

    def vacuum(self, space: Space) -> None:
        looking, space.looking = space.looking, type(space.looking)({max(space.looking): 1} if space.looking else {})
        super().vacuum(space)
        space.looking = looking


@mutant(
    "scan.3",
    "shared state",
    trap="two scans that began at one moment, one ended, then writes of what the other has still to give",
    also="scan.1",
)
class LooksAreNotCounted(Editions):
    """The first look to end takes the ground from those that began with it."""

    vacuum_every = 4

    def leave(self, space: Space, number: int) -> None:
        space.looking.pop(number, None)


@mutant("scan.4", "clipped", trap="a limit of more than 1,024, with more keys than that", also="scan.1")
class LimitsAreClipped(EditionKeyValue):
    async def walk(self, prefix: str, limit: int | None, call: str) -> AsyncIterator[tuple[str, bytes]]:
        async for pair in super().walk(prefix, limit if limit is None or not isinstance(limit, int) else min(limit, 1024), call):
            yield pair


@mutant("scan.5", "stale cache", trap="a count, a deadline that passes without any write, and the same count again", also="ttl.2")
class CountsAreKeptByNumber(EditionKeyValue):
    """A count is good as long as nothing was written."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.counted: dict[tuple[str, int], int] = {}

    async def count(self, prefix: str = "") -> int:
        found = await super().count(prefix)
        return self.counted.setdefault((prefix, self.space.number), found)


@mutant(
    "scan.5",
    "shared answer",
    trap="a count that is under way when a write returns, and another one after it",
    also="basic.8 scan.1",
)
class CountsAreShared(EditionKeyValue):
    """A count that is asked for while the same one is under way gets its answer."""

    def __init__(self, editions: Editions, namespace: str) -> None:
        super().__init__(editions, namespace)
        self.asked: dict[str, asyncio.Task[int]] = {}

    async def count(self, prefix: str = "") -> int:
        task = self.asked.get(prefix) if isinstance(prefix, str) else None
        if task is None:
            task = asyncio.ensure_future(self.slow(prefix))
            self.asked[prefix] = task
            task.add_done_callback(lambda _: self.asked.pop(prefix, None))
        return await asyncio.shield(task)

    async def slow(self, prefix: str) -> int:
        found = await super().count(prefix)
        await self.hop()
        await self.hop()
        return found


@mutant("scan.6", "not checked", trap="count with a prefix that is too long")
class OverlongPrefixesCountNothing(EditionKeyValue):
    async def count(self, prefix: str = "") -> int:
        try:
            return await super().count(prefix)
        except InvalidName:
            if len(prefix) > 512:
                return 0
            raise


@mutant(
    "scan.7", "shared cursor", trap="a scan that was left before its end, and the same prefix again", also="scan.1 scan.3 scan.5"
)
class CursorsAreByPrefix(EditionKeyValue):
    """Where a scan of a prefix stands is the driver's; one that is left in the middle of a page is gone on with."""

    cursors: ClassVar[dict[Any, int]] = {}

    async def walk(self, prefix: str, limit: int | None, call: str) -> AsyncIterator[tuple[str, bytes]]:
        place = (id(self), prefix, limit, call)
        given = self.cursors.pop(place, 0) if isinstance(prefix, str) and limit is None else 0
        done = False
        number = 0
        try:
            async for pair in super().walk(prefix, limit, call):
                number += 1
                if number > given:
                    yield pair
            done = True
        finally:
            if not done and limit is None and number > self.page:
                self.cursors[place] = number


@mutant(
    "ttl.10",
    "numbers come again",
    trap="a key that expired, and was cut off, then written by another client",
    also="basic.8 basic.1 basic.10",
)
class ChainsBeginAtOneAgain(Editions):
    """Numbers are the key's own, and begin anew when its chain was removed; what a client has read is known by them."""

    vacuum_every = 1

    def enter(self, space: Space, number: int, changes: "list[Change] | Any") -> None:
        super().enter(space, number, changes)
        own = self.notes.setdefault(id(space), {})
        for key, *_ in changes:
            own[key] = own.get(key, 0) + 1

    def vacuum(self, space: Space) -> None:
        super().vacuum(space)
        own = self.notes.setdefault(id(space), {})
        for key in [key for key in own if key not in space.chains]:
            del own[key]

    def stamp(self, space: Space, key: str) -> int:
        return 0 if self.look(space, key) is None else self.notes[id(space)].get(key, 1)
