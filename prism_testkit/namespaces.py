"""Namespaces: 24 characters of base 36, fixed width: ``prism``, 8 for the run, 3 for the worker, 8 for the case.

So no case is a prefix of another, the run is a prefix of all its own, and one ``clean`` serves case, run and killed run.
"""

import itertools
import secrets

__all__ = ["MARK", "Namespaces", "new_run_id"]

MARK = "prism"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def base36(number: int, width: int) -> str:
    """Return ``number`` in base 36 with leading zeros; raise ``ValueError`` if it is too wide."""
    text = ""
    rest = number
    for _ in range(width):
        rest, digit = divmod(rest, 36)
        text = _DIGITS[digit] + text
    if rest or number < 0:
        raise ValueError(f"{number} does not fit in {width} digits of base 36")
    return text


def new_run_id() -> str:
    """Return 8 random characters of base 36."""
    return base36(secrets.randbelow(36**8), 8)


class Namespaces:
    """The namespaces of one worker of one run, counted upwards."""

    def __init__(self, run_id: str, worker: int) -> None:
        self.run = MARK + run_id
        self.prefix = self.run + base36(worker, 3)
        self._numbers = itertools.count(1)

    def new(self) -> str:
        """Return a namespace that was never used."""
        return self.prefix + base36(next(self._numbers), 8)
