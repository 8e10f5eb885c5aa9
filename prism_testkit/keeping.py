"""What a story keeps of a value: not the object, which its owner may change, or whose end somebody may wait for."""

import copy
from dataclasses import fields
from types import NoneType
from typing import Any

__all__ = ["ATOMS", "kept"]

ATOMS = frozenset({NoneType, bool, int, float, str, bytes})
"""Of these there is nothing to copy."""


def kept(value: Any) -> Any:
    """Return a copy of a buffer, a map, a list, a tuple or a frozen dataclass; what else it is, itself.

    A driver may keep what belongs to a lease or a delivery by its address, or for as long as it lives. A story that kept the
    object would hide what is wrong with that.
    """
    kind = type(value)
    if kind in ATOMS:
        return value
    if kind is bytearray or kind is memoryview:
        return bytes(value)
    if kind is dict:
        return dict(value)
    if kind is list or kind is tuple:
        return kind(map(kept, value))
    parameters = getattr(kind, "__dataclass_params__", None)
    return _twin(value) if parameters is not None and parameters.frozen else value


def _twin(value: Any) -> Any:
    try:
        twin = copy.copy(value)
        for field in fields(value):
            part = getattr(value, field.name)
            if type(part) not in ATOMS:
                object.__setattr__(twin, field.name, kept(part))
    except Exception:  # one of a class of a driver's own, which may refuse all of that
        return value
    return twin
