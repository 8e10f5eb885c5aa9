"""Mutants of the thirteenth round: names that are joined for what comes again, and a frame that is too small for its headers."""

import json
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, PayloadTooLarge
from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Member, PubSub
from .stores import Row

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


class _TrayMember(Member):
    """What was given back is in a tray of its own, and comes from there."""

    def tray(self) -> list[str]:
        joined = f"{self.topic}:{self.name}"
        found: list[str] = self.driver.store.notes.setdefault((self.driver.namespace, joined), [])
        return found

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, delay_s)
        self.tray().extend(identifiers)

    def next_ones(self, amount: int) -> list[Row]:
        rows = {row.message.id: row for row in self.driver.rows(self.topic)}
        tray = self.tray()
        found = []
        for identifier in list(tray):
            row = rows.get(identifier)
            if row is not None and not self.available(row):
                continue
            tray.remove(identifier)
            if row is not None:
                found.append(row)
            if len(found) == amount:
                return found
        for row in rows.values():
            if len(found) < amount and self.available(row) and not self.mark(row.message.id).count:
                found.append(row)
        return found


@mutant("persistent.11", "escaping", trap="nack in (a:b, c) beside (a, b:c)", also="persistent.4 persistent.1")
class GivesBackUnderJoinedNames(PubSub):
    member_type = _TrayMember


class _PutOffMember(Member):
    """Until when a message is put off is kept by its number in the topic."""

    def put_off(self, row: Row) -> tuple[str, str, int]:
        number = [other.message.id for other in self.driver.rows(self.topic)].index(row.message.id)
        return self.driver.namespace, f"{self.topic}/{self.name}", number

    def available(self, row: Row) -> bool:
        due = self.driver.store.notes.get(self.put_off(row), 0.0)
        return super().available(row) and self.driver.over(due)

    def instants(self) -> list[float]:
        due = [self.driver.store.notes.get(self.put_off(row), 0.0) for row in self.driver.rows(self.topic)]
        return [instant for instant in due if not self.driver.over(instant)]

    def give_back(self, identifiers: list[str], delay_s: float) -> None:
        super().give_back(identifiers, 0)
        for row in self.driver.rows(self.topic):
            if row.message.id in identifiers:
                self.driver.store.notes[self.put_off(row)] = self.driver.after(delay_s) if delay_s > 0 else 0.0


@mutant("persistent.11", "escaping", trap="nack with a delay in (a/b, c), and nack in (a, b/c)", also="persistent.8 persistent.4")
class PutsOffUnderJoinedNames(PubSub):
    member_type = _PutOffMember


@mutant("basic.6", "boundary", trap="the largest payload with 8 KiB of control characters in a header", also="basic.1")
class FramesOfAMebibyte(PubSub):
    """A message is one frame with its headers in JSON."""

    async def publish(self, topic: str, payload: Bytes, headers: Mapping[str, str] | None = None) -> str:
        data, labels = self.data(payload, "publish", topic), self.labels(headers, "publish")
        if len(data) + len(json.dumps({"topic": topic, "headers": dict(labels)})) > 2**20:
            raise PayloadTooLarge(f"zoo: publish {topic[:40]!a}: a frame is at most 1 MiB")
        return await super().publish(topic, payload, headers)
