"""Headers of exactly 8 KiB, of which a store makes more: by escapes, by a length or a separator each, by another encoding."""

from collections.abc import Mapping

__all__ = ["FULL_HEADERS", "SWELLING"]

_ROOM = 8192


def _full(name: str, text: str) -> dict[str, str]:
    """Return one header of this name, whose value is of this text."""
    left = _ROOM - len(name.encode())
    return {name: text * (left // len(text.encode())) + "v" * (left % len(text.encode()))}


FULL_HEADERS: Mapping[str, Mapping[str, str]] = {
    "the longest name": _full("h" * 512, "v"),
    "four bytes a character": _full("\U0001f363" * 128, "\U0001f363"),
    "three bytes a character": _full("n", "\u20ac"),
    "two bytes a character": _full("\xe9", "\xe9"),
    "what is escaped": _full("n", '\x00"\\\n\x1f'),
    "control characters alone": _full("n", "\x01"),
    "quotes alone": _full("n", "'"),
    "percent signs": _full("n", "%"),
    "many": {f"{number:04}": "wxyz" for number in range(_ROOM // 8)},
    "many without values": {f"{number:04}": "" for number in range(_ROOM // 4)},
}

SWELLING = ("the longest name", "control characters alone", "many without values")
"""Of which a store makes most: beside the largest payload they may be more than it can hold."""
