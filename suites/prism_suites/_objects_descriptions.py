"""What may be said of an object besides its data: metadata of every kind that a store may change, and instants."""

from collections.abc import Iterator

from prism_suites._keyvalue_confusables import confusable_names
from prism_suites._objects_asking import Given
from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.traits import Limits

__all__ = ["METADATA_BYTES", "METADATA_NAME_BYTES", "TEXTS", "descriptions", "instant_window", "now_ms", "weight"]

METADATA_BYTES = 1024
METADATA_NAME_BYTES = 512
_SWELLING = ("\x01", '"', "\\", "%", "'", "\n", "\u20ac")
"""What a store may keep as two to nine bytes, by the escapes of JSON, SQL, a URL or a header."""
_LONG_TEXT = 600
"""Characters of a content type: a name of 127 for type and subtype each (RFC 6838, 4.2), and parameters."""

TEXTS = (
    *("", " ", "a", " padded ", "\ttab\t", "Mixed CASE", "application/octet-stream", "binary/octet-stream", "null"),
    *("None", "0", "1", "text/html; charset=UTF-8", 'multipart/form-data; boundary="a b"', "x; a=1; b=2", "a,b"),
    *("a=b&c=d", "gzip", "identity", "aws-chunked", "true", "[]", "{}", '{"a": 1}', '"quoted"', "it's", "%41", "%"),
    *("+", "a+b", "=?utf-8?q?caf=C3=A9?=", "\\", "a\\nb", "a:b", ": ", "::", "é", "e\u0301", "中文", "🍣", "\u200b"),
    *("\ufeff", "\x00", "a\x00b", "\r\n", "a\r\nX-Injected: 1", "a\nb", "\x7f", "\x1f", "\u2028", "a\xa0b", "ß", "İ"),
    *("\U0010ffff", "..", "/", "2026-01-01T00:00:00Z", "1e3", "01", "b'x'", "ÿ", "Ã©", "&amp;", "<a>", "${a}", "{0}"),
)
"""Texts that a header, a form, a JSON document or a database may change."""


def weight(names: dict[str, str]) -> int:
    """Return how many bytes user metadata have: names and values in UTF-8."""
    return sum(len(name.encode()) + len(text.encode()) for name, text in names.items())


def _packed(pairs: Iterator[tuple[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the pairs in mappings as full as they may be."""
    chosen: dict[str, str] = {}
    for name, text in pairs:
        if chosen and (weight(chosen) + weight({name: text}) > METADATA_BYTES or name in chosen):
            yield chosen
            chosen = {}
        chosen[name] = text
    if chosen:
        yield chosen


def descriptions(limits: Limits) -> Iterator[Given]:
    """Yield metadata of every kind: each text as type, as encoding and as a value; names that are taken for each other."""
    for text in TEXTS:
        yield Given(text, None, {"only": text})
        yield Given(None, text)
    yield from (Given(None, None, pairs) for pairs in _packed((text, text[::-1]) for text in TEXTS if text))
    for names in confusable_names(Limits(max_name=200), 12):
        distinct = dict.fromkeys(names)
        yield from (Given("a/b", None, pairs) for pairs in _packed((name, f"{n}") for n, name in enumerate(distinct)))
    own = ("size", "etag", "content-type", "content_type", "Content-Type", "content_encoding", "last_modified_ms", "expires_at_ms")
    more = ("x-amz-meta-a", "X-Amz-Meta-A", "user_metadata", "metadata", "key", "data", "_", "$a", "a.b", "ttl", "version", "id")
    yield Given("a/b", "gzip", {name: f"own {number}" for number, name in enumerate((*own, *more))})
    yield Given("t" * _LONG_TEXT, "e" * _LONG_TEXT, {f"{number:03}": "v" for number in range(256)})
    yield Given(None, None, {"n" * METADATA_NAME_BYTES: "v" * (METADATA_BYTES - METADATA_NAME_BYTES)})
    yield Given(None, None, {"n": "v" * (METADATA_BYTES - 1)})
    yield Given(None, None, {"é" * (METADATA_NAME_BYTES // 2): "🍣" * ((METADATA_BYTES - METADATA_NAME_BYTES) // 4)})
    for mark in _SWELLING:
        size = len(mark.encode())
        full = {mark * (METADATA_NAME_BYTES // size): mark * ((METADATA_BYTES - METADATA_NAME_BYTES) // size)}
        yield Given(mark * _LONG_TEXT, mark * _LONG_TEXT, full)
    yield Given(None, None, {"b": "1", "a": "2", "c": ""})


_SKEW_MS = 60_000
"""A server given by URL has a clock of its own."""


def now_ms(case: Case) -> float:
    """Return milliseconds since the epoch, with fractions."""
    clock = case.clock
    return clock.now_ns() / 1e6 if isinstance(clock, VirtualClock) else clock.now_s() * 1e3


def instant_window(case: Case, start_ms: float, end_ms: float) -> tuple[float, float]:
    """Return between which two instants a store may say that something happened which did between these: cut or rounded."""
    resolution_ms = max(case.limits.clock_resolution_s * 1000, 1.0)
    skew_ms = _SKEW_MS if case.server else 0.0 if isinstance(case.clock, VirtualClock) else 50.0
    return start_ms - resolution_ms - skew_ms, end_ms + resolution_ms + skew_ms
