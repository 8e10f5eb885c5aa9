"""A publish that is cancelled on its way to several subscriptions: all are given it, once, or none is."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from prism_suites._judging import broken
from prism_suites._queue_cancelling import points
from prism_testkit.case import Case
from prism_testkit.traits import Limits

__all__ = ["all_or_none", "audience", "reaching"]

_TO_MANY = "to many"


def reaching(kind: str, rarer: str) -> Callable[[Limits], Iterator[dict[str, Any]]]:
    """Return the cases: one kind of publish, cancelled at every point, another one at a few, and one to many subscriptions."""

    def cases(limits: Limits) -> Iterator[dict[str, Any]]:
        yield from points((kind, rarer), few=(rarer,))(limits)
        yield from ({"kind": _TO_MANY, "point": point} for point in (2, 3, 4))

    return cases


def audience(case: Case, kind: str) -> int:
    """Return how many subscribe: many for one kind, because who tells a few at a time lets others run in between."""
    return 3 if kind != _TO_MANY else 6 if case.server else 40


def all_or_none(promise: str, times: Sequence[int], ended: bool) -> None:
    """Judge how often each subscription was given what was cancelled, or, if it ``ended`` before, was published."""
    if len(set(times)) > 1 or max(times) > 1 or (ended and not all(times)):
        number = len(times)
        got = f"received by {sum(map(bool, times))} of {number}, at most {max(times)} times"
        sentence = "a cancelled publish is not received by all, once, or by none"
        broken(promise, sentence, expected=f"{number if ended else f'0 or {number}'}, once", got=got)
