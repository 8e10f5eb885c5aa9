"""Mutants that log what comes to nothing: it is there when the log is read again."""

from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Conflict, Lease
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileQueue
from .stores import Changes, Config, FileStore, Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _Logging(FileQueue):
    def log(self, changes: Changes) -> None:
        """Write to the log alone."""
        assert isinstance(self.store, FileStore)
        self.store.write(self.namespace, changes)


@mutant("visibility.13", "log before check", trap="a stale ack, and a kill", also="visibility.5 visibility.11")
class StaleAcksAreLogged(_Logging):
    async def ack(self, lease: Lease) -> None:
        try:
            await super().ack(lease)
        except Conflict:
            self.log({(lease.queue, lease.message.id): None})
            raise


@mutant("dead_letter.8", "log before check", trap="a configuration that was refused, and a kill", also="dead_letter.6")
class RefusedConfigurationsAreLogged(_Logging):
    async def configure_dead_letter(self, queue: str, target: str, max_attempts: int) -> None:
        try:
            await super().configure_dead_letter(queue, target, max_attempts)
        except ValueError:
            self.log({(queue, ""): Config(target, max(1, int(max_attempts)))})
            raise


@mutant("delayed.6", "log before check", trap="a delay that was refused, and a kill", also="delayed.3 visibility.13")
class RefusedDelaysAreLogged(_Logging):
    async def enqueue_delayed(self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, delay_s: float) -> str:
        try:
            return await super().enqueue_delayed(queue, payload, headers, delay_s=delay_s)
        except ValueError:
            self.log({(queue, "refused"): Row(queue, "refused", bytes(payload), {}, self.serial())})
            raise


@mutant("basic.12", "log before check", trap="a priority that was refused, and a kill", also="priority.2 visibility.13")
class RefusedPrioritiesAreLogged(_Logging):
    async def enqueue_with_priority(
        self, queue: str, payload: Bytes, headers: Mapping[str, str] | None = None, *, priority: int = 0
    ) -> str:
        try:
            return await super().enqueue_with_priority(queue, payload, headers, priority=priority)
        except (ValueError, TypeError):
            self.log({(queue, "refused"): Row(queue, "refused", bytes(payload), {}, self.serial())})
            raise
