"""`show` is the one way in which data gets into a message."""

import collections
import collections.abc
import dataclasses
import enum
import hashlib
import math
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.backend import Place
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import InvalidName
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.text import LONGEST, clip, fit_encoding, plain, show

Point = collections.namedtuple("Point", "x y")


class Colour(enum.IntEnum):
    RED = 1


@dataclasses.dataclass
class Record:
    key: str
    value: bytes
    secret: str = dataclasses.field(default="hunter2", repr=False)


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError("no")


class Opaque:
    pass


def blake(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=4).hexdigest()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "None"),
        (True, "True"),
        (59.98, "59.98"),
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (7, "7"),
        (b"", "b''"),
        (b"x" * 24, "b'xxxxxxxxxxxxxxxxxxxxxxxx'"),
        (bytearray(b"abc"), "bytearray(b'abc')"),
        (memoryview(b"abc"), "memoryview(b'abc')"),
        ("", "''"),
        ("a/b", "'a/b'"),
        ("it's", '"it\'s"'),
        ("\u00e9\u202e\x00\n", r"'\xe9\u202e\x00\n'"),
        ("\ud800", r"'\ud800'"),
        ([1, b"a"], "[1, b'a']"),
        ((1,), "(1,)"),
        ((), "()"),
        (set(), "set()"),
        ({3, 1, 2}, "{1, 2, 3}"),
        ({"b", 1, b"a", None}, "{None, b'a', 1, 'b'}"),
        (frozenset("a"), "frozenset({'a'})"),
        ({"a": b"1"}, "{'a': b'1'}"),
        (collections.Counter("aab"), "Counter({'a': 2, 'b': 1})"),
        (Point(1, b"2"), "Point(x=1, y=b'2')"),
        (Record("a", b"1"), "Record(key='a', value=b'1')"),
        (Outcome.PASSED, "Outcome.PASSED"),
        (Colour.RED, "Colour.RED"),
        (InvalidName("memory: the name is empty"), "InvalidName(memory: the name is empty)"),
        (int, "builtins.int"),
        (len, "builtins.len"),
        (Opaque(), f"<{__name__}.Opaque object>"),
        (Rude(), "<Rude, its repr raised RuntimeError>"),
        ({"rude": Rude()}, "<dict, its repr raised RuntimeError>"),
        (1 << 200, "0x80000000… (201 bits)"),
    ],
)
def test_small_values_are_shown_as_they_are(value: object, shown: str) -> None:
    assert show(value) == shown


def test_numbers_too_long_for_str_are_shown() -> None:
    assert show(-(10**5000)) == "-0xc7882004… (16,610 bits)"


def test_long_bytes_show_head_length_and_hash() -> None:
    assert show(b"x" * 60) == f"b'xxxxxxxxxxxxxxxx…' (60 bytes, blake2 {blake(b'x' * 60)})"
    data = b"0123456789abcdef" + b"." * 65_521
    assert show(data) == f"b'0123456789abcdef…' (65,537 bytes, blake2 {blake(data)})"
    assert show(bytearray(data)) == f"bytearray(b'0123456789abcdef…' (65,537 bytes, blake2 {blake(data)}))"
    assert show(b"'" * 15 + b'"' + b"x" * 60).startswith("b'" + r"\'" * 15 + '"…' + "' (76 bytes")


def test_what_would_be_no_longer_whole_than_shortened_is_whole() -> None:
    key = "claims/i21eu27nro7dtkjniidfqele5d3e0v42"
    assert show(key, 24) == f"'{key}'"
    assert show(b"x" * 25) == repr(b"x" * 25)
    assert show([b"first first first first first"], 48) == "[b'first first first first first']"


def test_long_text_shows_both_ends_length_in_bytes_and_hash() -> None:
    name = "a" * 300 + "\u00e9" * 106
    assert show(name) == rf"'{'a' * 32}…\xe9\xe9\xe9\xe9' (512 bytes, blake2 {blake(name.encode())})"
    quotes = "it's" * 50
    head, tail = "it\\'s" * 5 + "i", "\\'s" + "it\\'s" * 2
    assert show(quotes, 40) == f"'{head}…{tail}' (200 bytes, blake2 {blake(quotes.encode())})"
    assert show("\ud800" * 60).endswith(r"…\ud800\ud800' (180 bytes, blake2 " + blake(b"\xed\xa0\x80" * 60) + ")")
    assert show("\U0001f600" * 30).count(r"\U0001f600") == 4


