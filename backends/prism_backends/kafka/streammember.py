"""A `Holding`, in the words of streams."""

import prism_testkit as prism
from prism_backends.bell import Bell
from prism_backends.kafka.company import Kept
from prism_backends.kafka.holding import Holding, Taken
from prism_backends.kafka.reading import record_of
from prism_backends.kafka.space import Space
from prism_backends.stream_arguments import check_deliveries, check_most
from prism_backends.streamcompany import Company
from prism_testkit.interfaces.errors import Conflict
from prism_testkit.interfaces.stream import Member, RecordDelivery

__all__ = ["KafkaMember"]

_ME = "kafka"


class KafkaMember(Member):
    """One stay in a group. A token is the name of the member that got the delivery, the batch, and the place."""

    def __init__(self, space: Space, company: Company[Kept], bell: Bell, stream: str, group: str) -> None:
        self._names = f"group {group[:40]!a} of {stream[:40]!a}"
        self.holding = Holding(space, company, bell, (stream, group), self._what)

    async def receive(self, max_records: int = 1, timeout_s: float = 0) -> list[RecordDelivery]:
        most = check_most(max_records, "receive", _ME)
        timeout_s = prism.check_timeout(timeout_s, "receive", _ME)
        self.holding.check_open("receive")
        return [_delivery(taken) for taken in await self.holding.take(most, timeout_s)]

    async def ack(self, *deliveries: RecordDelivery) -> None:
        check_deliveries(deliveries, "ack", _ME)
        self._refuse("ack", await self.holding.ack(_tokens(deliveries)))

    async def nack(self, *deliveries: RecordDelivery, delay_s: float = 0) -> None:
        delay_s = prism.check_timeout(delay_s, "nack", _ME)
        check_deliveries(deliveries, "nack", _ME)
        self._refuse("nack", await self.holding.nack(_tokens(deliveries), delay_s))

    def _refuse(self, operation: str, refused: list[str]) -> None:
        if refused:
            raise Conflict(f"{self._what(operation)}: this member does not hold {len(refused)} of what it was asked for")

    def _what(self, operation: str) -> str:
        return f"{_ME}: {operation} of {self._names}"


def _delivery(taken: Taken) -> RecordDelivery:
    return RecordDelivery(record_of(taken.record, taken.partition), taken.count, taken.token)


def _tokens(deliveries: tuple[RecordDelivery, ...]) -> list[str]:
    return list(dict.fromkeys(delivery.token for delivery in deliveries))
