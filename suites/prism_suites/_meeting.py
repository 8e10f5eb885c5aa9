"""Two calls of two processes that meet: one stands still at each of its points in turn, while the other makes all of its own.

What the two are told, and what is there afterwards, must be what they would be told one after the other, in one order or the
other: that is what it means that each takes effect at one instant. Which answers those are, the store itself says: it is asked for
both orders first. So nothing is known here of keys or queues, and what is wrong also where nobody meets is not judged here.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from itertools import count, zip_longest
from typing import Any

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.conducting import Player
from prism_testkit.killing import Step
from prism_testkit.processes import Told
from prism_testkit.returned import Returned
from prism_testkit.servers.processes import holds_within

__all__ = ["Meeting", "Results", "meet"]

_MOST_POINTS, _MOST_ON_A_SERVER = 48, 12
"""At so many points of a call, from its first, somebody else is let in: behind each request to a server, there are fewer."""
_FILES_S = 0.0015
_SERVER_S = 0.02
"""Who does nothing for so long is taken to wait for the other process; an answer of a server comes sooner."""
_TIMES = frozenset(f"{each}_ms" for each in ("timestamp", "published_at", "appended", "last_modified"))
_DEADLINE = "expires_at_ms"
"""Of an instant ahead, whether there is one is compared."""
_OWN = frozenset(("id", "token", "offset", "position", "partition", "etag", "queue")) | _TIMES
"""Fields of results that a store chooses."""
_CHOSEN = ("enqueue", "append", "publish", "trim", "latest_offset", "last_message_id")
"""Calls that return what a store chooses."""

_UNORDERED = ("list_objects", "scan", "scan_keys")
_LONG = 100
_TRIES = 3
_EXPIRES_S = 10.0
"""Until then what was given a few milliseconds is gone, or nothing can be said of what is expired."""


class Results(list[Told]):
    """What the calls before were told, on this name, by this process; ``others``: by the other one."""

    others: Sequence[Told] = ()


@dataclass(frozen=True)
class Meeting:
    """The two calls that meet, given a fresh name and what was told ``before``; that, each process makes by itself, one after
    the other. What is looked at ``after`` both, they do by turns, the second process first; ``after`` is given what that was told
    before. A list of ``second`` is made one after the other, with the first call before, between or behind them.
    """

    first: Callable[[str, Results], Step]
    second: Callable[[str, Results], Step | list[Step]]
    before: Callable[[str], tuple[Sequence[Step], Sequence[Step]]] = lambda name: ((), ())
    """What each makes by itself; a `Returned` counts from the first of these steps, or, below 0, from the one it is in."""
    after: Callable[[str, Results], Sequence[Step]] = lambda name, results: ()
    until: Callable[[str], Step] | None = None
    """A look that is made again before the two meet, until it says None or False: then all that was written before has expired.

    It looks at what was written last, and not at what they meet at: a look may remove what has expired.
    """
    allowed: tuple[type[Exception], ...] = ()
    """What one of the two may raise for meeting the other one; its own answer is not judged then, the others are."""
    until_found: bool = False
    """The look ``until`` is made until it says something, instead."""
    shuffled: bool = False
    """What is told may be told to any of the calls, and looks, of the same name; one that got nothing counts for nothing."""
    unasked: frozenset[str] = frozenset()
    """Fields of results that are not compared."""
    within_s: float = math.inf
    """What was received is held for so long: where all took longer, from the first receive on, nothing is judged."""


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
        legal = self._in_turn()
        most = _MOST_ON_A_SERVER if self._case.server else _MOST_POINTS
        point, waited = 1, False
        while point <= most:
            name, mine, theirs = self._prepared()
            first, seconds = self._meeting.first(name, mine), self._seconds(name, theirs)
            where = self._one.begin(first[0], *first[1], point=point)
            if where is None:
                self._one.end()
                return point - 1
            told, waits = self._beside(seconds)
            looks = self._looked(name, theirs)
            if not self._in_time([*mine, *theirs, *told, *looks]):
                nothing = self._waited_for_nothing([*mine, *theirs, *told, *looks])
                if nothing and waited:
                    when = f"{first[0]} of process 1 stood still behind its {point}. call of the system ({where})"
                    broken(
                        self._promise,
                        f"{when}, process 2 called meanwhile, and what comes in any order of the two never came: {nothing}",
                    )
                point, waited = point if nothing else point + 1, bool(nothing)
                continue
            found = self._story(name, told, looks)
            open_to = [number for number, call in enumerate(told) if isinstance(call.error, self._meeting.allowed)]
            orders = {order: [found[n] if n in open_to else one for n, one in enumerate(each)] for order, each in legal.items()}
            if found not in orders.values():
                apart: dict[tuple[str, str], list[str]] = {}
                for order, each in orders.items():
                    pairs = zip_longest(each, found, fillvalue="nothing more")
                    apart.setdefault(next((a, b) for a, b in pairs if a != b), []).append(order)
                whys = [f"with {' or '.join(names)} it would be {would}, and was {did}" for (would, did), names in apart.items()]
                made = " and ".join(method for method, _ in seconds)
                verb = "began" if waits else "was made" if len(seconds) == 1 else "were made"
                broken(
                    self._promise,
                    f"{first[0]} of process 1 stood still behind its {point}. call of the system ({where}), and {made} of "
                    f"process 2 {verb} meanwhile: what these and later calls are told fits no order "
                    f"of the two; {'; '.join(whys)}",
                )
            point, waited = point + 1, False
        return most

    def _seconds(self, name: str, results: Results) -> list[Step]:
        made = self._meeting.second(name, results)
        return made if isinstance(made, list) else [made]

    def _beside(self, seconds: Sequence[Step]) -> tuple[list[Told], bool]:
        """Let the second process make its calls while the first stands still; return what all are told, and whether one waited."""
        told: list[Told] = []
        mine: Told | None = None
        for method, arguments in seconds:
            self._other.begin(method, *arguments)
            if mine is None and not self._other.settle(self._still_s):
                mine = self._one.end()
            told.append(self._other.end())
        return [mine or self._one.end(), *told], mine is not None

    def _in_turn(self) -> dict[str, list[str]]:
        """Return what the calls are told that are made one after the other, for each place of the first one."""
        orders: dict[str, list[str]] = {}
        place = count = late = 0
        while place <= count:
            name, mine, theirs = self._prepared()
            method, arguments = self._meeting.first(name, mine)
            seconds = self._seconds(name, theirs)
            count = len(seconds)
            told = [self._other.call(each, *values) for each, values in seconds[:place]]
            told.insert(0, self._one.call(method, *arguments))
            told += [self._other.call(each, *values) for each, values in seconds[place:]]
            first = "first" if not place else f"behind call {place} of process 2"
            order = "process 2 first" if place == count else f"process 1 {first}"
            looks = self._looked(name, theirs)
            if self._in_time([*mine, *theirs, *told, *looks]):
                orders[order] = self._story(name, told, looks)
                place += 1
            elif (late := late + 1) == _TRIES:
                self._case.inconclusive(f"so few calls took longer than {self._meeting.within_s:g} s, and what is held comes again")
        return orders

    def _in_time(self, told: Sequence[Told]) -> bool:
        since_ns = [call.began_ns for call in told if call.op.endswith("receive")]
        return not since_ns or max(call.ended_ns for call in told) - min(since_ns) < self._meeting.within_s * 1e9

    def _waited_for_nothing(self, told: Sequence[Told]) -> str:
        """Return what came too late for all else shows: a call was told of nothing, long after all before it were in time.

        No order of the two shows that, or it would have been too late for each. Once it may be a slow machine.
        """
        first = next((call for call in sorted(told, key=lambda call: call.began_ns) if self._found_nothing(call)), None)
        if first is None or not self._in_time([call for call in told if call.began_ns < first.began_ns]):
            return ""
        return f"{first.op} of process {first.process} waited {(first.ended_ns - first.began_ns) / 1e9:.0f} s for it, twice"

    def _found_nothing(self, call: Told) -> bool:
        """Return whether it waited longer than anything is held, and was given nothing."""
        waited_s = (call.ended_ns - call.began_ns) / 1e9
        return (
            call.error is None and call.op.endswith("receive") and call.result in ([], None) and waited_s > self._meeting.within_s
        )

    def _prepared(self) -> tuple[str, Results, Results]:
        name = next(self._names)
        mine, theirs = self._meeting.before(name)
        results = Results(_made(self._one, mine)), Results(_made(self._other, theirs))
        results[0].others, results[1].others = results[1], results[0]
        if self._meeting.until is not None:
            method, arguments = self._meeting.until(name)
            found = self._meeting.until_found
            if not holds_within(lambda: bool(self._other.call(method, *arguments).result) is found, _EXPIRES_S):
                self._case.inconclusive(f"{method} does not say after {_EXPIRES_S:g} s that what should have expired has")
        return name, *results

    def _looked(self, name: str, results: Results) -> Sequence[Told]:
        steps = self._meeting.after(name, results)
        return [(self._one if number % 2 else self._other).call(step[0], *step[1]) for number, step in enumerate(steps)]

    def _story(self, name: str, told: Sequence[Told], looks: Sequence[Told]) -> list[str]:
        if self._meeting.shuffled:
            answers = sorted(
                f"{call.op}: {self._plain(call, name)}" for call in [*told, *looks] if call.error or call.result not in ([], None)
            )
            return [f"answer {n} of all, {answer}" for n, answer in enumerate(answers, 1)]
        several = len(told) > 2
        titles = [f"{told[0].op} of process 1"]
        titles += [f"{each.op} of process 2{f' (call {n})' if several else ''}" for n, each in enumerate(told[1:], 1)]
        titles += [f"look {n}, {look.op}" for n, look in enumerate(looks, 1)]
        return [f"{title}: {self._plain(call, name)}" for title, call in zip(titles, [*told, *looks], strict=True)]

    def _plain(self, call: Told, name: str) -> str:
        """Return a result without what the store chooses, and without what differs from one name to the next."""
        if call.error is not None:
            return f"raises {type(call.error).__name__}"
        if isinstance(call.result, int | str) and not isinstance(call.result, bool) and call.op.startswith(_CHOSEN):
            return "its own"
        result = _data(call.result, _OWN | self._meeting.unasked)
        if isinstance(result, list) and call.op in _UNORDERED:
            result.sort(key=repr)
        if isinstance(result, list) and call.op == "get_stream":
            result = b"".join(result)
        if isinstance(result, bytes) and len(result) > _LONG:
            kinds = bytes(dict.fromkeys(result))
            return f"{len(result)} bytes of {kinds!r}"
        return repr(result).replace(name, "NAME")


def _made(player: Player, steps: Sequence[Step]) -> list[Told]:
    told: list[Told] = []
    for method, arguments in steps:
        given = (_returned(told[each.step]) if isinstance(each, Returned) else each for each in arguments)
        told.append(player.call(method, *given))
    return told


def _returned(told: Told) -> Any:
    """Return what a call was told, which a history shows, or what stands for what is no data: something entered."""
    return Returned(told.step) if told.result is None else told.result


def _data(value: Any, own: Set[str]) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        named = {field.name: getattr(value, field.name) for field in fields(value) if field.name not in own}
        return {name: _data("some time" if each and name == _DEADLINE else each, own) for name, each in named.items()}
    if isinstance(value, Mapping):
        return {name: _data(each, own) for name, each in sorted(value.items())}
    if isinstance(value, list | tuple):
        return [_data(each, own) for each in value]
    if isinstance(value, float):
        return f"about 1e{round(math.log10(value))}" if value > 0 else "nothing"
    return bytes(value) if isinstance(value, bytes | bytearray) else value
