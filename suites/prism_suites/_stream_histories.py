"""What happens to one stream, a step at a time, and all that is kept behind each step: whatever looks at it has to agree.

A story is words: letters are records of these keys (``.`` is one without), ``~`` lets a second pass, ``!`` compacts, ``<3`` trims
what is before the fourth record kept, ``=3`` keeps the last three, ``^`` sets bounds that nothing is outside of. Two clients take
turns, and every third record is empty. What a backend does not offer, or does not do at once, is left out.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from prism_suites._judging import same
from prism_testkit.case import Case
from prism_testkit.interfaces import Record, Retention, StreamBasic, StreamRetention
from prism_testkit.tap import offers

__all__ = ["STORIES", "State", "behind", "edges", "history"]

STORIES = (
    "a.b ~ .. ~ cc ~ d",
    "...... ~ <2 .. ~ <3 . <99 .. ~ .",
    "abab.cbaa ~ ! ab ~ ! <3 c. b ~ ! b <1",
    ".a.a.a.a ~ =5 .. =3 ~ . =1 ..",
    "abcabc.abc ~ ! <1 ab ~ =3 ! a ~ a <99 b",
    "......... ~ ^ <1 =6 ~ ^ <5 .. =2 ^ .",
    "a.ba.ab.a ^ ~ ! <3 b. ~ ! <2 a <99 b",
)
STEP_S = 1.0
_DONE = {
    "~": "a second had passed",
    "!": "compact()",
    "^": "bounds were set that nothing is outside of",
    "<": "a trim of the first {}",
    "=": "the bound max_records={} was enforced, and taken back",
}


@dataclass(frozen=True, slots=True)
class State:
    """The stream behind a step."""

    number: int
    word: str
    """What was done last."""
    kept: tuple[Record, ...]
    end: int
    """Above every offset so far."""
    bounds: Retention
    """What was set last."""
    slots: tuple[Any, Any]
    """The client that did it, and the other; both with every interface of their driver."""

    @property
    def told(self) -> str:
        done = _DONE.get(self.word[0], "appends").format(self.word[1:])
        return f"after {done}, step {self.number} of its story"


async def history(case: Case, story: str, name: str = "s", trims: str = "stream_basic.7") -> AsyncIterator[State]:
    """Tell a story of a stream that was not used; ``trims`` is the promise of what a trim returns."""
    slots = [await case.whole(), await case.client(whole=True)]
    kept: list[Record] = []
    end, bounds = 0, Retention()
    for number, word in enumerate(_possible(case, slots[0], story)):
        who, other = slots[number % 2], slots[1 - number % 2]
        if word == "~":
            if case.clock.virtual:
                await case.advance(STEP_S)
        elif word == "!":
            await who.compact(name)
            last = {record.key: record.offset for record in kept}
            kept = [record for record in kept if record.key is None or last[record.key] == record.offset]
        elif word == "^":
            bounds = Retention(1e8, 10**6)
            await who.set_retention(name, 1e8, 10**6)
        elif word[0] == "<":
            kept = await _trimmed(who, name, kept, int(word[1:]), end, trims)
        elif word[0] == "=":
            kept = kept[-int(word[1:]) :]
            await who.set_retention(name, max_records=int(word[1:]))
            await other.enforce_retention(name)
            bounds = Retention()
            await who.set_retention(name)
        else:
            offsets = [
                await who.append(name, b"" if at % 3 == 1 else b"%d" % (number * 100 + at), None if key == "." else key)
                for at, key in enumerate(word)
            ]
            kept += [record async for record in _records(who, name, offsets[0])]
            end = offsets[-1] + 1
            same(
                "stream_basic.12",
                [record.offset for record in kept[-len(offsets) :]],
                offsets,
                "a read does not give what was appended",
            )
        yield State(number, word, tuple(kept), end, bounds, (who, other))


def _possible(case: Case, slot: Any, story: str) -> list[str]:
    """Return the words that this backend does, and at once."""
    bounds, trims = offers(slot, StreamRetention), offers(slot, StreamBasic)
    left_out = "" if bounds and case.traits.compaction == "immediate" else "!"
    left_out += ("" if bounds else "=^") + ("" if trims else "<")
    return [word for word in story.split() if word[0] not in left_out]


async def _trimmed(slot: Any, name: str, kept: list[Record], number: int, end: int, law: str) -> list[Record]:
    before = kept[number].offset if number < len(kept) else end
    lowest = await slot.trim(name, before)
    kept = kept[number:]
    below = [record.offset for record in kept if record.offset < lowest]
    same(law, below, [], f"a trim tells {lowest} as the lowest offset, and a record below is kept")
    return kept


def _records(slot: Any, name: str, start: int) -> AsyncIterator[Record]:
    found: AsyncIterator[Record] = slot.read(name, start) if hasattr(slot, "read") else slot.read_partition(name, 0, start)
    return found


def edges(state: State) -> list[int]:
    """Return offsets of this state, a few of each kind: of records, in holes between them, before the first, at the end, beyond."""
    offsets = [record.offset for record in state.kept]
    holes = [offset + 1 for offset, then in pairwise(offsets) if then > offset + 1]
    kinds: Sequence[Sequence[int]] = (
        offsets,
        holes,
        [max(0, offset - 1) for offset in offsets[:1]],
        (state.end, 0, state.end + 10**6),
    )
    return list(dict.fromkeys(kind[state.number % len(kind)] for kind in kinds if kind))


def behind(state: State, offset: int) -> list[Record]:
    """Return what is kept from an offset on."""
    return [record for record in state.kept if record.offset >= offset]
