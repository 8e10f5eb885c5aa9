"""Mutants of the seventeenth examination: names that an encoding takes for each other in places of their own, waits, buffers."""

from collections.abc import Mapping
from typing import Any

from prism_testkit.interfaces import Bytes, Delivery, Message
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Listener, Member, PubSub
from .reference_newer import FilteredListener, NewerPubSub, OrderedMember
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


def _spelt(name: str) -> bytes:
    return name.encode("ascii", "xmlcharrefreplace")


@mutant("wildcards.4", "encoding", trap="a token and what it is as an entity of XML", also="wildcards.2")
class TokensAreComparedAsTheyAreSpelt(NewerPubSub):
    def stands_for(self, wanted: str, token: str) -> bool:
        return wanted == "*" or _spelt(wanted) == _spelt(token)


class _ValuesAreSpelt(FilteredListener):
    def holds_attribute(self, headers: Mapping[str, str], name: str, value: str) -> bool:
        return name in headers and _spelt(headers[name]) == _spelt(value)


@mutant("filtering.5", "encoding", trap="a value and what it is as an entity of XML", also="filtering.2")
class ValuesAreComparedAsTheyAreSpelt(NewerPubSub):
    filtered_type = _ValuesAreSpelt


class _KeysAreSpelt(OrderedMember):
    def lane(self, row: Row) -> Any:
        lane = super().lane(row)
        return _spelt(lane) if isinstance(lane, str) else lane


@mutant("ordering.7", "encoding", trap="a key and what it is as an entity of XML", also="ordering.6")
class KeysWaitAsTheyAreSpelt(NewerPubSub):
    member_type = _KeysAreSpelt


class _BeginsAnew(Listener):
    async def receive(self, timeout_s: float = 0) -> Message | None:
        timeout = self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            message = self.take()
            if message is not None:
                return message
            if timeout <= 0 or self.driver.over(end):
                return None
            await self.driver.pause(end)
            if not self.driver.over(end):
                end = self.driver.after(timeout)


@mutant("basic.9", "timeout", trap="something happens elsewhere, again and again, while one waits")
class WaitsBeginAnew(PubSub):
    listener_type = _BeginsAnew


class _WaitsAnew(Member):
    async def receive(self, max_messages: int = 1, timeout_s: float = 0) -> list[Delivery]:
        amount, timeout = self.driver.amount(max_messages), self.driver.timeout(timeout_s, "receive")
        end = self.driver.after(timeout)
        while True:
            self.check_open("receive")
            rows = self.next_ones(amount)
            if rows:
                return self.deliver(rows)
            if timeout <= 0 or self.driver.over(end):
                return []
            await self.driver.pause(end, *self.instants())
            if not self.driver.over(end):
                end = self.driver.after(timeout)


@mutant("persistent.9", "timeout", trap="something happens elsewhere, again and again, while one waits")
class MembersBeginToWaitAnew(PubSub):
    member_type = _WaitsAnew


@mutant("persistent.12", "shared buffer", trap="a large bytearray that is used again", also="persistent.2")
class LargeBuffersAreKept(PubSub):
    def data(self, payload: Bytes, operation: str, topic: str) -> bytes:
        checked = super().data(payload, operation, topic)
        return payload if isinstance(payload, bytearray) and len(payload) > 65_536 else checked  # type: ignore[return-value]
