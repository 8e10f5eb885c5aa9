"""Mutants of `QueueDeadLetter`: who dies, how, and who is listed (1 to 4)."""

from dataclasses import replace

from prism_testkit.interfaces import Conflict, Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue
from .stores import Config, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# dead_letter.1: when a message moves


class _Doom(Queue):
    """The condition is another one."""

    more = 0

    def doomed(self, row: Row, config: Config) -> bool:
        return not row.token and row.attempts >= config.max_attempts + self.more


@mutant("dead_letter.1", "boundary", trap="max_attempts deliveries", also="dead_letter.6")
class DiesAfterOneMore(_Doom):
    more = 1


@mutant("dead_letter.1", "boundary", trap="max_attempts - 1 deliveries, max_attempts above 1", also="dead_letter.7 dead_letter.6")
class DiesAfterOneLess(_Doom):
    def doomed(self, row: Row, config: Config) -> bool:
        return not row.token and row.attempts >= max(1, config.max_attempts - 1)


@mutant("dead_letter.1", "condition", trap="max_attempts lowered below the attempts that a message has", also="dead_letter.6")
class DiesOnEqualityOnly(_Doom):
    def doomed(self, row: Row, config: Config) -> bool:
        return not row.token and row.attempts == config.max_attempts


@mutant("dead_letter.1", "missing case", trap="deliveries that end at their deadlines", also="dead_letter.6")
class OnlyReleasesFail(_Doom):
    """A lease that time ends is not a failure."""

    def settle(self, queue: str) -> None:
        for row in filter(self.lapsed, self.rows(queue)):
            self.store.notes[self.namespace, row.id] = self.store.notes.get((self.namespace, row.id), 0) + 1
        super().settle(queue)

    def doomed(self, row: Row, config: Config) -> bool:
        return super().doomed(replace(row, attempts=row.attempts - self.store.notes.get((self.namespace, row.id), 0)), config)


@mutant("dead_letter.1", "missing case", trap="deliveries that are released", also="dead_letter.6")
class OnlyDeadlinesFail(_Doom):
    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        self.store.notes[self.namespace, row.id] = self.store.notes.get((self.namespace, row.id), 0) + 1
        await super().release(lease)

    def doomed(self, row: Row, config: Config) -> bool:
        return super().doomed(replace(row, attempts=row.attempts - self.store.notes.get((self.namespace, row.id), 0)), config)


@mutant("dead_letter.1", "missing call", trap="a peek after the last failure", also="dead_letter.3")
class PeekDoesNotBury(Queue):
    looking = False

    async def peek(self, queue: str) -> QueueMessage | None:
        self.looking = True
        try:
            return await super().peek(queue)
        finally:
            self.looking = False

    def bury(self, queue: str) -> None:
        if not self.looking:
            super().bury(queue)

    async def release(self, lease: Lease) -> None:
        self.put(self.ended(self.held(lease, "release"), self.now()))


@mutant("dead_letter.1", "missing call", trap="dead_letters after the last failure", also="dead_letter.4 dead_letter.3")
class OnlyReceiveBuries(Queue):
    receiving = False

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        self.receiving = True
        try:
            return await super().receive(queue, visibility_s, timeout_s)
        finally:
            self.receiving = False

    def bury(self, queue: str) -> None:
        if self.receiving:
            super().bury(queue)


@mutant("dead_letter.1", "scope", trap="two queues, one configured", also="dead_letter.6 visibility.11")
class OneConfigurationForAll(Queue):
    """The last one set."""

    def config(self, queue: str) -> Config | None:
        configs = self.space().configs
        found = list(configs.values())[-1] if configs else None
        return None if found is None or found.target == queue else configs.get(queue, found)


# dead_letter.2: how it arrives


class _Corpse(Queue):
    def change(self, row: Row) -> Row:
        raise NotImplementedError

    def corpse(self, row: Row, target: str) -> Row:
        return self.change(super().corpse(row, target))


