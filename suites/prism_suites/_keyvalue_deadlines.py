"""Time as a check knows it: a call takes effect somewhere between its start and its return, and only what is certain is judged.

On a virtual clock a check goes to the instant it wants. On a real one nothing waits: what is ahead is judged now, what lies
behind a deadline is left to the ladder in `keyvalue_ttl_real`.
"""

from collections.abc import Awaitable
from typing import TypeVar

from prism_suites._judging import broken
from prism_suites._keyvalue_looks import LOOKS, seconds_left
from prism_suites._keyvalue_model import Window
from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import INTERFACES
from prism_testkit.tap import offers

__all__ = ["Times"]

T = TypeVar("T")

_MILLISECOND = 1_000_000


class Times:
    """The clock of one case, in whole nanoseconds, and the slack that its backend claims."""

    ladder = "keyvalue_ttl_real"
    """The suite that waits where time cannot be moved."""

    def __init__(self, case: Case) -> None:
        self._case = case
        resolution, late = (round(seconds * 1e9) for seconds in (case.limits.clock_resolution_s, case.traits.ttl_late_s))
        self.margin_ns = max(resolution, _MILLISECOND)
        self.slack_ns = resolution + late
        self.resolution_s = case.limits.clock_resolution_s
        self.virtual = isinstance(case.clock, VirtualClock)

    def now_ns(self) -> int:
        """Return nanoseconds since the epoch."""
        clock = self._case.clock
        return clock.now_ns() if isinstance(clock, VirtualClock) else round(clock.now_s() * 1e9)

    async def during(self, call: Awaitable[T]) -> tuple[T, Window]:
        """Await a call; return its result and the interval in which it took effect."""
        start = self.now_ns()
        result = await call
        return result, Window(start, self.now_ns())

    async def move(self, seconds: float) -> None:
        """Let time pass, where it can be moved."""
        if self.virtual and seconds > 0:
            await self._case.advance(seconds)

    async def to(self, instant_ns: int) -> bool:
        """Go to an instant, or stay where it is behind; False where time cannot be moved and the instant is ahead."""
        while (ahead := instant_ns - self.now_ns()) > 0:
            if not self.virtual:
                self._case.note(f"what comes after a deadline is judged on this clock by the ladder of {self.ladder} alone")
                return False
            await self._case.advance(ahead / 1e9)
        return True

    async def before(self, deadline: Window) -> None:
        """Go to the last instant at which a key with this deadline is present for certain; a real clock stays where it is."""
        if self.virtual:
            await self.to(deadline.start - self.margin_ns)

    async def past(self, deadline: Window, more_s: float = 0.0) -> bool:
        """Go to the first instant, and ``more_s`` further, at which a key is missing for certain; False on a real clock."""
        return await self.to(deadline.end + self.slack_ns + round(more_s * 1e9))

    async def past_at_once(self) -> bool:
        """Wait until what had no time to live is missing for certain: at once, unless a slack above a millisecond is claimed."""
        return self.slack_ns <= _MILLISECOND or await self.to(self.now_ns() + self.slack_ns)

    def is_present(self, deadline: Window | None, now: Window) -> bool:
        """Say whether a key with this deadline (None: without) was present for certain."""
        return deadline is None or now.end <= deadline.start - self.margin_ns

    def is_missing(self, deadline: Window | None, now: Window) -> bool:
        """Say whether a key with this deadline was missing for certain."""
        return deadline is not None and now.start >= deadline.end + self.slack_ns

    async def look(
        self,
        kv: object,
        look: str,
        key: str,
        value: bytes,
        deadline: Window | None,
        *,
        early: str = "keyvalue_ttl.1",
        late: str = "keyvalue_ttl.2",
        story: str = "",
    ) -> None:
        """Look at a key in one way, and judge the answer where it is certain.

        ``early`` is the promise of a key that is missing too soon, ``late`` of one that is still there; ``story`` tells what
        had happened to the key.
        """
        how = LOOKS[look]
        at_start = Window(self.now_ns(), self.now_ns())
        with self._case.law(late if self.is_missing(deadline, at_start) else early):
            got, now = await self.during(how.run(kv, key, value))
        told = f" ({story})" if story else ""
        if self.is_present(deadline, now):
            expected = how.present(key, value)
            if got != expected:
                when = "a key without a deadline" if deadline is None else "a key before its deadline"
                broken(early, f"{look} is wrong about {when}{told}", expected=expected, got=got)
        elif self.is_missing(deadline, now):
            expected = how.missing(key, value)
            if got != expected:
                broken(late, f"{look} is wrong about a key whose deadline has passed{told}", expected=expected, got=got)

    async def look_everywhere(self, key: str, value: bytes, deadline: Window | None, *, early: str, late: str, story: str) -> None:
        """Look at a key in every way that the first client offers and that changes nothing, whatever the check's slot is."""
        whole = await self._case.whole()
        for name, how in LOOKS.items():
            if not how.writes and offers(whole, INTERFACES[how.interface]):
                await self.look(whole, name, key, value, deadline, early=early, late=late, story=story)

    async def left(
        self, kv: object, key: str, given_s: float, deadline: Window, *, promise: str = "keyvalue_ttl.6", story: str = ""
    ) -> None:
        """Ask for the seconds left, and judge them: never more than given or left, never fewer than left, less the slack."""
        got, now = await self.during(seconds_left(kv, key))
        told = f" ({story})" if story else ""
        if not self.is_present(deadline, now):
            return
        if isinstance(got, bool) or not isinstance(got, int | float):
            broken(promise, f"ttl gives no number of a key before its deadline{told}", expected="seconds", got=got)
        # A deadline may be rounded towards late and the present time likewise, each by the resolution.
        rounding_s = self.resolution_s + (0.0 if self.virtual else 0.01)
        least = (deadline.start - now.end - self.slack_ns) / 1e9 - (0.0 if self.virtual else 0.01) - 1e-5
        most = (deadline.end - now.start + self.slack_ns) / 1e9 + rounding_s + 1e-5
        most = min(most, given_s + rounding_s)
        if not max(least, 0.0) <= got <= most:
            wanted = f"{max(least, 0.0):.3f} to {most:.3f} s"
            broken(promise, f"ttl is not the time that is left of {given_s:g} s{told}", expected=wanted, got=got)
