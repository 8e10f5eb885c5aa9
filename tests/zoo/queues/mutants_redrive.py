"""Mutants of `QueueDeadLetter`: redrive, configuration, acks, cancellation and names (5 to 7, 9, 10)."""

from dataclasses import replace

from prism_testkit.interfaces import Conflict, InvalidName, Lease, NotFound, QueueMessage
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Queue, step
from .stores import Changes, Config, Row, Store

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)

# dead_letter.5: redrive


class _Revives(Queue):
    def revived(self, row: Row, queue: str) -> Row:
        return self.change(super().revived(row, queue), row)

    def change(self, row: Row, was: Row) -> Row:
        raise NotImplementedError


@mutant("dead_letter.5", "wrong end", trap="redrive into a queue that is not empty", also="visibility.1")
class RedrivesToTheHead(_Revives):
    def change(self, row: Row, was: Row) -> Row:
        return replace(row, place=row.place - 10**9)


@mutant("dead_letter.5", "order", trap="redrive of two messages", also="visibility.1")
class RedrivesTheLatestFirst(_Revives):
    def change(self, row: Row, was: Row) -> Row:
        return replace(row, place=2 * 10**9 - row.place)


@mutant("dead_letter.5", "missing step", trap="a redriven message is received", also="dead_letter.1")
class RedriveKeepsAttempts(_Revives):
    """Those that it had when it died, less one."""

    def corpse(self, row: Row, target: str) -> Row:
        self.store.notes[self.namespace, row.id] = row.attempts
        return super().corpse(row, target)

    def change(self, row: Row, was: Row) -> Row:
        return replace(row, attempts=self.store.notes[self.namespace, row.id] - 1)


@mutant("dead_letter.5", "missing step", trap="a message received from the target, released and redriven", also="dead_letter.1")
class RedriveKeepsAttemptsInTheTarget(_Revives):
    def change(self, row: Row, was: Row) -> Row:
        return replace(row, attempts=was.attempts)


@mutant("dead_letter.5", "missing condition", trap="a message enqueued into the target", also="dead_letter.4 dead_letter.3")
class RedrivesTheWholeTarget(Queue):
    def revive(self, queue: str) -> int:
        config = self.config(queue)
        rows = [row for row in self.rows(config.target) if not row.token] if config else []
        for row in rows:
            self.move(row, self.revived(row, queue))
        return len(rows)


@mutant("dead_letter.5", "count", trap="redrive with a dead message leased", also="dead_letter.6")
class RedriveCountsTheLeased(Queue):
    def revive(self, queue: str) -> int:
        dead = len(self.dead(queue))
        super().revive(queue)
        return dead


@mutant("dead_letter.5", "limit", trap="more than ten dead are redriven", also="dead_letter.3")
class RedrivesTen(Queue):
    def revive(self, queue: str) -> int:
        rows = [row for row in self.dead(queue) if not row.token][:10]
        for row in rows:
            self.move(row, self.revived(row, queue))
        return len(rows)


@mutant("dead_letter.5", "doubling", trap="two redrives", also="dead_letter.3 dead_letter.4")
class RedriveCopies(Queue):
    def revive(self, queue: str) -> int:
        rows = [row for row in self.dead(queue) if not row.token]
        self.put(*[self.revived(row, queue) for row in rows])
        return len(rows)


# dead_letter.6: the configuration


@mutant("dead_letter.6", "first wins", trap="a queue configured twice", also="dead_letter.1 dead_letter.4")
class FirstConfigurationStays(Queue):
    def apply(self, changes: Changes) -> None:
        configs = self.space().configs
        super().apply(
            {slot: configs.get(slot[0], thing) if isinstance(thing, Config) else thing for slot, thing in changes.items()}
        )


@mutant("dead_letter.6", "scope", trap="another client than the one that configured", also="dead_letter.1 dead_letter.4 basic.10")
class ConfigurationIsOfTheClient(Queue):
    def __init__(self, store: Store, namespace: str) -> None:
        super().__init__(store, namespace)
        self.configs: dict[str, Config] = {}

    def config(self, queue: str) -> Config | None:
        return self.configs.get(queue)

    def apply(self, changes: Changes) -> None:
        self.configs.update({slot[0]: thing for slot, thing in changes.items() if isinstance(thing, Config)})
        super().apply(changes)


