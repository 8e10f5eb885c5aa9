"""Wrong drivers over chains of editions: deadlines, transactions, batches, swaps, and what is kept in files."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from prism_testkit.interfaces import Bytes, PayloadTooLarge

from .declare import HOME, Mutant
from .family import declaring_family
from .independent import make
from .tenth_editions import Change, Editions, KeptEditions, Space
from .tenth_keyvalue import EditionKeyValue, EditionTransaction

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_family(MUTANTS, prefix="keyvalue_", make=make, home=HOME)


@mutant("ttl.1", "clipped", trap="a time to live over thirty days, given by expire", also="ttl.7 ttl.6")
class ExpireKnowsThirtyDays(EditionKeyValue):
    """As some caches have it, no more than thirty days; only `expire` was not mended."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        return await super().expire(key, ttl_s if not isinstance(ttl_s, int | float) or ttl_s <= 2_592_000 else 2_592_000)


@mutant("ttl.3", "no-op write", trap="a key with a deadline set to the value that it has", also="ttl.10 ttl.1")
class SetOfTheSameIsSkipped(EditionKeyValue):
    async def set(self, key: str, value: Bytes) -> None:
        edition = self.now(self.key(key, "set"))
        if edition is not None and edition.value == self.data(value, "set", key):
            return await self.hop()
        return await super().set(key, value)


