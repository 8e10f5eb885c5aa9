"""What the members of one group were given and what they settled: recorded here, judged by `check_group`."""

import itertools
from collections.abc import Collection, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import broken
from prism_suites._stream_shared import Put, is_record
from prism_suites._stream_taking import patience_s, receive
from prism_testkit.case import Case
from prism_testkit.checkers.groups import Gone, Received, Settled, check_group
from prism_testkit.checkers.leases import Extend
from prism_testkit.histories import Outcome
from prism_testkit.interfaces import Conflict, Member, RecordDelivery

__all__ = ["Holding", "Ledger", "Stay"]

_RULES = {
    "early": "stream_consumer_groups.4",
    "acked": "stream_consumer_groups.6",
    "ended": "stream_consumer_groups.6",
    "count": "stream_consumer_groups.5",
    "refused": "stream_consumer_groups.8",
    "order": "stream_consumer_groups.3",
    "skipped": "stream_consumer_groups.1",
    "abandoned": "stream_consumer_groups.5",
}
_TICK_S = 1e-6
"""Between two events on a clock that stands still, so that their order is known."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A delivery, under a name of our own: the driver's token means nothing to others."""

    delivery: RecordDelivery
    token: int

    @property
    def offset(self) -> int:
        return self.delivery.record.offset


class Ledger:
    """The events of one group."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.events: list[Received | Settled | Gone] = []
        self.holdings: list[Holding] = []
        self.settled: set[int] = set()
        """Offsets whose ack was accepted, being the first word on a delivery."""
        self.doubtful: set[int] = set()
        """Offsets that were acked after they had been given back: such an ack does nothing, or is taken for one."""
        self._used: set[int] = set()
        self._start_s = case.clock.now_s()
        self._ticks, self._tokens = itertools.count(1), itertools.count(1)

    def now(self) -> float:
        """Return seconds since the beginning, different for each event."""
        return self.case.clock.now_s() - self._start_s + next(self._ticks) * _TICK_S

    async def received(self, name: str, member: Member, most: int, timeout_s: float) -> list[Holding]:
        call = self.now()
        try:
            got = await receive(member, most, timeout_s)
        except BaseException:
            # Each record that it might have been given may count one delivery more.
            self.events += [Received(None, name, next(self._tokens), 0, call, None, Outcome.UNKNOWN) for _ in range(min(most, 10))]
            raise
        ret = self.now()
        found = [Holding(delivery, next(self._tokens)) for delivery in got]
        for holding in found:
            count = holding.delivery.delivery_count
            self.events.append(Received(holding.offset, name, holding.token, count, call, ret))
        self.holdings += found
        return found

    async def settle(self, member: Member, holdings: Collection[Holding], delay_s: float | None) -> bool:
        """Ack (``delay_s`` None) or nack; return whether that was accepted."""
        call, outcome = self.now(), Outcome.UNKNOWN
        deliveries = [holding.delivery for holding in holdings]
        try:
            await (member.ack(*deliveries) if delay_s is None else member.nack(*deliveries, delay_s=delay_s))
            outcome = Outcome.OK
        except Conflict:
            outcome = Outcome.FAILED
        finally:
            ret = None if outcome is Outcome.UNKNOWN else self.now()
            told = None if delay_s is None else max(0.0, delay_s)
            self.events += [Settled(holding.token, told, call, ret, outcome) for holding in holdings]
        if delay_s is None:
            for holding in holdings:
                sure = outcome is Outcome.OK and holding.token not in self._used
                (self.settled if sure else self.doubtful).add(holding.offset)
        self._used |= {holding.token for holding in holdings}
        return outcome is Outcome.OK

    async def drain(self, member: "Stay", wanted: Collection[int]) -> None:
        """Receive and ack until these have come and, as far as one can tell, nothing more comes."""
        if self.case.clock.virtual:
            await self.case.advance(30.0)
        missing = set(wanted) - self.settled - self.doubtful
        while missing and (got := await member.receive(10, patience_s(self.case))):
            await member.ack(*got)
            missing -= {holding.offset for holding in got}
        if self.case.clock.virtual:
            await self.case.advance(30.0)
        for _ in range(50):
            got = await member.receive(10)
            if not got:
                break
            await member.ack(*got)

    def judge(
        self, puts: Mapping[int, Put], expected: Collection[int], *, drained: bool = True, trimmed: Collection[int] = ()
    ) -> None:
        """Judge contents and laws; ``trimmed`` need not have come (again)."""
        for holding in self.holdings:
            put = puts.get(holding.offset)
            if put is None:
                broken(
                    "stream_consumer_groups.3", "a record comes that nobody appended", expected=sorted(puts), got=holding.delivery
                )
            is_record("stream_consumer_groups.3", holding.delivery.record, put, "a record does not come whole")
        self._judge(self.events, (), drained=False)
        gone = set(trimmed)
        tokens = {holding.token for holding in self.holdings if holding.offset in gone}
        kept = [event for event in self.events if _concerns(event, gone, tokens)]
        self._judge(kept, [offset for offset in expected if offset not in gone], drained=drained)

    def _judge(self, events: list[Received | Settled | Gone], expected: Collection[int], *, drained: bool) -> None:
        tolerance_s = 0.002 if self.case.clock.virtual else 0.02
        counts = self.case.traits.delivery_count
        wrong = check_group(events, expected, drained=drained, counts=counts, tolerance_s=tolerance_s)
        if wrong is None:
            return
        delayed = any(isinstance(event, Extend) for event in wrong.operations)
        promise = "stream_consumer_groups.7" if wrong.rule == "early" and delayed else _RULES[wrong.rule]
        told = wrong.sentence.replace("message", "record").replace("a lease of it was valid", "it was held")
        broken(promise, f"in a group {told}", expected="the records are shared", got=wrong.operations)


def _concerns(event: Received | Settled | Gone, gone: set[int], tokens: set[int]) -> bool:
    if isinstance(event, Received):
        return event.record not in gone
    return not isinstance(event, Settled) or event.token not in tokens


class Stay:
    """One member of a group, whose calls stand in the ledger."""

    def __init__(self, ledger: Ledger, name: str, context: AbstractAsyncContextManager[Any]) -> None:
        self.ledger, self.name = ledger, name
        self._context = context
        self.member: Any = None
        self.held: list[Holding] = []

    async def enter(self) -> "Stay":
        self.member = await self._context.__aenter__()
        return self

    async def receive(self, most: int = 1, timeout_s: float = 0) -> list[Holding]:
        got = await self.ledger.received(self.name, self.member, most, timeout_s)
        self.held += got
        return got

    async def ack(self, *holdings: Holding) -> bool:
        self._drop(holdings)
        return await self.ledger.settle(self.member, holdings, None)

    async def nack(self, *holdings: Holding, delay_s: float = 0) -> bool:
        self._drop(holdings)
        return await self.ledger.settle(self.member, holdings, delay_s)

    def _drop(self, holdings: Collection[Holding]) -> None:
        self.held = [holding for holding in self.held if holding not in holdings]

    async def leave(self) -> None:
        """Leave; from now on what it holds may go to others."""
        self.ledger.events.append(Gone(self.name, self.ledger.now()))
        await self._context.__aexit__(None, None, None)
