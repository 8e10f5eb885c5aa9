"""Numbered promises, read off the docstring of an interface or a pattern."""

import inspect
import re
from collections.abc import Mapping
from functools import cache

from prism_testkit.interfaces import INTERFACES
from prism_testkit.pattern import KINDS

__all__ = ["all_promises", "promise_text", "promises_of"]

_LINE = re.compile(r"^(\d+)\. +(.*)$")


@cache
def promises_of(owner: type) -> Mapping[int, str]:
    """Return {number: sentence} from the numbered lines of ``owner``'s own docstring, continuation lines joined."""
    found: dict[int, list[str]] = {}
    current: list[str] | None = None
    for line in inspect.cleandoc(owner.__dict__.get("__doc__") or "").splitlines():
        match = _LINE.match(line)
        if match:
            current = found.setdefault(int(match.group(1)), [])
            current.append(match.group(2))
        elif not line.strip():
            current = None
        elif current is not None:
            current.append(line.strip())
    return {number: " ".join(parts) for number, parts in found.items()}


def all_promises() -> Mapping[str, str]:
    """Return every promise of every interface and every declared kind of pattern: ``{"keyvalue_ttl.3": "A plain write ..."}``."""
    interfaces = {f"{name}.{number}": text for name, owner in INTERFACES.items() for number, text in promises_of(owner).items()}
    patterns = {f"{k.promises}{number}": text for k in KINDS.values() for number, text in promises_of(k.protocol).items()}
    return interfaces | patterns


def promise_text(promise: str) -> str:
    """Return the sentence of a promise id; the empty string for one that belongs to somebody else's suite."""
    letters = promise.rstrip("0123456789")
    if letters in KINDS:
        return promises_of(KINDS[letters].protocol).get(int(promise[len(letters) :] or 0), "")
    name, _, number = promise.rpartition(".")
    owner = INTERFACES.get(name)
    return promises_of(owner).get(int(number), "") if owner is not None and number.isdigit() else ""
