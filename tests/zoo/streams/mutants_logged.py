"""Mutants that log what comes to nothing: it is there when the log is read again."""

from prism_testkit.interfaces import AlreadyExists, Conflict, GroupStart, RecordDelivery
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import FileStreams, Member
from .stores import Acked, Change, FileStore

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.15", "log before check", trap="a trim that was refused, and a kill", also="basic.9 basic.7")
class RefusedTrimsAreLogged(FileStreams):
    async def trim(self, stream: str, before: int) -> int:
        try:
            return await super().trim(stream, before)
        except ValueError:
            assert isinstance(self.store, FileStore)
            self.store.write(self.namespace, [Change(stream, trim=self.stream(stream).end)])
            raise


@mutant("consumer_groups.16", "log before check", trap="a group that is made again, and a kill", also="consumer_groups.2")
class RefusedCreationsAreLogged(FileStreams):
    async def create_group(self, stream: str, group: str, start: GroupStart = "earliest") -> None:
        try:
            await super().create_group(stream, group, start)
        except AlreadyExists:
            assert isinstance(self.store, FileStore)
            self.store.write(self.namespace, [Change(stream, group, position=self.stream(stream).end)])
            raise


class _StaleAcks(Member):
    async def ack(self, *deliveries: RecordDelivery) -> None:
        try:
            await super().ack(*deliveries)
        except Conflict:
            assert isinstance(self.driver.store, FileStore)
            changes = [Change(self.stream, self.group, offset=each.record.offset, held=Acked()) for each in deliveries]
            self.driver.store.write(self.driver.namespace, changes)
            raise


@mutant("consumer_groups.16", "log before check", trap="an ack of what another holds, and a kill", also="consumer_groups.8")
class StaleAcksAreLogged(FileStreams):
    member_type = _StaleAcks
