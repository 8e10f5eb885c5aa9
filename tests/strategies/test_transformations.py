"""Partners are legal, distinct and always the same; every transformation does something to each of its bases."""

import subprocess
import sys
import unicodedata
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.strategies.gauntlet import fitted
from prism_testkit.strategies.transformations import TRANSFORMATIONS, Transformation, joined_pairs, legal, partners, variants

_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
_ANY_NAME = st.text(min_size=1, max_size=16).filter(lambda name: legal(name, 64))


@given(_ANY_NAME, st.sampled_from([64, 65, 100, 512]))
def test_partners_of_any_name_are_legal_distinct_and_not_the_name(name: str, max_name: int) -> None:
    found = partners(name, max_name)
    assert len(set(found)) == len(found) > 200
    assert name not in found
    assert all(1 <= len(other.encode()) <= max_name for other in found)


@given(_ANY_NAME)
def test_partners_come_in_the_same_order_without_the_cache(name: str) -> None:
    first = partners(name, 100)
    variants.cache_clear()
    assert partners(name, 100) == first


def test_partners_are_the_same_in_another_process() -> None:
    program = (
        "import hashlib; from prism_testkit.strategies.gauntlet import name_groups, prefix_traps;"
        "print(hashlib.sha256(ascii((name_groups(100), prefix_traps(100))).encode()).hexdigest())"
    )
    runs = [
        subprocess.run([sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True, text=True)
        for seed in ("1", "2")
    ]
    assert runs[0].stdout == runs[1].stdout != ""


@pytest.mark.parametrize("name", ["", "x" * 65, "é" * 33, "\ud800", "a\udfff"])
def test_partners_of_what_is_no_name_are_refused(name: str) -> None:
    assert not legal(name, 64)
    with pytest.raises(ValueError, match="not a name"):
        partners(name, 64)


@pytest.mark.parametrize("name", ["x" * 64, "é" * 32, "\uffff", "\x00", " "])
def test_at_the_limit_names_are_legal(name: str) -> None:
    assert legal(name, 64)


@pytest.mark.parametrize("transformation", TRANSFORMATIONS, ids=lambda transformation: transformation.title)
@pytest.mark.parametrize("max_name", [64, 512])
def test_each_transformation_changes_each_of_its_bases(transformation: Transformation, max_name: int) -> None:
    index = TRANSFORMATIONS.index(transformation)
    for base in transformation.bases:
        assert variants(index, fitted(base, max_name), max_name), base


def test_titles_are_distinct() -> None:
    assert len({transformation.title for transformation in TRANSFORMATIONS}) == len(TRANSFORMATIONS)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Ask", ["ASK", "ask", "As\u212a", "A\u017fk"]),
        ("i", ["I", "ı", "İ"]),
        ("ss", ["ß", "ẞ"]),
        ("é", ["e\u0301", "e", "&#233;", "%C3%A9", "\\u00e9", "Ã©"]),
        ("fi", ["ﬁ", "ｆｉ"]),
        ("a", ["a ", " a", "a\u200b", "а", "a/", "%61", "ａ", "á", "YQ==", "61", '"a"', "a\x00", "a:ttl", "a\u0301", "aa", "./a"]),
        ("a b", ["a+b", "a%20b", "ab", "a\tb", "a\xa0b", "b a"]),
        ("a+b", ["a b"]),
        ("%41", ["A", "%2541"]),
        ("1", ["01", "1.0", "1e0", "+1", "１", "١", "0x1", "257", "4294967297"]),
        ("9007199254740992", ["9007199254740993"]),
        ("a:b", ["a/b", "a.b", "ab", "a::b", "b:a"]),
        ("abc", ["a_c", "a%", "a?c", "ab*", "a[b]c", "a.c", "ab", "cba", "Abc", "abcabc"]),
        ("a//b", ["a/b"]),
        ("a\r\nb", ["a\nb", "ab"]),
        ("a\\nb", ["a\nb"]),
        ("null", ["None", "nil"]),
        ("x" * 300, ["x" * 255, "x" * 256, "x" * 64, "x" * 63, "x" * 299 + "y", "x" * 150 + "y" + "x" * 149]),
        ("あ", ["ア"]),
    ],
)
def test_known_partners_are_generated(name: str, expected: list[str]) -> None:
    assert set(expected) <= set(partners(name, 512))


@pytest.mark.parametrize("form", _FORMS)
def test_a_name_in_any_form_has_partners_in_the_others(form: Literal["NFC", "NFD", "NFKC", "NFKD"]) -> None:
    name = unicodedata.normalize(form, "Åé\ufb01\uac00")
    others = {unicodedata.normalize(other, name) for other in _FORMS} - {name}
    assert others <= set(partners(name, 512))


def test_joined_pairs_are_different_pairs_of_one_text() -> None:
    pairs = joined_pairs("a", "b", "c", 64)
    assert (("a:b", "c"), ("a", "b:c")) in pairs
    for left, right in pairs:
        assert left != right
        separator = left[0][1:-1]
        assert separator.join(left) == separator.join(right)
    assert joined_pairs("a" * 64, "b", "c", 64) == []


@pytest.mark.parametrize("module", ["transformations", "ladders", "payloads", "gauntlet", "_decoding", "_limits"])
def test_the_data_needs_no_hypothesis(module: str) -> None:
    program = f"import sys, prism_testkit.strategies.{module}; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
