"""What a case that fails has in common with those that pass: they tell which part of its data matters."""

from collections.abc import Iterable, Mapping
from typing import Any

from prism_testkit.reports.text import show

__all__ = ["neighbours"]

_FEW = 4
_WIDTH = 32


def neighbours(failed: Mapping[str, Any], passed: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return, by argument, with which other values of it alone a case passed, shown, in the order of the cases: four at most.

    An argument that nobody can compare, or whose value is too long to be told, says nothing.
    """
    found: dict[str, list[str]] = {}
    for case in passed:
        if case.keys() != failed.keys():
            continue
        other = [name for name in failed if not _alike(failed[name], case[name])]
        if len(other) != 1:
            continue
        told = show(case[other[0]], _WIDTH)
        values = found.setdefault(other[0], [])
        if "\N{HORIZONTAL ELLIPSIS}" not in told and told not in values and len(values) < _FEW:
            values.append(told)
    return {name: values for name, values in found.items() if values}


def _alike(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and bool(one == other))
