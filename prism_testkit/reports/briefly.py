"""What the interfaces hand out, as it stands in the steps of a story: by what tells one from another there."""

from collections.abc import Callable
from functools import cache
from itertools import groupby, islice
from typing import Any

from prism_testkit import interfaces
from prism_testkit.interfaces import Delivery, Lease, Message, ObjectInfo, ObjectMetadata, QueueMessage, Record, RecordDelivery
from prism_testkit.reports.text import LONGEST, clip, show

__all__ = ["briefly"]

_ETAG = 12
"""So much of an etag tells it from others in one story."""
_MOST = 30
"""Of longer lists only the ends are told."""


def briefly(value: object, width: int = 48) -> str:
    """Return ``value`` as `show` does, but a message by its id, a lease by its message and attempt, a record by its offset, and an
    object by its etag; what has no repr of its own and was entered by the interface that it offers.

    For steps only: two values that differ may look alike.
    """
    brief = _BRIEF.get(type(value))
    if brief is not None:
        return clip(brief(value, width), LONGEST)
    if type(value) is list and value and (type(value[0]) in _BRIEF or _sent(value[0], width)):
        return _several(value, width)
    kind: Any = type(value)
    return _sent(value, width) or _offered(kind) or show(value, width)


def _sent(value: Any, width: int) -> str:
    """Tell what a check itself made of what it sent as what came of that."""
    fields = getattr(type(value), "__dataclass_fields__", {}).keys()
    if {"offset", "key", "payload"} <= fields:
        return _record(value, width)
    return _message(value, width) if {"id", "payload"} <= fields else ""


@cache
def _offered(kind: Any) -> str:
    """Return ``<KeyValueTransaction>`` for whatever a driver made that is one and says no more of itself."""
    if kind.__repr__ is not object.__repr__:
        return ""
    found = next((base for base in kind.__mro__ if base.__module__.startswith(f"{interfaces.__name__}.")), None)
    return f"<{found.__name__}>" if found is not None else ""


def _several(values: list[Any], width: int) -> str:
    """Tell all if there is room for it, else the first and the last."""
    kinds = {type(value) for value in values}
    parts = _counted(values, width) if kinds in ({Delivery}, {RecordDelivery}) else []
    parts = parts or [briefly(value, width) for value in islice(values, _MOST)]
    whole = f"[{', '.join(parts)}]"
    if len(values) <= 2 or (len(values) <= _MOST and len(whole) <= LONGEST):
        return whole
    return f"[{briefly(values[0], width)}, … {len(values) - 2:,} more, {briefly(values[-1], width)}]"


def _counted(values: list[Any], width: int) -> list[str]:
    """Tell deliveries that have the same count in one breath."""
    parts: list[str] = []
    for count, alike in groupby(values[:_MOST], key=lambda value: value.delivery_count):
        held = list(alike)
        what = "message" if isinstance(held[0], Delivery) else "record"
        names = [show(value.message.id, width) if isinstance(value, Delivery) else str(value.record.offset) for value in held]
        parts.append(f"delivery {count} of {what}{'s' if len(held) > 1 else ''} {', '.join(names)}")
    return parts


def _message(value: Any, width: int) -> str:
    return f"message {show(value.id, width)} {show(value.payload, width)}"


def _record(value: Any, width: int) -> str:
    key = "" if value.key is None else f" {show(value.key, width)}:"
    return f"record {value.offset}{key} {show(value.payload, width)}"


def _metadata(value: ObjectMetadata, width: int) -> str:
    """Size and etag always; what else was given, as far as there is room for it."""
    etag: object = value.etag
    shown = f"{show(etag[:_ETAG], width)[:-1]}…'" if isinstance(etag, str) and len(etag) > _ETAG else show(etag, width)
    text = f"{_bytes(value.size)}, etag {shown}"
    others = [("until", value.expires_at_ms), ("type", value.content_type), ("encoding", value.content_encoding)]
    for name, given in [*others, ("metadata", value.user_metadata or None), ("put at", value.last_modified_ms)]:
        part = "" if given is None else f", {name} {show(given, width)}"
        if len(text) + len(part) <= 2 * width:
            text += part
    return f"object of {text}"


def _bytes(number: Any) -> str:
    return "1 byte" if number == 1 else f"{show(number)} bytes"


_BRIEF: dict[type, Callable[[Any, int], str]] = {
    QueueMessage: _message,
    Message: _message,
    Lease: lambda value, width: f"lease of message {show(value.message.id, width)}, attempt {value.attempt}",
    Delivery: lambda value, width: f"delivery {value.delivery_count} of message {show(value.message.id, width)}",
    ObjectInfo: lambda value, width: f"{show(value.key, width)} of {_bytes(value.size)}",
    ObjectMetadata: _metadata,
    Record: _record,
    RecordDelivery: lambda value, width: f"delivery {value.delivery_count} of record {value.record.offset}",
}