@mutant("dead_letter.2", "missing field", trap="headers of a dead message", also="dead_letter.10")
class DeadLoseHeaders(_Corpse):
    def change(self, row: Row) -> Row:
        return replace(row, headers={})


@mutant("dead_letter.2", "addition", trap="headers of a dead message", also="dead_letter.10")
class DeadGetADeathHeader(_Corpse):
    """As RabbitMQ does."""

    def change(self, row: Row) -> Row:
        return replace(row, headers={**row.headers, "x-death": row.origin})


@mutant("dead_letter.2", "identity", trap="the id of a dead message", also="dead_letter.4")
class DeadGetAnotherId(_Corpse):
    def change(self, row: Row) -> Row:
        return replace(row, id=self.new_id(row.queue))


@mutant("dead_letter.2", "missing step", trap="the attempt of a dead message that is received from the target")
class AttemptsGoOnInTheTarget(Queue):
    def corpse(self, row: Row, target: str) -> Row:
        return replace(super().corpse(row, target), attempts=row.attempts)


@mutant("dead_letter.2", "not ordinary", trap="a dead message is received from the target", also="dead_letter.5")
class DeadAreOnlyListed(Queue):
    """The target gives its own messages alone."""

    def available(self, row: Row) -> bool:
        return super().available(row) and not row.origin


@mutant("dead_letter.2", "truncation", trap="a large message dies", also="dead_letter.10")
class DeadKeep1024Bytes(_Corpse):
    def change(self, row: Row) -> Row:
        return replace(row, payload=row.payload[:1024])


@mutant("dead_letter.2", "encoding", trap="the payload of a dead message", also="dead_letter.10")
class DeadAreWrapped(_Corpse):
    """In an envelope that names the queue."""

    def change(self, row: Row) -> Row:
        return replace(row, payload=row.origin.encode() + b":" + row.payload)


@mutant("dead_letter.2", "identity", trap="a message dies whose number the target has given as well", also="basic.2 dead_letter.3")
class IdsPerQueue(Queue):
    """Every queue counts from 1, so that one which dies may meet its number in the target."""

    def insert(self, row: Row) -> str:
        slot = self.namespace, row.queue, "id"
        self.store.notes[slot] = self.store.notes.get(slot, 0) + 1
        self.store.notes[self.namespace, "public", row.id] = str(self.store.notes[slot])
        super().insert(row)
        return str(self.store.notes[slot])

    def message(self, row: Row) -> QueueMessage:
        return replace(super().message(row), id=self.store.notes[self.namespace, "public", row.id])

    def held(self, lease: Lease, operation: str) -> Row:
        name = self.name(lease.queue, operation)
        self.settle(name)
        for row in self.rows(name):
            if row.token == lease.token and lease.token and self.valid(row, lease):
                return row
        raise Conflict(f"zoo: {operation}: the lease has ended")


# dead_letter.3: nothing is lost or doubled


@mutant(
    "dead_letter.3", "race", trap="a look at both queues while a message moves", also="dead_letter.1 dead_letter.9 visibility.11"
)
class DeleteThenInsert(Queue):
    """The insert is a callback later."""

    def move(self, row: Row, moved: Row) -> None:
        self.remove(row)
        self.later(moved)

    def later(self, row: Row) -> None:
        import asyncio

        asyncio.get_running_loop().call_soon(asyncio.get_running_loop().call_soon, self.put, row)


@mutant("dead_letter.3", "doubling", trap="a message dies, then its queue is read", also="dead_letter.1 basic.2")
class CopiesTheDead(Queue):
    """It is in both; the one left begins anew."""

    def move(self, row: Row, moved: Row) -> None:
        self.put(replace(row, attempts=-1000) if moved.origin else replace(row, origin=""), moved)


