"""How data appears in messages: short, on one line, and unmistakable."""

import dataclasses
import enum
import hashlib
import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from itertools import islice
from typing import Any

__all__ = ["LONGEST", "clip", "fit_encoding", "plain", "said", "show"]

LONGEST = 120
"""No value takes more characters than this."""

_WHOLE_BYTES = 24
_HEAD_BYTES = 16
_PAGE = 4000
_ROOMY = 32
_DEEPEST = 3
_RECORD_ROOM = 96  # a record with a field left out says little, so it gets more room than a list
_SCRATCH = 400  # more characters or elements than could ever be shown, few enough to look at
_ORDERED = frozenset({str, bytes, int, float})
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_ATOMS = frozenset({bool, float, complex, type(None), type(Ellipsis), type(NotImplemented)})
_FALLBACKS = {"…": "...", "✓": "+", "✗": "X", "·": "."}


def show(value: object, width: int = 48) -> str:
    """Return ``value`` as a message shows it: ASCII but for the mark ``…``, one line, at most `LONGEST` characters.

    ``width`` is where text and containers begin to be shortened; below 32 bytes are too. Bytes up to 24 long are shown whole;
    longer ones by their first 16, their length and their BLAKE2b hash (4 bytes), so that two that differ look different; long
    text by both ends, its length in UTF-8 and the same hash; what would be no shorter than the whole is whole. Containers show
    the first elements and how many more there are; sets are sorted, so that the same set looks the same in every run. A field
    that a dataclass keeps out of its repr is kept out here. Never raises: a value whose own repr does is shown as such.
    """
    kind = type(value)
    if kind in _ATOMS:
        return repr(value)
    if kind is bytes and len(value) <= _WHOLE_BYTES and width >= _ROOMY:  # type: ignore[arg-type]
        return repr(value)
    try:
        text = _show(value, width, 0 if width >= _ROOMY else 1)
    except Exception as error:
        return clip(f"<{kind.__name__}, its repr raised {type(error).__name__}>", LONGEST)
    return text if len(text) <= LONGEST else clip(text, LONGEST)


def said(error: BaseException) -> str:
    """Return the class and the words of an error, the latter cut to a page. Never raises, whatever its ``str`` does."""
    try:
        words = str(error)
    except Exception as raised:
        words = f"<its str raised {type(raised).__name__}>"
    return f"{type(error).__name__}: {clip(words, _PAGE)}" if words else type(error).__name__


def plain(text: str, keep: str = "") -> str:
    """Escape every character that does not print, lone surrogates and bidirectional marks included, but for those in ``keep``."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode("ascii") for c in text)


def clip(text: str, width: int) -> str:
    """Cut ``text`` to ``width`` characters; one that was cut ends with ``…``."""
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


def fit_encoding(text: str, encoding: str | None) -> str:
    """Return ``text`` with what ``encoding`` cannot hold replaced: our own marks by ASCII ones, the rest by escapes.

    None stands for a stream that takes any text. An unknown encoding is taken for ASCII.
    """
    if encoding is None or text.isascii():
        return text
    try:
        return text.encode(encoding).decode(encoding)
    except (UnicodeError, LookupError):
        for mark, fallback in _FALLBACKS.items():
            text = text.replace(mark, fallback)
        return text.encode("ascii", "backslashreplace").decode("ascii")


def _show(value: Any, width: int, depth: int) -> str:
    kind = type(value)
    if kind in _ATOMS:
        return repr(value)
    if isinstance(value, str) and not isinstance(value, enum.Enum):
        return _show_text(value, width, depth)
    if isinstance(value, bytes | bytearray | memoryview):
        return _show_bytes(value, width, depth)
    if isinstance(value, int) and not isinstance(value, enum.Enum):
        return _show_integer(value)
    for family, shower in _FAMILIES:
        if isinstance(value, family):
            return shower(value, width, depth)
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and value.__dataclass_params__.repr:  # type: ignore[attr-defined]
        return _show_fields(kind.__name__, _repr_fields(value), width, depth)
    if isinstance(value, type) or (callable(value) and hasattr(value, "__qualname__")):
        return _foreign(f"{value.__module__}.{value.__qualname__}", LONGEST)
    return _foreign(repr(value), max(width, LONGEST if depth == 0 else 0))


def _foreign(text: str, width: int) -> str:
    """Make somebody else's text ASCII, and the same in every run."""
    return clip(ascii(_ADDRESS.sub("", text[:_SCRATCH]))[1:-1].replace("\\\\", "\\").replace("\\'", "'"), width)


def _show_bytes(value: bytes | bytearray | memoryview, width: int, depth: int) -> str:
    data = bytes(value)
    if len(data) <= _WHOLE_BYTES:
        text = repr(data)
        if depth == 0 or len(text) <= width:
            return _wrapped(value, text)
    head = repr(data[:_HEAD_BYTES] if depth == 0 else _short_head(data))
    text = f"{head[:-1]}…{head[-1]} {_measure(data, depth)}"
    whole = repr(data) if len(data) <= len(text) else ""
    return _wrapped(value, whole if whole and len(whole) <= len(text) else text)


def _short_head(data: bytes) -> bytes:
    """Return the first bytes, fewer of those that take four characters each."""
    length = _HEAD_BYTES // 2
    while len(repr(data[:length])) > _HEAD_BYTES + 7:
        length -= 1
    return data[:length]


