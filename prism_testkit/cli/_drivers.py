"""A driver class against each interface of its data model: claimed, wrongly spelt, nearly there."""

import dataclasses
import inspect
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from prism_testkit.backend import Backend
from prism_testkit.interfaces import BESIDE, INTERFACES, interface_model
from prism_testkit.signatures import claimed, methods_of, mismatches
from prism_testkit.traits import Limits, Traits

__all__ = ["Line", "driver_lines", "edit", "loose_problems"]

_EXPECTED = re.compile(r"expected (.*), found ")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that was looked at. ``cure`` is one edit or command; a note need not be cured."""

    mark: Literal["ok", "wrong", "note"]
    text: str
    cure: str = ""


def driver_lines(backend: Backend[Any], driver: type, problems: Iterable[str]) -> Iterator[Line]:
    """Yield what is claimed and wrong, then what is not claimed: complete, or with the methods that are missing."""
    name = _name(driver)
    for identifier in claimed(driver):
        if not any(mismatches(driver, INTERFACES[identifier])):
            yield Line("ok", f"{name}: {identifier} is claimed and complete")
    mine = [problem for problem in problems if problem.startswith((f"{name}.", f"{name}:"))]
    # A method that the basic interface asks for is missing from each flavour that is claimed, too: once is enough.
    for problem in {(p.partition(": ")[0], p.partition("expected ")[2]): p for p in reversed(mine)}.values():
        yield Line("wrong", problem, _cure(problem, driver))
    yield from _unclaimed(driver)
    for claim, kind in (("traits", Traits), ("limits", Limits)):
        value = getattr(driver, claim, getattr(backend, claim))
        if isinstance(value, kind):
            yield Line("ok", f"{name}: {claim}: {', '.join(_unusual(value)) or 'as by default'}")


def loose_problems(backend: Backend[Any], problems: Iterable[str]) -> Iterator[Line]:
    """Yield the problems that are no driver class's."""
    names = [_name(driver) for driver in backend.drivers if isinstance(driver, type)]
    for problem in problems:
        if not problem.startswith(tuple(f"{name}{mark}" for name in names for mark in ".:")):
            what, _, _ = problem.partition(":")
            yield Line("wrong", problem, f"edit Backend({what}=...) of {backend.name!r}{_to_write(problem)}")


def edit(thing: object) -> str:
    """Return ``edit FILE:LINE`` of a class or function, its path from the current folder where it is below that."""
    try:
        file = inspect.getsourcefile(inspect.unwrap(thing) if callable(thing) else thing)  # type: ignore[arg-type]
        line = inspect.getsourcelines(inspect.unwrap(thing) if callable(thing) else thing)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return f"edit {getattr(thing, '__qualname__', type(thing).__qualname__)}"
    path = Path(file or "")
    shown = path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
    return f"edit {os.fspath(shown)}:{line}"


def _unclaimed(driver: type) -> Iterator[Line]:
    have = set(claimed(driver))
    models = {interface_model(identifier) for identifier in have}
    for identifier, protocol in INTERFACES.items():
        methods = methods_of(protocol)
        missing = [method for method in methods if not _has(driver, method)]
        near = (
            interface_model(identifier) in models
            or (bool(models) and identifier in BESIDE)
            or (not models and len(missing) < len(methods))
        )
        if identifier in have or not near:
            continue
        claim = f"{protocol.__name__} among the bases of {driver.__name__}"
        if missing:
            text = f"{_name(driver)}: {identifier}: missing {', '.join(missing)}"
            yield Line("note", text, f"{edit(driver)}: write them, and {claim}")
        else:
            text = f"{_name(driver)}: {identifier}: every method is there, but it is not claimed, so it is not checked"
            yield Line("note", text, f"{edit(driver)}: write {claim}")


def _has(driver: type, method: str) -> bool:
    found = getattr(driver, method, None)
    return callable(found) and not getattr(found, "__isabstractmethod__", False)


def _cure(problem: str, driver: type) -> str:
    """Say where and what to write. The problem begins with the class, or with one of its attributes."""
    attribute = problem.partition(": ")[0].removeprefix(f"{_name(driver)}").lstrip(".")
    found = inspect.getattr_static(driver, attribute, None) if attribute else None
    own = found is not None and not getattr(found, "__isabstractmethod__", False) and inspect.isroutine(found)
    return f"{edit(found if own else driver)}{_to_write(problem)}"


def _to_write(problem: str) -> str:
    match = _EXPECTED.search(problem)
    return f": write {match.group(1).strip('`')}" if match else ": as that says"


def _name(driver: type) -> str:
    return f"{driver.__module__}.{driver.__qualname__}"


def _unusual(claim: Traits | Limits) -> Iterator[str]:
    for field in dataclasses.fields(claim):
        value = getattr(claim, field.name)
        if value != field.default:
            yield f"{field.name}={value!r}"