@mutant("dead_letter.3", "lost", trap="a target never used")
class UnknownTargetLoses(Queue):
    """Published to where nobody is bound."""

    def move(self, row: Row, moved: Row) -> None:
        if moved.queue in self.space().queues:
            super().move(row, moved)
        else:
            self.remove(row)


@mutant("dead_letter.3", "overwrite", trap="two messages die", also="dead_letter.4")
class OneDeadPerQueue(Queue):
    """The target's key is the queue."""

    def move(self, row: Row, moved: Row) -> None:
        if moved.origin:
            for other in self.rows(moved.queue):
                if other.origin == moved.origin:
                    self.remove(other)
        super().move(row, moved)


@mutant("dead_letter.3", "overwrite", trap="equal payloads die", also="dead_letter.4")
class DeadAreASet(Queue):
    def move(self, row: Row, moved: Row) -> None:
        if moved.origin and any(other.payload == moved.payload for other in self.rows(moved.queue)):
            self.remove(row)
        else:
            super().move(row, moved)


@mutant("dead_letter.3", "limit", trap="several messages die at once", also="dead_letter.1 dead_letter.4")
class BuriesOneAtATime(Queue):
    """The others of that moment are gone."""

    def bury(self, queue: str) -> None:
        config = self.config(queue)
        doomed = [row for row in self.rows(queue) if config and self.doomed(row, config)]
        super().bury(queue)
        for row in doomed[2:]:
            if config is not None:
                self.apply({(config.target, row.id): None})


# dead_letter.4: the list


class _Lists(Queue):
    def listed(self, queue: str, rows: list[Row]) -> list[Row]:
        raise NotImplementedError

    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        await super().dead_letters(queue)
        name = self.name(queue, "dead_letters")
        return [self.message(row) for row in self.listed(name, self.dead(name))]


@mutant("dead_letter.4", "missing condition", trap="a message enqueued into the target", also="dead_letter.3")
class ListsTheWholeTarget(_Lists):
    def listed(self, queue: str, rows: list[Row]) -> list[Row]:
        config = self.config(queue)
        return self.rows(config.target) if config else []


@mutant("dead_letter.4", "missing condition", trap="two queues with one target", also="dead_letter.5")
class ListsTheDeadOfAll(Queue):
    def dead(self, queue: str) -> list[Row]:
        config = self.config(queue)
        return [row for row in self.rows(config.target) if row.origin] if config else []


@mutant("dead_letter.4", "order", trap="two messages died")
class ListsTheLatestFirst(_Lists):
    def listed(self, queue: str, rows: list[Row]) -> list[Row]:
        return rows[::-1]


@mutant("dead_letter.4", "order", trap="messages that died in another order than they were enqueued", also="dead_letter.5")
class ListsInOrderOfEnqueue(Queue):
    def dead(self, queue: str) -> list[Row]:
        return sorted(super().dead(queue), key=lambda row: int(row.id))


@mutant("dead_letter.4", "side effect", trap="two looks", also="dead_letter.3 dead_letter.5")
class ListingTakes(_Lists):
    def listed(self, queue: str, rows: list[Row]) -> list[Row]:
        for row in rows:
            self.remove(row)
        return rows


@mutant("dead_letter.4", "limit", trap="more than ten dead", also="dead_letter.3")
class ListsTen(_Lists):
    def listed(self, queue: str, rows: list[Row]) -> list[Row]:
        return rows[:10]


@mutant("dead_letter.4", "stale list", trap="a dead message is taken from the target", also="dead_letter.3 dead_letter.5")
class ListsWhatWasTaken(_Lists):
    """A list of its own, which takes from the target do not touch."""

    def listed(self, queue: str, rows: list[Row]) -> list[Row]:
        kept: dict[str, Row] = self.store.notes.setdefault((self.namespace, queue, "dead"), {})
        kept.update({row.id: row for row in rows})
        alive = {row.id for row in self.rows(queue)}
        return [row for row in kept.values() if row.id not in alive]