@mutant("dead_letter.6", "reset", trap="a message with attempts when the queue is configured", also="dead_letter.1")
class ConfigureResetsAttempts(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        self.put(*[replace(row, attempts=0) for row in self.rows(queue)])
        await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.6", "missing check", trap="target equal to queue")
class AcceptsItselfAsTarget(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        if queue != target or max_attempts < 1:
            await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.6", "missing check", trap="max_attempts of 0")
class ZeroAttemptsTurnOff(Queue):
    """0 takes the configuration away."""

    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        if max_attempts == 0:
            self.space().configs.pop(queue, None)
        else:
            await super().configure_dead_letter(queue, target, max_attempts)


@mutant("dead_letter.6", "wrong error", trap="dead_letters or redrive of a queue without configuration")
class WithoutConfigurationRaises(Queue):
    def dead(self, queue: str) -> list[Row]:
        if self.config(queue) is None:
            raise NotFound("zoo: no dead-letter queue is configured")
        return super().dead(queue)


@mutant("dead_letter.6", "snapshot", trap="a message enqueued before the queue was configured", also="dead_letter.1")
class ConfigurationIsTakenAtTheEnqueue(Queue):
    """What is in the queue already keeps the rules of its time."""

    def insert(self, row: Row) -> str:
        self.store.notes[self.namespace, row.id] = self.config(row.queue)
        return super().insert(row)

    def doomed(self, row: Row, config: Config) -> bool:
        mine = self.store.notes.get((self.namespace, row.id))
        return mine is not None and super().doomed(row, mine)


@mutant("dead_letter.6", "default", trap="five attempts of a message in a queue without configuration", also="visibility.11")
class DefaultTarget(Queue):
    """What nobody configured has ``<queue>.dead`` and five attempts."""

    def config(self, queue: str) -> Config | None:
        return super().config(queue) or (None if queue.endswith(".dead") else Config(f"{queue}.dead", 5))


# dead_letter.7: an ack of the last attempt


@mutant("dead_letter.7", "missing step", trap="an ack of the last attempt", also="dead_letter.3 visibility.4")
class LastAckDiesAnyway(Queue):
    def remove(self, row: Row) -> None:
        config = self.config(row.queue)
        if config is not None and row.token and row.attempts >= config.max_attempts:
            self.move(row, self.corpse(replace(row, token="", until=0.0), config.target))
        else:
            super().remove(row)


@mutant("dead_letter.7", "too early", trap="a look while the last attempt is open", also="dead_letter.1 dead_letter.3 visibility.2")
class DiesAtTheLastDelivery(Queue):
    """It is in the target while it is being worked on, and an ack takes it from there."""

    def lease(self, row: Row, seconds: float) -> Lease:
        lease = super().lease(row, seconds)
        config = self.config(row.queue)
        if config is not None and lease.attempt >= config.max_attempts:
            held = self.space().queues[row.queue][row.id]
            self.move(held, replace(self.corpse(held, config.target), token=lease.token, until=held.until))
        return lease

    def held(self, lease: Lease, operation: str) -> Row:
        config = self.config(lease.queue)
        if config is not None and lease.attempt >= config.max_attempts:
            return super().held(replace(lease, queue=config.target), operation)
        return super().held(lease, operation)


@mutant("dead_letter.7", "wrong error", trap="an ack of the last attempt", also="dead_letter.1 visibility.4")
class LastAckConflicts(Queue):
    """There are no attempts left, so the lease counts for nothing."""

    async def ack(self, lease: Lease) -> None:
        config = self.config(self.name(lease.queue, "ack"))
        if config is not None and lease.attempt >= config.max_attempts:
            raise Conflict("zoo: ack: out of attempts")
        await super().ack(lease)


@mutant(
    "dead_letter.7",
    "stale copy",
    trap="the last attempt is extended, then acked",
    also="dead_letter.4 dead_letter.1 dead_letter.3 visibility.6",
)
class LastExtendIsADeath(Queue):
    """A lease that is extended when there are no attempts left is given up."""

    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        config = self.config(lease.queue)
        row = self.held(lease, "extend")
        if config is not None and row.attempts >= config.max_attempts:
            self.put(self.ended(row, self.now()))
            self.bury(row.queue)


# dead_letter.9: cancellation


@mutant("dead_letter.9", "lost on cancel", trap="a redrive cancelled between its messages", also="dead_letter.3 dead_letter.5")
class RedrivesOneByOneInHand(Queue):
    """All are taken out, then put back one by one."""

    async def redrive(self, queue: str) -> int:
        name = self.name(queue, "redrive")
        self.settle(name)
        rows = [row for row in self.dead(name) if not row.token]
        for row in rows:
            self.remove(row)
        for row in rows:
            await step()
            self.put(self.revived(row, name))
        return len(rows)


@mutant("dead_letter.9", "doubling on cancel", trap="a redrive cancelled between its two steps", also="dead_letter.3 dead_letter.5")
class RedriveCopiesThenDeletes(Queue):
    async def redrive(self, queue: str) -> int:
        name = self.name(queue, "redrive")
        self.settle(name)
        rows = [row for row in self.dead(name) if not row.token]
        self.put(*[self.revived(row, name) for row in rows])
        await step()
        for row in rows:
            self.remove(row)
        return len(rows)


@mutant("dead_letter.9", "lost on cancel", trap="a release of the last attempt, cancelled", also="dead_letter.3 visibility.12")
class LastReleaseInTwoSteps(Queue):
    """Out of the queue, then into the target."""

    async def release(self, lease: Lease) -> None:
        row = self.held(lease, "release")
        config = self.config(row.queue)
        if config is None or row.attempts < config.max_attempts:
            await super().release(lease)
            return
        self.remove(row)
        await step()
        self.put(self.corpse(self.ended(row, self.now()), config.target))


@mutant("dead_letter.9", "unusable driver", trap="any call after a cancelled redrive", also="dead_letter.5")
class CancelledRedriveHoldsTheLock(Queue):
    """The lock is a row, which nobody removes."""

    async def redrive(self, queue: str) -> int:
        slot = self.namespace, self.name(queue, "redrive"), "lock"
        if self.store.notes.get(slot):
            raise Conflict("zoo: redrive: another one is under way")
        self.store.notes[slot] = True
        await step()
        moved = await super().redrive(queue)
        self.store.notes[slot] = False
        return moved


# dead_letter.10: as in QueueBasic


@mutant(
    "dead_letter.10",
    "case",
    trap="a target that differs from another queue in case",
    also="visibility.11 dead_letter.2 dead_letter.4",
)
class TargetFoldsCase(Queue):
    def config(self, queue: str) -> Config | None:
        found = super().config(queue)
        return found and Config(found.target.casefold(), found.max_attempts)


@mutant("dead_letter.10", "stripping", trap="configuring a name with white space at an end", also="dead_letter.1 dead_letter.6")
class ConfiguredNamesAreStripped(Queue):
    def config(self, queue: str) -> Config | None:
        return next((found for name, found in self.space().configs.items() if name.strip() == queue.strip()), None)


@mutant("dead_letter.10", "missing check", trap="an illegal target")
class AnyTargetIsAccepted(Queue):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        try:
            await super().configure_dead_letter(queue, target, max_attempts)
        except InvalidName:
            self.name(queue, "configure_dead_letter")


@mutant("dead_letter.10", "missing check", trap="dead_letters or redrive of an illegal name")
class LooksAcceptAnyName(Queue):
    async def dead_letters(self, queue: str) -> list[QueueMessage]:
        return [] if not queue else await super().dead_letters(queue)

    async def redrive(self, queue: str) -> int:
        return 0 if not queue else await super().redrive(queue)


@mutant("dead_letter.10", "separator", trap="a queue whose name ends as the driver's own do", also="dead_letter.4 basic.6")
class TargetIsASuffix(Queue):
    """What died is kept in ``<target>:dead``, and shown in the target as well."""

    def name(self, queue: str, operation: str) -> str:
        return super().name(queue, operation).removesuffix(":dead") or queue
