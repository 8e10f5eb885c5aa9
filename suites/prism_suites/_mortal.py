"""Programs whose clients are killed in between, in a place whose files stay: with the kills, and once more without."""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any

from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.mortal import Mortal
from prism_testkit.outcomes import Violation
from prism_testkit.programs import Step

__all__ = ["KILL", "Clients", "frees", "noticed_s", "play", "run_with_kills", "sizes"]

KILL = "kill"
"""The step that kills all clients; what is between them and the files is lost."""


class Clients:
    """Two clients of one namespace and one of a sibling. Without ``kills`` nobody dies, and the calls are not in the story."""

    def __init__(self, place: Mortal, kills: bool) -> None:
        self.kills = kills
        self._place = place
        self._spaces = (place.new_namespace(), place.new_namespace())
        self.slots: list[Any] = []
        self.then: Callable[[], Awaitable[Any]] | None = None
        """What is done behind each kill, when others are there."""

    async def open(self) -> None:
        """Open all three."""
        numbers = ((0, 0), (1, 0), (0, 1))
        self.slots = [await self._place.client(each, self._spaces[space], told=self.kills) for each, space in numbers]

    async def kill(self, meanwhile: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Kill all, and open new ones over what is left; ``meanwhile`` is done while nobody is there."""
        if self.kills:
            await self._place.kill()
        if meanwhile is not None:
            await meanwhile()
        if self.kills:
            await self.open()
            if self.then is not None:
                await self.then()


def sizes(most: int) -> list[int]:
    """Return sizes of payloads between which stores change how they keep one: just over powers of two, and the largest."""
    return [*(size for size in (4_200, 33_000, 66_000, 270_000) if size < most), min(most, 1_050_000)]


def noticed_s(case: Case) -> float:
    """Return after how long the death of a member is known to all."""
    return (case.traits.member_timeout_s or 0.0) + 2 * case.limits.clock_resolution_s + case.traits.ttl_late_s


async def frees(case: Case, take: Callable[[Any, bool], Awaitable[bool]]) -> bool:
    """Say whether what a member held when it was killed comes to another one, where nothing else is done.

    Who knows its members by the number of their process is right to find them alive in a copy. ``take`` lets a new member of a slot
    be given something, which it publishes if it is the first, and says whether it was.
    """
    if case.traits.sharing != "processes":
        return True
    place = case.mortal()
    namespace = place.new_namespace()
    await take(await place.client(0, namespace, told=False), True)
    await place.kill()
    await case.advance(noticed_s(case))
    return await take(await place.client(0, namespace, told=False), False)


async def play(
    clients: Clients,
    steps: Iterable[Step],
    do: Callable[[Step], Awaitable[Any]],
    look: Callable[[int], Awaitable[Any]],
    *,
    at_once: Callable[[Step], bool],
    away: Callable[[Step], Awaitable[Any]] | None = None,
) -> None:
    """Do the steps, with a kill where one is and behind those of which ``at_once`` says so; then look twice through two clients.

    ``away`` is what is done before some come back, for time that passes while nobody is there counts.
    """
    for step in steps:
        if step.op == KILL:
            await clients.kill(partial(away, step) if away is not None and step.value % 4 == 1 else None)
            continue
        await do(step)
        if at_once(step):
            await clients.kill()
    for _ in range(2):  # what was left, and what is left when that was opened and nothing was written
        await clients.kill()
        for number in (1, 2):
            await look(number)


async def run_with_kills(
    case: Case,
    run: Callable[[Any, Clients], Awaitable[None]],
    promise: Callable[[str], str],
) -> None:
    """Run a program with its kills. If an answer is wrong, run it again without: where that goes well, the kill is to blame.

    ``promise`` says which one that breaks, given the one that the wrong answer would break otherwise.
    """
    place = case.mortal()
    try:
        await run(case, Clients(place, True))
    except Violation as wrong:
        await run(_Quiet(case), Clients(place, False))
        told = f"{wrong.message}; without the kills before it the same calls go well"
        raise Violation.of(promise(wrong.promise), told, expected=wrong.expected, got=wrong.got) from wrong


class _Quiet:
    """A case whose calls and whose clock are not in the story: that has its end."""

    def __init__(self, case: Case) -> None:
        self.limits, self.traits, self.clock = case.limits, case.traits, case.clock
        self.note, self.law, self.inconclusive = case.note, case.law, case.inconclusive

    async def advance(self, seconds: float) -> None:
        assert isinstance(self.clock, VirtualClock)
        await self.clock.advance(seconds)
