"""Members of a group: what they take and give back. The same for streams and for durable subscriptions."""

import asyncio
import math
import secrets
from collections.abc import Callable, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

from prism_backends.bell import Bell
from prism_backends.cancellation import begun, ended, whole
from prism_backends.kafka.book import Stream
from prism_backends.kafka.client import Stored
from prism_backends.kafka.company import Kept
from prism_backends.kafka.groups import Group, Place
from prism_backends.kafka.space import Space
from prism_backends.streamcompany import Company
from prism_testkit.interfaces.errors import Closed, GroupNotFound, PrismError

__all__ = ["Holding", "Taken"]

_FIRST_PAUSE_S = 0.002
_LAST_PAUSE_S = 0.05
_MOST = 1000
_NEW = 300
"""So many new records are looked through, where more than are asked for: of those some may not be free."""
_PAGE_BYTES = 2_000_000
"""As much is read ahead of what is taken, so memory is bounded by it and a record of each partition."""
_LONGEST_DELAY_MS = 10**15
"""What is longer than 30,000 years is cut to that."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A delivery: the record, the number of its partition in its stream, how often it was delivered, and by what it is answered."""

    record: Stored
    partition: int
    count: int
    token: str


class Holding:
    """One stay in a group. It is renamed if it was taken for dead and joined again.

    ``key_of`` tells the ordering key of a record that has one. What is nacked comes in its old turn, or at the end of all that is
    there then.
    """

    def __init__(
        self,
        space: Space,
        company: Company[Kept],
        bell: Bell,
        names: tuple[str, str],
        what: Callable[[str], str],
        key_of: Callable[[Stored], str | None] = lambda stored: None,
        nacks_to_the_end: bool = False,
    ) -> None:
        self.stream, self.group = names
        self._space, self._company, self.bell, self._what, self._key_of = space, company, bell, what, key_of
        self._nacks_to_the_end = nacks_to_the_end
        self.place: Hashable = (space.topic, *names)
        self.name = secrets.token_hex(8)
        self.is_open = True
        self._turn = asyncio.Lock()
        self._batch = 0
        self._lost: set[int] = set()
        """Batches that reached nobody."""
        self._ahead: dict[int, dict[int, Stored]] = {}
        """Of each partition, what was read from the position of the group on, without a hole."""

    async def enter(self, positions: Mapping[int, int] | None = None) -> None:
        """Join a group, which is made if there is none and ``positions`` say where it begins; else raise `GroupNotFound`."""
        self._company.enter(self)
        try:
            start = None if positions is None else list(positions.items())
            if not await self._do("join", {"do": "join", "positions": start}):
                raise self._missing("join")
        except BaseException:
            with suppress(PrismError):  # what went wrong first is the story
                await self.leave()
            raise

    async def leave(self) -> None:
        """Give back what is held. A repeat does nothing; a cancellation waits for it."""
        if not self.is_open:
            return
        self.is_open = False
        self._company.leave(self)
        self.bell.ring()
        try:
            await whole(self._leave())
        finally:
            self.bell.ring()

    async def _leave(self) -> None:
        async with self._turn:  # after a receive that is on its way
            self._ahead.clear()
            with suppress(Closed):  # the client is; what was held comes again when the horizon is reached
                await self._do("leave", {"do": "leave"})

    async def take(self, most: int, timeout_s: float) -> list[Taken]:
        """Return up to ``most`` deliveries as soon as there is one; none after ``timeout_s``."""
        most = min(most, _MOST)
        loop = asyncio.get_running_loop()
        until = loop.time() + timeout_s
        pause_s = 0.0
        while True:
            heard = self.bell.rings
            is_last = loop.time() >= until
            async with self._turn:
                taken = await self._take(most)
            if taken or is_last:
                return taken
            pause_s = min(max(2 * pause_s, _FIRST_PAUSE_S), _LAST_PAUSE_S)
            await self.bell.rest(min(max(0.0, until - loop.time()), pause_s), heard)

    async def ack(self, tokens: Sequence[str]) -> list[str]:
        """Confirm what is held of these; return those that are none of this member's."""
        return await self._answer("ack", tokens, None)

    async def nack(self, tokens: Sequence[str], delay_s: float) -> list[str]:
        """Give back what is held of these; return those that are none of this member's."""
        # One more, for an instant of the broker's is cut to a millisecond.
        delay_ms = min(math.ceil(delay_s * 1000) + 1, _LONGEST_DELAY_MS) if delay_s > 0 else 0
        return await self._answer("nack", tokens, delay_ms)

    async def _answer(self, operation: str, tokens: Sequence[str], delay_ms: int | None) -> list[str]:
        self.check_open(operation)
        places = [place for token in tokens if (place := self._place_of(token)) is not None]
        foreign = [token for token in tokens if self._place_of(token) is None]
        if places:
            step = {"do": "answer", "places": places, "delay_ms": delay_ms, "to_the_end": self._nacks_to_the_end}
            if not await self._do(operation, step):
                return list(tokens)
            self.bell.ring()
        return foreign

    def _place_of(self, token: str) -> list[int] | None:
        """Return partition, offset and batch of what this member got; None if that is a token of somebody else's."""
        name, *numbers = token.split(".")
        if name != self.name or len(numbers) != 3 or not all(number.isdecimal() and len(number) < 19 for number in numbers):
            return None
        batch, partition, offset = map(int, numbers)
        return [partition, offset, batch]

    def check_open(self, operation: str) -> None:
        """Raise `Closed` once it was left."""
        if not self.is_open:
            raise Closed(f"{self._what(operation)}: the member was left")

    async def _take(self, most: int) -> list[Taken]:
        """Look, and take if there may be something; go on as long as others are quicker, or all that is found is not free."""
        self.check_open("receive")
        is_fresh = False
        while True:
            stream, group = self._state()
            if stream is not None and group is not None and self._may_find(stream, group):
                is_fresh = False
                taken = await self._held(most)
                self.check_open("receive")  # else the leaving gives all of it back
                if taken:
                    return taken
            elif is_fresh:
                return []
            else:
                is_fresh = True
                await self._space.sync(self._what("receive"))
                await self._read_ahead(most)

    async def _held(self, most: int) -> list[Taken]:
        """Take, or have taken nothing: what was taken for a caller that is cancelled is given back before that goes on."""
        self._batch += 1
        batch = self._batch
        self._lost.add(batch)  # until it is in the hands of the caller; if this call fails, the next one gives it back
        taking = begun(self._take_batch(most, batch))
        try:
            taken = await asyncio.shield(taking)
        except asyncio.CancelledError:
            await ended(taking)
            await ended(begun(self._give_back()))
            raise
        self._lost.discard(batch)
        return taken

    async def _take_batch(self, most: int, batch: int) -> list[Taken]:
        lost = [number for number in self._lost if number != batch]
        ends: list[list[int]] = []
        keys: list[list[int | str]] = []
        for partition, offsets in self._new(most).items():
            ends.append([partition, offsets[-1] + 1])
            for offset in offsets:
                key = self._key_of(self._ahead[partition][offset])
                if key is not None:
                    keys.append([partition, offset, key])
        step = {"do": "take", "new": secrets.token_hex(8), "alive": list(self._company.alive(self.place)), "void": lost}
        outcome = await self._do("receive", {**step, "ends": ends, "keys": keys, "most": most, "batch": batch})
        if outcome is None:
            raise self._missing("receive")
        stream, _ = self._state()
        if stream is None:
            raise self._missing("receive")
        name, taken = outcome
        if name != self.name:
            self._company.rename(self, name)
        self._lost.difference_update(lost)
        places = {(partition, offset): count for partition, offset, count in taken}
        found = await self._records(list(places))
        return [
            Taken(found[place], stream.partitions.index(place[0]), count, f"{name}.{batch}.{place[0]}.{place[1]}")
            for place, count in places.items()
            if place in found  # else Kafka has let it go meanwhile
        ]

    def _new(self, most: int) -> dict[int, list[int]]:
        """Return of each partition the offsets, as far as they were read, that are new to the group."""
        stream, group = self._state()
        if stream is None or group is None:
            return {}
        found: dict[int, list[int]] = {}
        for partition in stream.partitions:
            position = max(group.position(partition), stream.oldest(partition))
            ahead = self._ahead.get(partition, {})
            found[partition] = list(takewhile(ahead.__contains__, range(position, position + max(most, _NEW))))
        return {partition: offsets for partition, offsets in found.items() if offsets}

    async def _records(self, places: list[Place]) -> dict[Place, Stored]:
        """Return the records at places, those that are not here from the server."""
        found: dict[Place, Stored] = {}
        for place in places:
            partition, offset = place
            stored = self._ahead.get(partition, {}).pop(offset, None)
            if stored is None:
                page = (await self._space.fetch(self._what("receive"), [place], 1))[partition]
                stored = next((each for each in page.records if each.offset == offset), None)
            if stored is not None:
                found[place] = stored
        return found

    async def _give_back(self) -> None:
        """Undo what reached nobody; if that fails now, the next receive does it, or leaving."""
        lost = list(self._lost)
        with suppress(PrismError):
            await self._do("receive", {"do": "void", "void": lost})
            self._lost.difference_update(lost)
            self.bell.ring()

    def _state(self) -> tuple[Stream | None, Group | None]:
        book = self._space.book
        return book.streams.get(self.stream), book.group(self.stream, self.group)

    def _may_find(self, stream: Stream, group: Group) -> bool:
        """Say whether a take may give something, as far as is known here."""
        now_ms = self._space.now_ms()
        if self._lost or any(due_ms <= now_ms for _, _, due_ms in group.again.values()):
            return True
        for partition in stream.partitions:
            if max(group.position(partition), stream.oldest(partition)) in self._ahead.get(partition, {}):
                return True
        alive = group.alive(now_ms, {self.name, *self._company.alive(self.place)})
        return len(alive) < len(group.members)

    async def _read_ahead(self, most: int) -> None:
        """Read what is new to the group."""
        stream, group = self._state()
        if stream is None or group is None:
            raise self._missing("receive")
        places: list[Place] = []
        for partition in stream.partitions:
            position = max(group.position(partition), stream.oldest(partition))
            found = {offset: stored for offset, stored in self._ahead.get(partition, {}).items() if offset >= position}
            if position not in found:
                found.clear()
            self._ahead[partition] = found
            if len(found) < most:
                places.append((partition, position + len(found)))
        ends = await self._space.ends(self._what("receive"), stream) if len(places) > 1 else {}
        places = [place for place in places if place[1] < ends.get(place[0], math.inf)]
        for partition, page in (await self._space.fetch(self._what("receive"), places, _PAGE_BYTES)).items():
            self._ahead[partition].update((stored.offset, stored) for stored in page.records)

    async def _do(self, operation: str, step: Mapping[str, Any]) -> Any:
        """Do a step on this member of its group."""
        names = {"stream": self.stream, "group": self.group, "member": self.name}
        return await self._space.do(self._what(operation), {**step, **names}, make=step.get("positions") is not None)

    def _missing(self, operation: str) -> GroupNotFound:
        return GroupNotFound(f"{self._what(operation)}: there is no such group")
