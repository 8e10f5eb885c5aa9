"""Is a stream one log: the same records at the same offsets for every reader, in the order of their appends, without holes?

The rules are those of Jepsen's Kafka workload (inconsistent offset, duplicate, lost write, aborted read, order of polls and
sends), made exact for a log whose offsets grow in the order of appends and whose reads have no holes, which is what `StreamBasic`
promises: then a read must hold every record that anybody ever knew of between its start and its last record. O(n log n) for n
records read. Values must differ. Offsets need not be dense. What consumer groups do is judged by `prism_testkit.checkers.groups`.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from prism_testkit.checkers.violations import Violation
from prism_testkit.histories import Outcome
from prism_testkit.reports.text import show

__all__ = ["Append", "Read", "Trim", "check_log"]


@dataclass(frozen=True, slots=True)
class Append:
    """A value was appended, and told to be at ``offset``, which means something only if the outcome is OK."""

    value: Hashable
    offset: int | None
    call: float
    ret: float | None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class Read:
    """The records, (offset, value) each, that a read from ``start`` gave, in the order in which it gave them.

    Of a read that was left early, ``limit`` is the number of records that it gave.
    """

    records: tuple[tuple[int, Hashable], ...]
    call: float
    ret: float
    start: int = 0
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class Trim:
    """Records below ``before`` were to be removed; ``lowest`` is what the call returned, if its outcome is OK."""

    before: int
    call: float
    ret: float | None
    lowest: int | None = None
    outcome: Outcome = Outcome.OK


@dataclass(frozen=True, slots=True)
class _Fact:
    """A record is known to be in the log: its append was called at ``call``, and at ``by`` ``event`` had told of it."""

    offset: int
    call: float
    by: float
    append: Append
    event: Append | Read


def check_log(events: Iterable[Append | Read | Trim]) -> Violation | None:
    """Return what shows that one stream, empty at first, was no log; None if nothing does. Rules:

    * ``unexpected``: a value was read that nobody appended, or before its append was called; ``aborted``: its append was refused.
    * ``inconsistent``: two values at one offset; ``duplicate``: one value at two offsets.
    * ``order``: a read gave offsets that do not increase, or a record was appended below one that was there before.
    * ``range``: a read gave an offset below its start, or more records than its limit.
    * ``lost``: a read does not hold a record that was there before it was called; ``hole``: it holds a later one instead.
    * ``trimmed``: a read gave what had been trimmed before it was called.

    A value appended twice raises ``ValueError``: then nothing can be told.
    """
    appends: dict[Hashable, Append] = {}
    reads: list[Read] = []
    trims: list[Trim] = []
    for event in events:
        if isinstance(event, Read):
            reads.append(event)
        elif isinstance(event, Trim):
            trims.append(event)
        elif appends.setdefault(event.value, event) is not event:
            raise ValueError(f"{show(event.value)} was appended twice: every value must differ")
    reads.sort(key=lambda read: read.ret)
    for read in reads:
        wrong = _find_unexpected(read, appends) or _find_disorder(read)
        if wrong is not None:
            return wrong
    facts: dict[int, _Fact] = {}
    wrong = _collect(facts, appends, reads)
    if wrong is not None:
        return wrong
    return _find_late(list(facts.values())) or _Reads(facts, trims).find(reads)


def _find_unexpected(read: Read, appends: dict[Hashable, Append]) -> Violation | None:
    for _, value in read.records:
        append = appends.get(value)
        if append is None:
            return Violation("unexpected", f"{show(value)} was read, and nobody appended it", (read,))
        if append.outcome is Outcome.FAILED:
            return Violation("aborted", f"{show(value)} was read, although its append was refused", (append, read))
        if read.ret < append.call:
            return Violation("unexpected", f"{show(value)} was read before its append was called", (read, append))
    return None


def _find_disorder(read: Read) -> Violation | None:
    offsets = [offset for offset, _ in read.records]
    for first, second in pairwise(offsets):
        if first >= second:
            return Violation("order", f"a read gave offset {second} after {first}", (read,))
    if offsets and offsets[0] < read.start:
        return Violation("range", f"a read from {read.start} gave offset {offsets[0]}", (read,))
    if read.limit is not None and len(offsets) > read.limit:
        return Violation("range", f"a read of at most {read.limit} records gave {len(offsets)}", (read,))
    return None


def _collect(facts: dict[int, _Fact], appends: dict[Hashable, Append], reads: Iterable[Read]) -> Violation | None:
    """Fill in who told first of the record at each offset; find offsets and records that do not belong to each other."""
    places: dict[Hashable, _Fact] = {}
    told: list[tuple[int, Hashable, float, Append | Read]] = []
    for append in appends.values():
        if append.outcome is Outcome.OK and append.offset is not None:
            told.append((append.offset, append.value, math.inf if append.ret is None else append.ret, append))
    told += [(offset, value, read.ret, read) for read in reads for offset, value in read.records]
    told.sort(key=lambda telling: telling[2])
    for offset, value, by, event in told:
        append = appends[value]
        at = facts.setdefault(offset, _Fact(offset, append.call, by, append, event))
        if at.append is not append:
            sentence = f"offset {offset} holds {show(at.append.value)} and {show(value)}"
            return Violation("inconsistent", sentence, (at.event, event))
        of = places.setdefault(value, at)
        if of is not at:
            return Violation("duplicate", f"{show(value)} is at the offsets {of.offset} and {offset}", (of.event, event))
    return None


def _find_late(facts: Sequence[_Fact]) -> Violation | None:
    """Find a record whose append was called when one at a higher offset was known."""
    known = sorted(facts, key=lambda fact: fact.by)
    highest = list(accumulate(known, _higher))
    instants = [fact.by for fact in known]
    for fact in facts:
        place = bisect_left(instants, fact.call)
        if place and highest[place - 1].offset > fact.offset:
            before = highest[place - 1]
            sentence = f"a record was appended at offset {fact.offset} when there was one at {before.offset}"
            return Violation("order", sentence, tuple(dict.fromkeys((before.append, before.event, fact.append, fact.event))))
    return None


def _higher(fact: _Fact, other: _Fact) -> _Fact:
    return fact if fact.offset > other.offset else other


class _Reads:
    """Looks for what is missing in reads, and what should be."""

    def __init__(self, facts: dict[int, _Fact], trims: Iterable[Trim]) -> None:
        self.facts = facts
        self.offsets = sorted(facts)
        known = sorted(facts.values(), key=lambda fact: fact.by)
        self.instants = [fact.by for fact in known]
        self.highest = list(accumulate((fact.offset for fact in known), max))
        trims = [trim for trim in trims if trim.outcome is not Outcome.FAILED]
        # Those that reached further than any before: by call, what may be gone; by return, what must be.
        self.trimming = _furthest(sorted(trims, key=lambda trim: trim.call))
        sure = [trim for trim in trims if trim.outcome is Outcome.OK and trim.ret is not None]
        self.trimmed = _furthest(sorted(sure, key=lambda trim: trim.ret or 0))

    def find(self, reads: Iterable[Read]) -> Violation | None:
        for read in reads:
            wrong = self._find_trimmed(read) or self._find_missing(read)
            if wrong is not None:
                return wrong
        return None

    def _find_trimmed(self, read: Read) -> Violation | None:
        place = bisect_left(self.trimmed, read.call, key=lambda trim: trim.ret or 0)
        if place and read.records and read.records[0][0] < _bound(self.trimmed[place - 1]):
            trim = self.trimmed[place - 1]
            sentence = f"offset {read.records[0][0]} was read after everything below {_bound(trim)} had been trimmed"
            return Violation("trimmed", sentence, (trim, read))
        return None

    def _find_missing(self, read: Read) -> Violation | None:
        """Compare numbers first: what was read is known, so equal numbers are the same records."""
        place = bisect_right(self.trimming, read.ret, key=lambda trim: trim.call)
        floor = max(read.start, _bound(self.trimming[place - 1]) if place else 0)
        given = [offset for offset, _ in read.records]
        last = given[-1] if given else -1
        there = bisect_right(self.offsets, last) - bisect_left(self.offsets, floor)
        if there > len(given) - bisect_left(given, floor):
            begin = bisect_left(self.offsets, floor)
            offset = next(o for o in self.offsets[begin:] if o not in set(given))
            return self._missing(read, offset, "lost" if self.facts[offset].by < read.call else "hole")
        place = bisect_left(self.instants, read.call)
        highest = self.highest[place - 1] if place else -1
        if highest > last and highest >= floor and (read.limit is None or len(given) < read.limit):
            return self._missing(read, highest, "lost")
        return None

    def _missing(self, read: Read, offset: int, rule: str) -> Violation:
        fact = self.facts[offset]
        value = show(fact.append.value)
        if rule == "lost":
            sentence = f"{value} was at offset {offset} before a read from {read.start} was called, which did not give it"
        else:
            sentence = f"a read gave what is behind offset {offset}, and not {value}, which appeared there"
        return Violation(rule, sentence, tuple(dict.fromkeys((fact.append, fact.event, read))))


def _furthest(trims: Iterable[Trim]) -> list[Trim]:
    found: list[Trim] = []
    for trim in trims:
        if not found or _bound(trim) > _bound(found[-1]):
            found.append(trim)
    return found


def _bound(trim: Trim) -> int:
    return trim.before if trim.lowest is None or trim.outcome is not Outcome.OK else trim.lowest