@pytest.mark.parametrize("make", [lambda middle: b"a" * 100 + middle + b"a" * 100, lambda m: "a" * 100 + m.decode() + "a" * 100])
def test_long_values_that_differ_look_different(make: Any) -> None:
    assert show(make(b"x")) != show(make(b"y"))
    assert show({"key": make(b"x")}) != show({"key": make(b"y")})


@pytest.mark.parametrize(
    ("value", "end"),
    [
        ([1] * 10_000, "… 9,984 more]"),
        (list(range(10**6)), " more]"),
        ({f"k{n}": b"v" for n in range(100)}, "… 96 more}"),
        (set(map(str, range(1000))), "… 993 more}"),
        (tuple(range(100)), " more)"),
        (Record("k" * 500, b"\0" * 500), ")"),
    ],
)
def test_long_containers_say_how_much_is_left_out(value: object, end: str) -> None:
    assert show(value).endswith(end)


def test_a_pair_of_a_long_name_and_a_long_value_is_shown() -> None:
    shown = show({"k" * 512: b"\0" * 65_537, "l" * 512: b""})
    assert "512 bytes" in shown
    assert "65,537 bytes" in shown
    assert shown.endswith("… 1 more}")


def test_elements_too_long_to_show_are_counted() -> None:
    long = type("X" * 150, (), {})
    assert show([long]) == "[… 1]"
    assert show([long, 1]) == "[… 2]"
    assert show([1, long]) == "[1, … 1 more]"


def test_containers_that_hold_themselves_end() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    assert show(loop) == "[1, [1, [1, [… 2]]]]"


def test_fields_kept_out_of_a_repr_stay_out(tmp_path: Any) -> None:
    place = Place(url="redis://:hunter2@host", directory=tmp_path, shared={}, clock=VirtualClock())
    assert "hunter2" not in show(place)
    assert "hunter2" not in show([Record("a", b"")])


class Ordered(collections.abc.Set[Any]):
    """A set that is iterated as it was filled."""

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)


@pytest.mark.parametrize("items", [[3, 1, 2], ["b", 1, b"a", "a"], [frozenset("ab"), frozenset("c"), "z"]])
def test_sets_look_the_same_whatever_their_order(items: list[Any]) -> None:
    assert show(Ordered(items)) == show(Ordered(items[::-1])) == show(Ordered(items[1:] + items[:1]))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=200) | st.text(max_size=200),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(st.text(max_size=60) | st.binary(max_size=60), inner)
        | st.tuples(inner, inner).map(lambda pair: Point(*pair))
        | st.lists(inner).map(tuple)
        | st.frozensets(st.text(max_size=60) | st.integers())
    ),
)


@given(value=VALUES, width=st.integers(min_value=0, max_value=500))
def test_any_value_is_one_short_line_of_ascii(value: object, width: int) -> None:
    shown = show(value, width)
    assert len(shown) <= LONGEST
    assert shown.isprintable()
    assert shown.replace("…", "").isascii()
    assert shown == show(value, width)


@given(value=st.text(max_size=30) | st.binary(max_size=24))
def test_short_text_and_bytes_can_be_read_back(value: str | bytes) -> None:
    shown = show(value, width=400)
    if "…" not in shown:
        assert eval(shown) == value


def test_plain_escapes_what_does_not_print() -> None:
    assert plain("caf\u00e9 \x1b[2J\u202e\ud800\n") == "caf\u00e9 \\x1b[2J\\u202e\\ud800\\n"
    assert plain("a\nb\t", keep="\n") == "a\nb\\t"


def test_clip_marks_the_cut() -> None:
    assert clip("abcdef", 6) == "abcdef"
    assert clip("abcdef", 5) == "abcd…"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1", "cp437", "no-such-encoding", "utf-16", None])
@given(text=st.text(max_size=20))
def test_a_stream_takes_what_was_fitted_to_it(encoding: str | None, text: str) -> None:
    text = plain(text)
    fitted = fit_encoding(text + "✓ …", encoding)
    if encoding not in (None, "no-such-encoding"):
        assert fitted.encode(encoding).decode(encoding) == fitted
    if encoding in ("utf-8", None):
        assert fitted == text + "✓ …"
    if encoding == "ascii":
        assert fitted.endswith("+ ...")