def _wrapped(value: bytes | bytearray | memoryview, text: str) -> str:
    return text if isinstance(value, bytes) else f"{type(value).__name__}({text})"


def _measure(data: bytes, depth: int) -> str:
    return f"({len(data):,} bytes, {'' if depth else 'blake2 '}{hashlib.blake2b(data, digest_size=4).hexdigest()})"


def _show_text(value: str, width: int, depth: int) -> str:
    if len(value) <= width:
        text = ascii(value)
        # An escape is up to ten characters long: what is short enough to be read is shown whole.
        if len(text) <= width + 2:
            return text
    head = _escaped(value[:_SCRATCH], width * 2 // 3)
    tail = _escaped(value[: -_SCRATCH - 1 : -1], width // 3)[::-1]
    ends = "".join(head) + "…" + "".join(tail)
    shortened = f"'{ends}' {_measure(value.encode('utf-8', 'surrogatepass'), depth)}"
    whole = ascii(value) if len(value) <= len(shortened) else ""
    return whole if whole and len(whole) <= len(shortened) else shortened


def _escaped(characters: str, room: int) -> list[str]:
    found: list[str] = []
    for character in characters:
        escaped = "\\'" if character == "'" else character.encode("unicode_escape").decode("ascii")
        room -= len(escaped)
        if room < 0:
            break
        found.append(escaped)
    return found


def _show_integer(value: int) -> str:
    if value.bit_length() <= 128:
        return repr(value)
    return f"{'-' if value < 0 else ''}0x{abs(value) >> (value.bit_length() - 32):x}… ({value.bit_length():,} bits)"


def _show_mapping(value: Mapping[Any, Any], width: int, depth: int) -> str:
    inner = max(width // 2, 16)
    parts = (f"{_show(key, inner, depth + 1)}: {_show(item, inner, depth + 1)}" for key, item in value.items())
    return _join(*_brackets(value, dict, "{}"), parts, len(value), width, depth)


def _show_set(value: Set[Any], width: int, depth: int) -> str:
    if not value:
        return f"{type(value).__name__}()"
    if {type(item) for item in value} <= _ORDERED:
        first = heapq.nsmallest(_SCRATCH, value, key=lambda item: (type(item).__name__, item))
    else:
        first = heapq.nsmallest(_SCRATCH, value, key=lambda item: (type(item).__name__, _show(item, width, depth + 1)))
    return _join(*_brackets(value, set, "{}"), _elements(first, width, depth), len(value), width, depth)


def _show_list(value: list[Any], width: int, depth: int) -> str:
    return _join(*_brackets(value, list, "[]"), _elements(value, width, depth), len(value), width, depth)


def _show_tuple(value: tuple[Any, ...], width: int, depth: int) -> str:
    names = getattr(value, "_fields", None)
    if names is not None and len(names) == len(value):
        return _show_fields(type(value).__name__, zip(names, value, strict=True), width, depth)
    start, end = _brackets(value, tuple, "()")
    return _join(start, "," + end if len(value) == 1 else end, _elements(value, width, depth), len(value), width, depth)


def _show_error(value: BaseException, width: int, depth: int) -> str:
    return f"{type(value).__name__}({_foreign(str(value), LONGEST - 40 if depth == 0 else _ROOMY)})"


def _show_enum(value: enum.Enum, width: int, depth: int) -> str:
    return f"{type(value).__name__}.{value.name}"


def _show_fields(name: str, fields: Iterable[tuple[str, Any]], width: int, depth: int) -> str:
    pairs = list(fields)
    inner = max(width // 2, 16)
    parts = (f"{field}={_show(item, inner, depth + 1)}" for field, item in pairs)
    return _join(f"{name}(", ")", parts, len(pairs), max(width, _RECORD_ROOM if depth == 0 else 0), depth)


def _repr_fields(value: Any) -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(value):
        if field.repr:
            yield field.name, getattr(value, field.name)


def _brackets(value: object, ordinary: type, pair: str) -> tuple[str, str]:
    start, end = pair[0], pair[1]
    return (start, end) if type(value) is ordinary else (f"{type(value).__name__}({start}", f"{end})")


def _elements(values: Iterable[Any], width: int, depth: int) -> Iterator[str]:
    inner = max(width // 2, 16)
    return (_show(item, inner, depth + 1) for item in islice(values, _SCRATCH))


def _join(start: str, end: str, parts: Iterator[str], count: int, width: int, depth: int) -> str:
    """Join as many parts as fit in ``width``, one at least unless it alone is too long, and count the others."""
    shown: list[str] = []
    used = len(start) + len(end) - 2
    most = LONGEST - (len(f", … {count - 1:,} more") if count > 1 else 0)
    # Depth bounds the work too: a container that holds itself ends here.
    while depth < _DEEPEST and len(shown) < count:
        part = next(parts)
        used += len(part) + 2
        if used > (width if shown else most):
            break
        shown.append(part)
    left = count - len(shown)
    if left:
        shown.append(f"… {left:,} more" if shown else f"… {left:,}")
    return start + ", ".join(shown) + end


_FAMILIES: tuple[tuple[type, Callable[[Any, int, int], str]], ...] = (
    (enum.Enum, _show_enum),
    (list, _show_list),
    (tuple, _show_tuple),
    (Set, _show_set),
    (Mapping, _show_mapping),
    (BaseException, _show_error),
)
