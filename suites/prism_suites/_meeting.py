"""Two calls of two processes that meet: one stands still at each of its points in turn, while the other makes all of its own.

What the two are told, and what is there afterwards, must be what they would be told one after the other, in one order or the
other: that is what it means that each takes effect at one instant. Which answers those are, the store itself says: it is asked for
both orders first. So nothing is known here of keys or queues, and what is wrong also where nobody meets is not judged here.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from itertools import count
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.conducting import Player
from prism_testkit.killing import Step
from prism_testkit.processes import Told
from prism_testkit.servers.processes import holds_within

__all__ = ["Meeting", "Results", "meet"]

_MOST_POINTS = 48
"""At so many points of a call, from its first, somebody else is let in."""
_FILES_S = 0.003
_SERVER_S = 0.02
"""Who does nothing for so long is taken to wait for the other process; an answer of a server comes sooner."""
_OWN = frozenset(("id", "token", "offset", "etag", "timestamp_ms", "published_at_ms", "last_modified_ms", "expires_at_ms", "queue"))
"""Fields of results that a store chooses."""
_CHOSEN = ("enqueue", "append", "publish")
"""Calls that return what a store chooses."""

_UNORDERED = ("list_objects", "scan", "scan_keys")
_LONG = 100
_EXPIRES_S = 10.0
"""Until then what was given a few milliseconds is gone, or nothing can be said of what is expired."""

Results = Sequence[Told]
"""What the calls before were told, on this name, by this process."""


@dataclass(frozen=True)
class Meeting:
    """The two calls that meet, given a fresh name and what was told ``before``; that, each process makes by itself, one after
    the other. What is looked at ``after`` both, they do by turns. ``after`` is given what the second process was told before.
    """

    first: Callable[[str, Results], Step]
    second: Callable[[str, Results], Step]
    before: Callable[[str], tuple[Sequence[Step], Sequence[Step]]] = lambda name: ((), ())
    after: Callable[[str, Results], Sequence[Step]] = lambda name, results: ()
    until: Callable[[str], Step] | None = None
    """A look that is made again before the two meet, until it says None or False: then all that was written before has expired.

    It looks at what was written last, and not at what they meet at: a look may remove what has expired.
    """
    allowed: tuple[type[Exception], ...] = ()
    """What the first call may raise for meeting another one; its own answer is not judged then, the others are."""


def meet(case: Case, promise: str, meetings: Sequence[Meeting]) -> None:
    """Let the two calls of each meeting meet at every point of the first one; judge what they are told."""
    with case.law(promise), case.conducted(2) as (one, other):
        names = (f"n{number}" for number in count())
        met = sum(_Judge(case, promise, one, other, meeting, names).met() for meeting in meetings)
    if not met:
        case.inconclusive("no call stood still in its middle: none calls the system, or a library in C, from a thread of Python's")


class _Judge:
    def __init__(self, case: Case, promise: str, one: Player, other: Player, meeting: Meeting, names: Iterator[str]) -> None:
        self._case, self._promise, self._one, self._other, self._meeting = case, promise, one, other, meeting
        self._names, self._still_s = names, _SERVER_S if case.server else _FILES_S

    def met(self) -> int:
        """Return at how many points they met, at each of which all was well."""
        legal = [self._in_turn(True), self._in_turn(False)]
        for point in range(1, _MOST_POINTS + 1):
            name, mine, theirs = self._prepared()
            first, second = self._meeting.first(name, mine), self._meeting.second(name, theirs)
            where = self._one.begin(first[0], *first[1], point=point)
            if where is None:
                self._one.end()
                return point - 1
            self._other.begin(second[0], *second[1])
            waits = not self._other.settle(self._still_s)
            told = self._one.end(), self._other.end()
            found = _story(name, told, self._looked(name, theirs))
            orders = legal
            if isinstance(told[0].error, self._meeting.allowed):
                orders = [[found[0], *rest] for _, *rest in legal]
            if found not in orders:
                beside = "began" if waits else "was made"
                apart = [next(pair for pair in zip(each, found, strict=True) if pair[0] != pair[1]) for each in orders]
                whys = [f"with process {n} first it would be {would}, and was {did}" for n, (would, did) in enumerate(apart, 1)]
                broken(
                    self._promise,
                    f"{first[0]} of process 1 stood still behind its {point}. call of the system ({where}), and {second[0]} of "
                    f"process 2 {beside} meanwhile: what these and later calls are told fits no order of the two; "
                    + "; ".join(whys),
                )
        return _MOST_POINTS

    def _in_turn(self, first: bool) -> list[str]:
        """Return what the calls are told that are made one after the other."""
        name, mine, theirs = self._prepared()
        told: dict[bool, Told] = {}
        for each in (first, not first):
            player, make, results = (self._one, self._meeting.first, mine) if each else (self._other, self._meeting.second, theirs)
            method, arguments = make(name, results)
            told[each] = player.call(method, *arguments)
        return _story(name, (told[True], told[False]), self._looked(name, theirs))

    def _prepared(self) -> tuple[str, Results, Results]:
        name = next(self._names)
        mine, theirs = self._meeting.before(name)
        made = name, _made(self._one, mine), _made(self._other, theirs)
        if self._meeting.until is not None:
            method, arguments = self._meeting.until(name)
            if not holds_within(lambda: not self._other.call(method, *arguments).result, _EXPIRES_S):
                self._case.inconclusive(f"{method} still finds after {_EXPIRES_S:g} s what should have expired")
        return made

    def _looked(self, name: str, results: Results) -> Sequence[Told]:
        steps = self._meeting.after(name, results)
        return [(self._one if number % 2 else self._other).call(step[0], *step[1]) for number, step in enumerate(steps)]


def _made(player: Player, steps: Sequence[Step]) -> Results:
    return [player.call(method, *arguments) for method, arguments in steps]


def _story(name: str, told: Sequence[Told], looks: Sequence[Told]) -> list[str]:
    titles = [
        f"{told[0].op} of process 1",
        f"{told[1].op} of process 2",
        *(f"look {n}, {look.op}" for n, look in enumerate(looks, 1)),
    ]
    return [f"{title}: {_plain(call, name)}" for title, call in zip(titles, (*told, *looks), strict=True)]


def _plain(call: Told, name: str) -> str:
    """Return a result without what the store chooses, and without what differs from one name to the next."""
    if call.error is not None:
        return f"raises {type(call.error).__name__}"
    if isinstance(call.result, int | str) and not isinstance(call.result, bool) and call.op.startswith(_CHOSEN):
        return "its own"
    result = _data(call.result)
    if isinstance(result, list) and call.op in _UNORDERED:
        result.sort(key=repr)
    if isinstance(result, list) and call.op == "get_stream":
        result = b"".join(result)
    if isinstance(result, bytes) and len(result) > _LONG:
        kinds = bytes(dict.fromkeys(result))
        return f"{len(result)} bytes of {kinds!r}"
    return repr(result).replace(name, "NAME")


def _data(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _data(getattr(value, field.name)) for field in fields(value) if field.name not in _OWN}
    if isinstance(value, Mapping):
        return {name: _data(each) for name, each in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_data(each) for each in value]
    if isinstance(value, float):
        return f"about 1e{round(math.log10(value))}" if value > 0 else "nothing"
    return bytes(value) if isinstance(value, bytes | bytearray) else value
