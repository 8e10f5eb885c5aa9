"""How long is waited for a driver whose calls do not come to an end: ever shorter, and at last not at all."""

import contextlib
from collections import Counter
from collections.abc import Iterator

from prism_testkit.outcomes import Unavailable
from prism_testkit.watchdog import Watchdog

__all__ = ["Patience"]


class Patience:
    """Counts the checks that hung, by the drivers they were run on, so that a driver that always hangs costs a few minutes."""

    whole = 3
    """So many checks wait for as long as they are told; those after them for a tenth of it."""
    most = 20
    """After so many the rest is not run."""

    def __init__(self, watchdog: Watchdog) -> None:
        self._watchdog = watchdog
        self._lost: Counter[frozenset[str]] = Counter()
        self.short = False
        """Something hung already: what goes round in circles is given up sooner, too."""

    def lose(self, drivers: frozenset[str]) -> None:
        """Note that a check on these drivers hung."""
        self._lost[drivers] += 1

    def lost(self, drivers: frozenset[str]) -> tuple[int, frozenset[str]]:
        """Return how many checks hung on some of these drivers and no others, and which: of several sets the worst."""
        return max(((n, known) for known, n in self._lost.items() if known <= drivers), default=(0, drivers), key=lambda p: p[0])

    @contextlib.contextmanager
    def with_(self, drivers: frozenset[str]) -> Iterator[None]:
        """Wait as long as these drivers are worth; raise `Unavailable` where too much was waited for already."""
        number, known = self.lost(drivers)
        if number >= self.most:
            raise Unavailable(f"{number} checks hung on {' and '.join(sorted(known))}; the others are not run: mend that first")
        self.short = number >= self.whole
        try:
            with self._watchdog.within(self._watchdog.limit_s / (10 if self.short else 1)):
                yield
        finally:
            self.short = False
