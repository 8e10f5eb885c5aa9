"""What a story keeps of a value: not the object, which its owner may change, or whose end somebody may wait for."""

import copy
from dataclasses import fields
from functools import lru_cache
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
    kind: Any = type(value)
    try:
        names, plain = _fields(kind)
        if plain:
            twin = _new(kind)
            if not hasattr(twin, "__slots__"):
                vars(twin).update(vars(value))
        else:
            twin = copy.copy(value)
        for name in names:
            part = getattr(value, name)
            if type(part) not in ATOMS:
                part = kept(part)
            elif not plain:
                continue
            _set(twin, name, part)
    except Exception:  # one of a class of a driver's own, which may refuse all of that
        return value
    return twin


@lru_cache(maxsize=1024)
def _fields(kind: Any) -> tuple[tuple[str, ...], bool]:
    """Return the names of a dataclass's fields, and whether they are all that `copy` would copy, which takes ten times as long."""
    names = tuple(field.name for field in fields(kind))
    if any(getattr(kind, name, None) is not getattr(object, name, None) for name in _COPYING):
        return names, False
    state = kind.__getstate__
    if state is _root.__getstate__:
        return names, not any("__slots__" in vars(base) for base in kind.__mro__)
    return names, state.__module__ == fields.__module__


_COPYING = "__copy__", "__new__", "__reduce__", "__reduce_ex__"
_root: Any = object
_new = object.__new__
_set = object.__setattr__
