"""What one driver remembers of a queue, so that it looks at no entry twice that it cannot take."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

from prism_backends.jetstream.cells import GONE
from prism_backends.jetstream.gathering import together
from prism_backends.jetstream.queueentries import Entry, entry_of
from prism_backends.jetstream.queuetable import Policy, Settings, Table, priority_of

__all__ = ["Looks"]

_REMEMBERED = 1000
_PAGE = 100
_OVERDUE_NS = 1_000_000_000
"""Longer is not waited for the server to store what is due: it is in trouble then, and tells others."""
_LOOK_AGAIN_S = 0.005


@dataclass(slots=True)
class _Held:
    """The entries of one priority that are leased, with the instants of their ends: all there are up to a sequence.

    A state never changes: who changes an entry gives it a new sequence, beyond those that were looked at.
    """

    until_ns: dict[int, int] = field(default_factory=dict)
    upto: int = 0


@dataclass(slots=True)
class _Tried:
    """The entries that were ever leased, with attempts and ends, of all priorities, since the policy of the queue was set."""

    since: int = 0
    entries: dict[int, tuple[int, int]] = field(default_factory=dict)
    upto: dict[int, int] = field(default_factory=dict)


class Looks:
    """Looks for the first entry, and for those that died."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._held: dict[tuple[str, int], _Held] = {}
        self._tried: dict[str, _Tried] = {}
        self._settled: dict[str, int] = {}
        """Of queues that were found empty: a sequence up to which nothing was stored for them that a look has not seen."""

    async def first(self, what: str, queue: str) -> tuple[Entry | None, int | None]:
        """Return the entry that the next take gives; if there is none, the instant at which the next one comes free."""
        patience_ns, looked_again = 0, False
        while True:
            settings, found, due_ns = await self._first(what, queue)
            if found is None:
                overdue, last = await self._table.is_overdue(what, queue)
                if overdue:
                    patience_ns = patience_ns or time.monotonic_ns() + _OVERDUE_NS
                    if time.monotonic_ns() < patience_ns:
                        await asyncio.sleep(_LOOK_AGAIN_S)
                        continue
                elif not looked_again and last != self._settled.get(queue):
                    # What was due may have been stored since the look: a look that begins now sees it.
                    self._settled[queue], looked_again = last, True
                    continue
            policy = settings.policy
            if found is None or policy is None or found.attempt < policy.max_attempts:
                return found, due_ns

    async def _first(self, what: str, queue: str) -> tuple[Settings, Entry | None, int | None]:
        await self._table.read_clock(what)
        now_ns = self._table.clock.earliest_ns()
        # Most queues have one priority, and nothing else to look for: then this is it, and it was one round trip.
        settings, guess = await together(self._table.settings(what, queue), self._first_of(what, queue, 0, now_ns))
        if settings.is_plain and guess is not None:
            return settings, guess, None
        if settings.policy is not None:
            await self.bury(what, queue, settings, settings.policy)
        now_ns = self._table.clock.earliest_ns()
        ends = [entry.until_ns for entry in settings.put_back if entry.until_ns > now_ns]
        for priority in settings.priorities:
            back = [entry for entry in settings.put_back if priority_of(entry.subject) == priority and entry.until_ns <= now_ns]
            found = min(back, key=lambda entry: entry.turn) if back else await self._first_of(what, queue, priority, now_ns)
            if found is not None:
                return settings, found, None
            ends += self._held_of(queue, priority).until_ns.values()
        return settings, None, min(ends, default=None)

    def forget(self, queue: str, entry: Entry) -> None:
        """Do not take an entry for leased that is no longer."""
        self._held_of(queue, priority_of(entry.subject)).until_ns.pop(entry.sequence, None)

    async def dead(self, what: str, queue: str) -> tuple[Policy | None, list[Entry]]:
        """Return the policy, and what died in ``queue`` and is still in its target, in the order of death."""
        await self._table.read_clock(what)
        settings = await self._table.settings(what, queue)
        if settings.policy is None:
            return None, []
        await self.bury(what, queue, settings, settings.policy)
        target = await self._table.settings(what, settings.policy.target)
        # By identity: while an entry is replaced both of its states are there.
        every = {entry.identity: entry async for entry in self._every(what, settings.policy.target, target)}
        return settings.policy, sorted((each for each in every.values() if each.died_in == queue), key=lambda each: each.origin)

    async def bury(self, what: str, queue: str, settings: Settings, policy: Policy) -> None:
        """Move what has failed too often, in the order in which it did."""
        now_ns = self._table.clock.earliest_ns()
        tried = await self._all_tried(what, queue, settings, policy)
        dead = [(until_ns, sequence) for sequence, (attempt, until_ns) in tried.items() if attempt >= policy.max_attempts]
        for number, (until_ns, sequence) in enumerate(sorted(dead)):
            if until_ns > now_ns:
                break
            del tried[sequence]
            stored = await self._table.server.message(what, self._table.stream, seq=sequence)
            if stored is not None and stored.data != GONE:
                entry = entry_of(stored, what)
                buried = replace(entry, attempt=0, lease="", lease_ns=0, order=0, origin=f"{queue} {now_ns + number:020d}")
                if priority := priority_of(entry.subject):
                    await self._table.use_priority(what, policy.target, priority)
                await self._table.move(what, [(entry, self._table.moved_to(policy.target, entry), buried.sealed())])

    async def _all_tried(self, what: str, queue: str, settings: Settings, policy: Policy) -> dict[int, tuple[int, int]]:
        tried = self._tried.setdefault(queue, _Tried())
        if tried.since != policy.sequence:
            tried = self._tried[queue] = _Tried(policy.sequence)
        for entry in settings.put_back:
            if entry.attempt:
                tried.entries[entry.sequence] = (entry.attempt, entry.until_ns)
        for priority in settings.priorities:
            async for entry in self._table.entries(what, queue, priority, tried.upto.get(priority, 0) + 1, _PAGE):
                tried.upto[priority] = entry.sequence
                if entry.attempt:
                    tried.entries[entry.sequence] = (entry.attempt, entry.until_ns)
        return tried.entries

    async def _every(self, what: str, queue: str, settings: Settings) -> AsyncIterator[Entry]:
        for entry in settings.put_back:
            yield entry
        for priority in settings.priorities:
            async for entry in self._table.entries(what, queue, priority, first=_PAGE):
                yield entry

    async def _first_of(self, what: str, queue: str, priority: int, now_ns: int) -> Entry | None:
        held = self._held_of(queue, priority)
        for sequence in [sequence for sequence, until_ns in held.until_ns.items() if until_ns <= now_ns]:
            stored = await self._table.server.message(what, self._table.stream, seq=sequence)
            if stored is not None and stored.data != GONE:
                return entry_of(stored, what)
            del held.until_ns[sequence]
        if not held.until_ns or len(held.until_ns) > _REMEMBERED:
            held.until_ns.clear()
            held.upto = 0
        async for entry in self._table.entries(what, queue, priority, held.upto + 1):
            if entry.until_ns <= now_ns:
                return entry
            held.until_ns[entry.sequence] = entry.until_ns
            held.upto = entry.sequence
        return None

    def _held_of(self, queue: str, priority: int) -> _Held:
        return self._held.setdefault((queue, priority), _Held())
