"""Judging one answer: each function raises the violation of a promise, or returns what it was given to judge."""

from collections.abc import Awaitable
from typing import Any, NoReturn, TypeVar

from prism_testkit.outcomes import Violation

__all__ = ["broken", "refused", "same", "truth", "value"]

T = TypeVar("T")


def broken(promise: str, sentence: str, *, expected: object = None, got: object = None) -> NoReturn:
    """Say that a promise is broken."""
    raise Violation.of(promise, sentence, expected=expected, got=got)


def same(promise: str, got: T, expected: object, sentence: str) -> T:
    """Judge an answer by equality."""
    if got != expected:
        broken(promise, sentence, expected=expected, got=got)
    return got


def truth(promise: str, got: object, expected: bool, sentence: str) -> bool:
    """Judge a truth value; 0 and 1 are ones, None and text are not."""
    if not isinstance(got, bool | int) or got != expected:
        broken(promise, sentence, expected=expected, got=got)
    return expected


def value(promise: str, got: object, expected: bytes | None, sentence: str) -> bytes | None:
    """Judge what a read returned: bytes, byte for byte, or None for a missing key."""
    if got != expected or not (got is None or isinstance(got, bytes)):
        broken(promise, sentence, expected=expected, got=got)
    return expected


async def refused(promise: str, call: Awaitable[Any], errors: type[Exception] | tuple[type[Exception], ...], sentence: str) -> None:
    """Await a call that must raise one of ``errors``; any other answer or error breaks the promise."""
    kinds = errors if isinstance(errors, tuple) else (errors,)
    wanted = " or ".join(kind.__name__ for kind in kinds)
    try:
        got = await call
    except kinds:
        return
    except Exception as error:
        told = sentence.replace("is not refused", "is refused by another error").replace(
            "are not refused", "are refused by another error"
        )
        raise Violation.of(promise, told, expected=wanted, got=f"{type(error).__name__}: {error}") from error
    broken(promise, sentence, expected=wanted, got=got)
