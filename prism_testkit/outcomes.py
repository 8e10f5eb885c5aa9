"""What one check on one binding can come to, and the exceptions that say so.

The exceptions that mean "not a verdict" derive from BaseException, so that Hypothesis neither shrinks nor stores them.
"""

import asyncio
import enum
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

__all__ = ["Crashed", "HarnessError", "Hung", "Inconclusive", "Outcome", "Unavailable", "Violation", "Words", "law"]


class Outcome(enum.StrEnum):
    """The six outcomes; `harness.md` says how pytest sees each."""

    PASSED = "passed"
    FAILED = "failed"
    WAIVED = "waived"
    INCONCLUSIVE = "inconclusive"
    ERROR = "error"
    UNAVAILABLE = "unavailable"


class Inconclusive(BaseException):
    """The fault or the contention did not happen, or a checker gave up: neither pass nor failure."""


class Unavailable(BaseException):
    """What the check needs cannot be had here; the message is the reason."""


class HarnessError(BaseException):
    """The harness or the server broke; never counted as a pass, never as the backend's failure."""


class Crashed(BaseException):
    """The simulated death of whoever made the call; nothing that it does from here on has an effect."""


class Hung(BaseException):
    """A call did not return within the deadline of real time."""


class Words(str):
    """What was expected or seen, already in words: a story quotes it as it is, and other texts as data."""

    __slots__ = ()


class Violation(AssertionError):
    """A promise is broken: what was expected, and what was seen.

    Made by `Violation.of`, which gives each promise a class of its own, so that shrinking never slips from one promise to another.
    """

    promise = ""

    def __init__(self, message: str, *, expected: object = None, got: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.expected = expected
        self.got = got

    @classmethod
    def of(cls, promise: str, message: str, *, expected: object = None, got: object = None) -> "Violation":
        return _violation_class(promise)(message, expected=expected, got=got)


@cache
def _violation_class(promise: str) -> type[Violation]:
    return type("Violation", (Violation,), {"promise": promise, "__module__": __name__})


@contextmanager
def law(promise: str) -> Iterator[None]:
    """Name the promise that the block judges: an exception out of it is reported as that promise's."""
    try:
        yield
    except (Exception, asyncio.CancelledError) as error:
        if not hasattr(error, "prism_promise"):
            error.prism_promise = getattr(error, "promise", "") or promise  # type: ignore[union-attr]
        raise
