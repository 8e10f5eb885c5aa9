"""Two calls of two processes that meet: one stands still at each of its points in turn, while the other makes all of its own.

What the two are told, and what is there afterwards, must be what they would be told one after the other, in one order or the
other: that is what it means that each takes effect at one instant. Which answers those are, the store itself says: it is asked for
both orders first. So nothing is known here of keys or queues, and what is wrong also where nobody meets is not judged here.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, fields, is_dataclass
from itertools import count, zip_longest
from typing import Any, Protocol

from prism_suites._judging import broken
from prism_testkit.case import Case
from prism_testkit.conducting import Player
from prism_testkit.interfaces import Conflict
from prism_testkit.killing import Step
from prism_testkit.returned import Returned, Told
from prism_testkit.servers.processes import holds_within
from prism_testkit.standing import Actor

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
_LOOKS = 20
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


async def meet(case: Case, promise: str, meetings: Sequence[Meeting]) -> None:
    """Let the two calls of each meeting meet at every point of the first one; judge what they are told.

    On a loop of virtual time the calls of one client meet, and those of two, at each step of a call; those of two processes, where
    processes share the store, at each call of the system, and then there is no need of two clients in one process.
    """
    with case.law(promise):
        names = (f"n{number} {promise.rpartition('.')[2]}" for number in count())  # some checks let several groups of calls meet
        if case.clock.virtual and not case.server:
            pairs = [(await case.whole(),) * 2]
            if case.traits.sharing != "processes":  # else clients meet below
                pairs.append((await case.whole(), await case.client(whole=True)))
            for one, other in pairs:
                async with case.actors(one, other) as made:
                    sides = [_Client(case, actor) for actor in made]
                    told = ("client 0", "client 1" if one is not other else "client 0, in another task")
                    for meeting in meetings:
                        await _Judge(case, promise, sides, told, meeting, names).met()
        if case.traits.sharing == "processes":
            with case.conducted(2) as players:
                processes = [_Process(case, player) for player in players]
                met = 0
                for meeting in meetings:
                    met += await _Judge(case, promise, processes, ("process 1", "process 2"), meeting, names).met()
            if not met:
                case.inconclusive(
                    "no call stood still in its middle: none calls the system, or a library in C, from a thread of Python's"
                )
        elif not case.clock.virtual or case.server:
            case.note("nothing is shared by processes, and where a call of one process stands is not known on a real clock")


class _Side(Protocol):
    """One of the two who make calls."""

    point: str
    """What a point in a call is."""
    most: int
    """At so many points of a call, from its first, somebody else is let in."""

    async def call(self, method: str, *arguments: Any) -> Told:
        """Make a call."""

    async def begin(self, method: str, *arguments: Any, point: int = 0) -> str | None:
        """Begin a call, and stand still at a point of it; return where, None if the call ended before."""

    async def settle(self) -> bool:
        """Wait until a call that has begun is ended, or waits for the other one; say whether it is ended."""

    async def end(self) -> Told:
        """Go on to the end of the call."""

    async def finds(self, look: Step, something: bool) -> bool:
        """Say whether a look finds something, or nothing, within some seconds."""


class _Process:
    """A process of its own."""

    point = "call of the system"

    def __init__(self, case: Case, player: Player) -> None:
        self._player = player
        self._still_s = _SERVER_S if case.server else _FILES_S
        self.most = _MOST_ON_A_SERVER if case.server else _MOST_POINTS

    async def call(self, method: str, *arguments: Any) -> Told:
        return self._player.call(method, *arguments)

    async def begin(self, method: str, *arguments: Any, point: int = 0) -> str | None:
        return self._player.begin(method, *arguments, point=point)

    async def settle(self) -> bool:
        return self._player.settle(self._still_s)

    async def end(self) -> Told:
        return self._player.end()

    async def finds(self, look: Step, something: bool) -> bool:
        return holds_within(lambda: bool(self._player.call(look[0], *look[1]).result) is something, _EXPIRES_S)


class _Client:
    """A client in this process, on virtual time."""

    point = "step"
    most = _MOST_POINTS

    def __init__(self, case: Case, actor: Actor) -> None:
        self._case = case
        self.call, self.begin, self.settle, self.end = actor.call, actor.begin, actor.settle, actor.end

    async def finds(self, look: Step, something: bool) -> bool:
        for _ in range(_LOOKS):
            if bool((await self.call(look[0], *look[1])).result) is something:
                return True
            await self._case.advance((_EXPIRES_S + self._case.traits.ttl_late_s) / _LOOKS)
        return False


class _Judge:
    def __init__(
        self,
        case: Case,
        promise: str,
        sides: Sequence[_Side],
        told: tuple[str, str],
        meeting: Meeting,
        names: Iterator[str],
    ) -> None:
        self._case, self._promise, self._meeting = case, promise, meeting
        (self._one, self._other), (self._mine, self._theirs), self._names = sides, told, names

    async def met(self) -> int:
        """Return at how many points they met, at each of which all was well."""
        legal = await self._in_turn()
        point, waited = 1, False
        while point <= self._one.most:
            name, mine, theirs = await self._prepared()
            first, seconds = self._meeting.first(name, mine), self._seconds(name, theirs)
            where = await self._one.begin(first[0], *first[1], point=point)
            if where is None:
                await self._one.end()
                return point - 1
            told, waits = await self._beside(seconds)
            looks = await self._looked(name, theirs)
            when = f"{first[0]} of {self._mine} stood still behind its {point}. {self._one.point} ({where})"
            if not self._in_time([*mine, *theirs, *told, *looks]):
                nothing = self._waited_for_nothing([*mine, *theirs, *told, *looks])
                if nothing and waited:
                    sentence = f"{self._theirs} called meanwhile, and what comes in any order of the two never came"
                    broken(self._promise, f"{when}, {sentence}: {nothing}")
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
                    f"{when}, and {made} of {self._theirs} {verb} meanwhile: what these and later calls are told fits no order "
                    f"of the two; {'; '.join(whys)}",
                )
            point, waited = point + 1, False
        return self._one.most

    def _seconds(self, name: str, results: Results) -> list[Step]:
        made = self._meeting.second(name, results)
        return made if isinstance(made, list) else [made]

    async def _beside(self, seconds: Sequence[Step]) -> tuple[list[Told], bool]:
        """Let the second side make its calls while the first stands still; return what all are told, and whether one waited."""
        told: list[Told] = []
        mine: Told | None = None
        for method, arguments in seconds:
            await self._other.begin(method, *arguments)
            if mine is None and not await self._other.settle():
                mine = await self._one.end()
            told.append(await self._other.end())
            if mine is None and method == "transaction" and isinstance(told[-1].error, Conflict):
                # It may conflict for as long as the other one is open; alone it succeeds.
                mine = await self._one.end()
                told[-1] = await self._other.call(method, *arguments)
        return [mine or await self._one.end(), *told], mine is not None

    async def _in_turn(self) -> dict[str, list[str]]:
        """Return what the calls are told that are made one after the other, for each place of the first one."""
        orders: dict[str, list[str]] = {}
        place = count = late = 0
        while place <= count:
            name, mine, theirs = await self._prepared()
            method, arguments = self._meeting.first(name, mine)
            seconds = self._seconds(name, theirs)
            count = len(seconds)
            told = [await self._other.call(each, *values) for each, values in seconds[:place]]
            told.insert(0, await self._one.call(method, *arguments))
            told += [await self._other.call(each, *values) for each, values in seconds[place:]]
            first = "first" if not place else f"behind call {place} of {self._theirs}"
            order = f"{self._theirs} first" if place == count else f"{self._mine} {first}"
            looks = await self._looked(name, theirs)
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
        who = (self._mine, self._theirs)[first.process]
        return f"{first.op} of {who} waited {(first.ended_ns - first.began_ns) / 1e9:.0f} s for it, twice"

    def _found_nothing(self, call: Told) -> bool:
        """Return whether it waited longer than anything is held, and was given nothing."""
        waited_s = (call.ended_ns - call.began_ns) / 1e9
        return (
            call.error is None and call.op.endswith("receive") and call.result in ([], None) and waited_s > self._meeting.within_s
        )

    async def _prepared(self) -> tuple[str, Results, Results]:
        name = next(self._names)
        mine, theirs = self._meeting.before(name)
        results = Results(await _made(self._one, mine)), Results(await _made(self._other, theirs))
        results[0].others, results[1].others = results[1], results[0]
        if self._meeting.until is not None:
            look = self._meeting.until(name)
            if not await self._other.finds(look, self._meeting.until_found):
                self._case.inconclusive(f"{look[0]} does not say after {_EXPIRES_S:g} s that what should have expired has")
        return name, *results

    async def _looked(self, name: str, results: Results) -> Sequence[Told]:
        steps = self._meeting.after(name, results)
        return [await (self._one if number % 2 else self._other).call(step[0], *step[1]) for number, step in enumerate(steps)]

    def _story(self, name: str, told: Sequence[Told], looks: Sequence[Told]) -> list[str]:
        if self._meeting.shuffled:
            answers = sorted(
                f"{call.op}: {self._plain(call, name)}" for call in [*told, *looks] if call.error or call.result not in ([], None)
            )
            return [f"answer {n} of all, {answer}" for n, answer in enumerate(answers, 1)]
        several = len(told) > 2
        titles = [f"{told[0].op} of {self._mine}"]
        titles += [f"{each.op} of {self._theirs}{f' (call {n})' if several else ''}" for n, each in enumerate(told[1:], 1)]
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


async def _made(side: _Side, steps: Sequence[Step]) -> list[Told]:
    told: list[Told] = []
    for method, arguments in steps:
        given = (_returned(told[each.step]) if isinstance(each, Returned) else each for each in arguments)
        told.append(await side.call(method, *given))
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
