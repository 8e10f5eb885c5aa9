"""What the interfaces hand out, as it stands in the steps of a story: by what tells one from another there."""

from collections.abc import Callable
from functools import cache
from typing import Any

from prism_testkit import interfaces
from prism_testkit.interfaces import Delivery, Lease, Message, ObjectInfo, ObjectMetadata, QueueMessage, Record, RecordDelivery
from prism_testkit.reports.text import LONGEST, clip, show

__all__ = ["briefly"]

_ETAG = 12
"""So much of an etag tells it from others in one story."""


def briefly(value: object, width: int = 48) -> str:
    """Return ``value`` as `show` does, but a message by its id, a lease by its message and attempt, a record by its offset, and an
    object by its etag; what has no repr of its own and was entered by the interface that it offers.

    For steps only: two values that differ may look alike.
    """
    brief = _BRIEF.get(type(value))
    if brief is not None:
        return clip(brief(value, width), LONGEST)
    if type(value) is list and value and type(value[0]) in _BRIEF:
        return _several(value, width)
    kind: Any = type(value)
    return _offered(kind) or show(value, width)


@cache
def _offered(kind: Any) -> str:
    """Return ``<KeyValueTransaction>`` for whatever a driver made that is one and says no more of itself."""
    if kind.__repr__ is not object.__repr__:
        return ""
    found = next((base for base in kind.__mro__ if base.__module__.startswith(f"{interfaces.__name__}.")), None)
    return f"<{found.__name__}>" if found is not None else ""


def _several(values: list[Any], width: int) -> str:
    first = briefly(values[0], width)
    rest = len(values) - 1
    if not rest:
        return f"[{first}]"
    last = briefly(values[-1], width)
    return f"[{first}, {last}]" if rest == 1 else f"[{first}, … {rest - 1:,} more, {last}]"


def _message(value: Any, width: int) -> str:
    return f"message {show(value.id, width)} {show(value.payload, width)}"


def _record(value: Record, width: int) -> str:
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
