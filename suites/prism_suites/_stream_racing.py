"""Calls on one stream that overlap: recorded here, judged as one log by `check_log`."""

import itertools
from collections.abc import Sequence
from contextlib import aclosing
from itertools import pairwise
from typing import Any

from prism_suites._judging import broken
from prism_testkit.checkers.logs import Append, Read, Trim, check_log
from prism_testkit.histories import Outcome
from prism_testkit.interfaces import Record

__all__ = ["Recorder"]

_RULES = {
    "unexpected": "stream_basic.2",
    "aborted": "stream_basic.9",
    "inconsistent": "stream_basic.12",
    "duplicate": "stream_basic.12",
    "order": "stream_basic.3",
    "range": "stream_basic.5",
    "lost": "stream_basic.12",
    "hole": "stream_basic.4",
    "trimmed": "stream_basic.7",
}


class Recorder:
    """What the clients of one stream, empty at first, asked and were told; all payloads differ."""

    def __init__(self, stream: str = "s") -> None:
        self.stream = stream
        self.events: list[Append | Read | Trim] = []
        self.known: list[int] = []
        """Offsets as they became known, to begin reads and trims with."""
        self._latest: list[tuple[int, int, int | None]] = []
        self._ticks = itertools.count(1)
        self.wrong_instants = False

    async def append(self, slot: Any, payload: bytes, key: str | None = None) -> int | None:
        call = next(self._ticks)
        try:
            offset: int = await slot.append(self.stream, payload, key)
        except BaseException:
            self.events.append(Append(payload, None, call, None, Outcome.UNKNOWN))
            raise
        self.events.append(Append(payload, offset, call, next(self._ticks)))
        self.known.append(offset)
        return offset

    async def read(self, slot: Any, start: int = 0, limit: int | None = None, leave: int | None = None) -> list[tuple[int, bytes]]:
        """Read; leave it early after ``leave`` records."""
        call = next(self._ticks)
        records: list[tuple[int, bytes]] = []
        instants: list[int] = []
        left = False
        async with aclosing(slot.read(self.stream, start, limit)) as given:
            async for record in given:
                if not isinstance(record, Record):
                    broken("stream_basic.2", "a read gives something that is no record", expected="a Record", got=record)
                records.append((record.offset, bytes(record.payload)))
                instants.append(record.appended_ms)
                if leave is not None and len(records) >= leave:
                    left = True
                    break
        told = len(records) if left else limit
        self.events.append(Read(tuple(records), call, next(self._ticks), start, told))
        self.wrong_instants |= any(second < first for first, second in pairwise(instants))
        return records

    async def latest(self, slot: Any) -> None:
        call = next(self._ticks)
        told = await slot.latest_offset(self.stream)
        self._latest.append((call, next(self._ticks), told))

    async def trim(self, slot: Any, before: int) -> None:
        call = next(self._ticks)
        try:
            told = await slot.trim(self.stream, before)
        except BaseException:
            self.events.append(Trim(before, call, None, None, Outcome.UNKNOWN))
            raise
        self.events.append(Trim(before, call, next(self._ticks), told))

    async def look(self, slots: Sequence[Any]) -> None:
        """Read everything through several clients, so that what is lost shows."""
        for slot in slots:
            await self.read(slot)
            await self.latest(slot)

    def judge(self) -> None:
        """Judge that all of it was one log."""
        wrong = check_log(self.events)
        if wrong is not None:
            broken(_RULES[wrong.rule], f"under concurrent calls {wrong.sentence}", expected="one log", got=wrong.operations)
        if self.wrong_instants:
            broken("stream_basic.13", "appended_ms decreases with the offset", expected="it grows, or stays", got=self.events)
        appends = [event for event in self.events if isinstance(event, Append)]
        for call, ret, told in self._latest:
            least = max((a.offset for a in appends if a.ret is not None and a.ret < call and a.offset is not None), default=-1)
            may_be = {a.offset for a in appends if a.call < ret}
            unknown = any(a.offset is None for a in appends)
            if (told if told is not None else -1) < least or (told is not None and told not in may_be and not unknown):
                sentence = "latest_offset is not that of the last record while others append"
                broken("stream_basic.6", sentence, expected=f"{least} or more, of a record", got=told)