@mutant(
    "ttl.3", "no-op write", trap="a batch that sets a key with a deadline to the value that it has", also="ttl.10 batch.1 ttl.1"
)
class BatchesSkipWhatIsTheSame(EditionKeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        changed = {}
        for key, value in items.items():
            edition = self.now(self.key(key, "batch_set"))
            if edition is None or edition.value != self.data(value, "batch_set", key):
                changed[key] = value
        await super().batch_set(changed)


@mutant("ttl.4", "no-op write", trap="a swap of a key with a deadline from its value to the same", also="ttl.10 ttl.1 cas.1")
class SwapsToTheSameDoNothing(EditionKeyValue):
    def swap(self, key: str, expected: bytes | None, new: bytes | None) -> bool:
        edition = self.now(key)
        if edition is not None and expected is not None and edition.value == expected == new:
            return True
        return super().swap(key, expected, new)


@mutant("ttl.5", "sliding", trap="a read in the last tenth of a time to live of a minute or more", also="ttl.2 ttl.6")
class LateReadsRefresh(EditionKeyValue):
    async def get(self, key: str) -> bytes | None:
        edition = self.now(self.key(key, "get"))
        if edition is not None and edition.due_ms is not None and edition.given_s >= 60:
            left = edition.due_ms / 1000 - self.clock.now_s()
            if 0 < left < edition.given_s / 10:
                await super().expire(key, edition.given_s)
        return await super().get(key)


@mutant("ttl.6", "stale bound", trap="a time to live that is made longer by expire", also="ttl.7")
class LongerLivesTellTheShorter(EditionKeyValue):
    """`ttl` is at most what the key was first given."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        before = self.now(self.key(key, "expire"))
        done = await super().expire(key, ttl_s)
        now = self.now(key)
        if done and before is not None and before.due_ms is not None and now is not None:
            self.editions.write(self.namespace, [(key, now.value, now.due_ms, min(before.given_s, now.given_s))])
        return done


@mutant("ttl.8", "lost update", trap="a persist and a set of one key at once", also="basic.10 ttl.7")
class PersistWritesWhatItSaw(EditionKeyValue):
    async def persist(self, key: str) -> bool:
        key = self.key(key, "persist")
        edition = self.now(key)
        await self.hop()
        if edition is None or edition.due_ms is None or self.now(key) is None:
            return False
        self.write((key, edition.value))
        return True


@mutant(
    "ttl.11",
    "shared deadline",
    trap="two keys written by one batch or commit, one of which is given a deadline",
    also="ttl.1 ttl.7 ttl.10",
)
class DeadlinesAreByNumber(EditionKeyValue):
    """`expire` gives the deadline to the number of the write, which the keys of a batch share."""

    async def expire(self, key: str, ttl_s: float) -> bool:
        edition = self.now(self.key(key, "expire"))
        done = await super().expire(key, ttl_s)
        now = self.now(key)
        if done and edition is not None and now is not None and now.due_ms is not None:
            for other, chain in list(self.space.chains.items()):
                if other != key and chain[-1].number == edition.number:
                    self.editions.write(self.namespace, [(other, chain[-1].value, now.due_ms, now.given_s)])
        return done


@mutant("ttl.2", "late", trap="a long time to live that is made shorter", also="ttl.7 ttl.11 ttl.3 ttl.9")
class OneAlarmAKey(Editions):
    """A key expires when its alarm rings; a key that has an alarm gets no other until that rang."""

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        alarms = self.notes.setdefault(namespace, {})
        now = self.clock.now_ms()
        kept: list[Change] = []
        for key, value, due_ms, given_s in changes:
            if due_ms is not None:
                set_for = alarms.get(key)
                if set_for is not None and set_for > max(due_ms, now) and set_for - due_ms > 3_600_000:
                    due_ms = set_for
                alarms[key] = due_ms
            kept.append((key, value, due_ms, given_s))
        super().write(namespace, kept)


@mutant("transactional.1", "torn", trap="a commit of more than sixteen keys, looked at in between", also="transactional.5")
class CommitsGoInSixteens(EditionTransaction):
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        wishes = list(self.wishes.items())
        if kind is None and len(wishes) > 16 and self.holds(self.driver.space):
            for at in range(0, len(wishes) - 16, 16):
                self.driver.write(*wishes[at : at + 16])
                await self.driver.hop()
            self.wishes, self.seen = dict(wishes[-16:]), {}
        await super().__aexit__(kind, error, trace)


@mutant("transactional.2", "wrong base", trap="a body that is left by GeneratorExit, SystemExit or KeyboardInterrupt")
class WhatIsNoExceptionCommits(EditionTransaction):
    """What is no ``Exception`` and no cancellation commits."""

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        mild = kind is not None and not issubclass(kind, Exception | asyncio.CancelledError)
        await super().__aexit__(None if mild else kind, error, trace)


@mutant(
    "transactional.3",
    "undo",
    trap="a present key that is set and then deleted in one transaction",
    also="transactional.1 transactional.5",
)
class DeleteTakesBackTheSet(EditionTransaction):
    """A delete of what the transaction itself has set forgets the set."""

    async def delete(self, key: str) -> bool:
        if self.state == "open" and isinstance(key, str) and self.wishes.get(key) is not None:
            await self.driver.hop()
            del self.wishes[key]
            return True
        return await super().delete(key)


@mutant(
    "transactional.4",
    "cache",
    trap="a key read by the driver, set in its open transaction, and read plainly",
    also="transactional.2 basic.1 basic.8",
)
class WishesAreKnown(EditionTransaction):
    """What a transaction sets is what its driver knows of the key, as long as the key has the same number."""

    async def set(self, key: str, value: Bytes) -> None:
        await super().set(key, value)
        known, wish = self.driver.known.get(key), self.wishes[key]
        if known is not None and wish is not None:
            self.driver.known[key] = (known[0], wish)


@mutant("transactional.5", "expiry is no change", trap="a key that is read in a transaction and expires before its end")
class WhatExpiresHasNotChanged(EditionTransaction):
    def holds(self, space: Space) -> bool:
        chains = space.chains
        return all(
            (chains[key][-1].number if number and key in chains else self.driver.editions.stamp(space, key)) == number
            for key, number in self.seen.items()
        )


@mutant("transactional.5", "early check", trap="a write between the check of a commit and its effect", also="transactional.1")
class ChecksBeforeItWaits(EditionTransaction):
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None and self.wishes and self.holds(self.driver.space):
            self.seen = {}
        await super().__aexit__(kind, error, trace)


@mutant("transactional.5", "unread", trap="what a delete in a transaction said is no longer so at its end")
class DeletesReadNothing(EditionTransaction):
    """That a delete found nothing is not looked after."""

    async def delete(self, key: str) -> bool:
        known = isinstance(key, str) and key in self.seen
        found = await super().delete(key)
        if not known and not found:
            self.seen.pop(key, None)
        return found


@mutant("transactional.7", "still open", trap="a call of a transaction whose body raised")
class FailedOnesStayOpen(EditionTransaction):
    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await super().__aexit__(kind, error, trace)
        if kind is not None and issubclass(kind, Exception):
            self.state = "open"


@mutant("transactional.8", "partial effect", trap="a key set twice in a transaction, the second time to a value that is refused")
class RefusedSetsDropTheEarlier(EditionTransaction):
    async def set(self, key: str, value: Bytes) -> None:
        try:
            await super().set(key, value)
        except PayloadTooLarge:
            self.wishes.pop(key, None)
            raise


@mutant("batch.1", "remainder", trap="a batch of more than 700 items that is no multiple of 100", also="batch.2")
class RemaindersOfLongBatchesAreLost(EditionKeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = list(items.items())
        await super().batch_set(dict(pairs if len(pairs) <= 700 else pairs[: len(pairs) // 100 * 100]))


@mutant("batch.3", "expired counted", trap="a batch delete of a key that has expired", also="ttl.2")
class BatchDeleteCountsTheExpired(EditionKeyValue):
    async def batch_delete(self, keys: Sequence[str]) -> int:
        names = {self.key(key, "batch_delete") for key in keys}
        chains = self.space.chains
        old = sum(key in chains and chains[key][-1].value is not None and self.now(key) is None for key in names)
        return old + await super().batch_delete(keys)


@mutant("batch.5", "checked by pages", trap="a refused value behind a hundred good ones")
class ChecksByTheHundred(EditionKeyValue):
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = list(items.items())
        for at in range(0, len(pairs), 100):
            await super().batch_set(dict(pairs[at : at + 100]))


@mutant("batch.6", "removed first", trap="a batch over present keys that is cancelled", also="basic.10 basic.11 batch.1")
class BatchesRemoveFirst(EditionKeyValue):
    """What has a deadline is removed before it is written."""

    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        pairs = [(self.key(key, "batch_set"), self.data(value, "batch_set", key)) for key, value in items.items()]
        found = [(key, self.now(key)) for key, _ in pairs]
        if living := [(key, None) for key, edition in found if edition is not None and edition.due_ms is not None]:
            self.write(*living)
            await self.hop()
        await super().batch_set(dict(pairs))


@mutant("cas.5", "formats", trap="an expected value that is a view of items of more than a byte", also="cas.1 cas.4")
class ViewsAreComparedAsTheyAre(EditionKeyValue):
    """A view is equal to bytes only if it is one of bytes."""

    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        if isinstance(expected, memoryview) and expected.format != "B":
            self.data(new, "compare_and_swap", self.key(key, "compare_and_swap"))
            return False
        return await super().compare_and_swap(key, expected, new)


@mutant(
    "cas.6",
    "stale cache",
    trap="a client that has read a key, and swaps it after another client's write",
    also="cas.1 basic.8 cas.3",
)
class SwapsTrustWhatWasRead(EditionKeyValue):
    """Where the driver has read the expected value just now it is not compared again."""

    def swap(self, key: str, expected: bytes | None, new: bytes | None) -> bool:
        known = self.known.get(key)
        if known is not None and expected == known[1] and self.now(key) is not None:
            self.write((key, new))
            self.known.pop(key)
            return True
        return super().swap(key, expected, new)


@mutant("basic.12", "partial base", trap="two namespaces, enough writes in one for a new base, and a kill", also="basic.8 basic.1")
class BasesHoldOneNamespace(KeptEditions):
    """A new base holds what was changed since the last one; of whole namespaces."""

    def write(self, namespace: str, changes: Sequence[Change]) -> None:
        self.changed = {*getattr(self, "changed", ()), namespace}
        super().write(namespace, changes)

    def rebase(self) -> None:
        spaces = self.spaces
        self.spaces = {name: space for name, space in spaces.items() if name in self.changed}
        try:
            super().rebase()
        finally:
            self.spaces, self.changed = spaces, set()


@mutant(
    "basic.12",
    "order of files",
    trap="a kill between the removal of the journal and the new base: kill",
    also="transactional.1 batch.6",
)
class JournalsGoFirst(KeptEditions):
    def rebase(self) -> None:
        self.journal.unlink(missing_ok=True)
        super().rebase()


@mutant("basic.12", "in place", trap="a kill while a base is written: kill", also="transactional.1 batch.6")
class BasesAreWrittenInPlace(KeptEditions):
    """The old base is written over."""

    def publish(self, text: str) -> None:
        self.base.write_text(text)


@mutant(
    "ttl.12",
    "remaining time",
    trap="a deadline that a base holds, and time that passes before it is read again: kill",
    also="ttl.2",
)
class BasesKeepWhatIsLeft(KeptEditions):
    """A base holds how long a key has still to live."""

    def rebase(self) -> None:
        plain = self.plain
        now = self.clock.now_ms()
        self.plain = lambda change: plain((change[0], change[1], None if change[2] is None else -(change[2] - now), change[3]))  # type: ignore[method-assign]
        try:
            super().rebase()
        finally:
            self.plain = plain  # type: ignore[method-assign]

    def change(self, plain: list[Any]) -> Change:
        key, value, due_ms, given_s = super().change(plain)
        return key, value, due_ms if due_ms is None or due_ms > 0 else self.clock.now_ms() - due_ms, given_s


@mutant("transactional.1", "torn journal", trap="a commit of more than eight keys, and a kill within: kill", also="basic.12")
class JournalsTakeEightAtATime(KeptEditions):
    def note(self, entry: list[Any]) -> None:
        if len(entry) == 1:
            return super().note(entry)
        namespace, number, plains = entry
        for at in range(0, len(plains), 8):
            super().note([namespace, number, plains[at : at + 8]])
        return None
