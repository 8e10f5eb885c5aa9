"""Confusable partners of a name: other names that a store may take for it. Generated, not listed.

Each `Transformation` makes, from any name, names that some mistake maps to the same thing: a case-folding collation, a trimmed
blank, a column of 64 characters, a pattern, a charset. No Hypothesis here: these are pure functions with a fixed order.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from prism_testkit.strategies import _encodings, _folding, _inserting, _lengths, _paths, _respelling
from prism_testkit.strategies._characters import SEPARATORS

__all__ = ["TRANSFORMATIONS", "Transformation", "joined_pairs", "legal", "partners", "variants"]


@dataclass(frozen=True, slots=True)
class Transformation:
    """One way in which names are taken for each other.

    ``apply(name, max_name)`` yields candidates, some of them illegal or the name itself; `variants` cleans up. ``bases`` are
    names that it changes in every way it can.
    """

    title: str
    apply: Callable[[str, int], Iterator[str]]
    bases: tuple[str, ...]


# As long as any limit: whoever uses these bases cuts them to it.
_LONG, _LONG_2, _LONG_4 = (_lengths.fill("", 4096, character) for character in ("", "é", "🍣"))

TRANSFORMATIONS: tuple[Transformation, ...] = (
    Transformation("extensions", _lengths.extensions, ("a", "ab")),
    Transformation("case", _folding.case, ("Ask", "straße", "iIıİ", "ΣΑς", "éÉ", "ǅ", "fi", "жЖ")),
    Transformation("blanks", _inserting.blanks, ("a", "a b", " a ", "a\tb")),
    Transformation("affixes", _inserting.affixes, ("a",)),
    Transformation("inserts", _inserting.inserts, ("ab",)),
    Transformation("normal forms", _folding.normal_forms, ("é", "Å", "ﬁ", "가")),
    Transformation("numbers", _respelling.numbers, ("1", "0", "10", "1.5", "1e3", "a1", "9007199254740992", "2147483647", "-1")),
    Transformation("nul", _inserting.nul, ("ab", "a\x00b")),
    Transformation("patterns", _inserting.patterns, ("abc",)),
    Transformation("wildcards", _inserting.wildcards, ("abc",)),
    Transformation("paths", _paths.paths, ("a/b", "a//b", "a.b", "a\\b")),
    Transformation("percent", _encodings.percent, ("a b", "%41", "a+b", "é/")),
    Transformation("cuts", _lengths.cuts, (_LONG, _LONG_2, _LONG_4)),
    Transformation("flips", _lengths.flips, (_LONG, _LONG_2, _LONG_4)),
    Transformation("stretches", _lengths.stretches, ("a",)),
    Transformation("controls", _inserting.controls, ("ab", "a\nb")),
    Transformation("separators", _inserting.separators, ("a:b", "a/b-c", "a.b_c")),
    Transformation("joined", _inserting.joined, ("a:b:c", "a/b", "abc")),
    Transformation("compatibility", _folding.compatibility, ("a1", "カ(2)", "fi")),
    Transformation("accents", _folding.accents, ("e", "Zoë")),
    Transformation("rivals", _inserting.rivals, ("ab", "中é")),
    Transformation("invisibles", _inserting.invisibles, ("ab", "a\u200bb")),
    Transformation("homoglyphs", _folding.homoglyphs, ("paxos", "rn10", "a-b'c", "PAXO")),
    Transformation("kana", _folding.kana, ("あ1", "ア", "१२")),
    Transformation("orders", _lengths.orders, ("a", "a\uffff")),
    Transformation("permutations", _lengths.permutations, ("abcd", "a b", _LONG)),
    Transformation("collisions", _lengths.collisions, ("ab", "names")),
    Transformation("bookkeeping", _inserting.bookkeeping, ("a",)),
    Transformation("quotes", _inserting.quotes, ("ab", '"a"')),
    Transformation("doubling", _inserting.doubling, ("a'b", "a%b", "a\\b", "a\\\\b", "''")),
    Transformation("words", _respelling.words, ("null",)),
    Transformation(
        "structured", _respelling.structured, ("2024-01-02", "123e4567-e89b-12d3-a456-42661417400f", "127.0.0.1", "1:30")
    ),
    Transformation("markup", _encodings.markup, ("a&b", "&lt;", "é")),
    Transformation("escapes", _encodings.escapes, ("a\n", "a\\nb", '"a"', "é", "\\x61\\u0062")),
    Transformation("text encodings", _encodings.text_encodings, ("a", "YQ==", "61", "é=41", "xn--tda", "+AOk-", "user")),
    Transformation("digests", _encodings.digests, ("a", "é", "user:1")),
    Transformation("charsets", _encodings.charsets, ("aé", "中b", "Ã©", "a🍣")),
    Transformation("code units", _encodings.code_units, ("ab", "a\uffff", "aé")),
    Transformation("urls", _paths.urls, ("a", "a?b#c")),
)
"""From the plain to the strange: what shrinks goes to the front."""


def legal(name: str, max_name: int) -> bool:
    """Say whether every store must take this name: not empty, no surrogates, at most ``max_name`` bytes of UTF-8."""
    if not name or len(name) > max_name or name.isascii():
        return 0 < len(name) <= max_name
    try:
        return len(name.encode()) <= max_name
    except UnicodeEncodeError:
        return False


@lru_cache(maxsize=2048)
def variants(index: int, name: str, max_name: int) -> tuple[str, ...]:
    """Return what ``TRANSFORMATIONS[index]`` makes of a legal name: legal, distinct, without the name itself, in fixed order."""
    candidates = dict.fromkeys(TRANSFORMATIONS[index].apply(name, max_name))
    return tuple(candidate for candidate in candidates if candidate != name and legal(candidate, max_name))


def partners(name: str, max_name: int) -> list[str]:
    """Return every confusable partner of a name by every transformation, distinct, in a fixed order.

    Raises ``ValueError`` where the name itself is not legal (`legal`). A few hundred for a short name.
    """
    if not legal(name, max_name):
        raise ValueError(f"{name[:40]!a} is not a name of 1 to {max_name} bytes in UTF-8")
    return list(dict.fromkeys(other for index in range(len(TRANSFORMATIONS)) for other in variants(index, name, max_name)))


def joined_pairs(first: str, second: str, third: str, max_name: int) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Return pairs of two-part names that are one text when joined: (``a:b``, ``c``) and (``a``, ``b:c``), for each separator."""
    pairs = []
    for separator in ("", *SEPARATORS, "::", "//", "__", "\r\n"):
        left, right = f"{first}{separator}{second}", f"{second}{separator}{third}"
        if legal(left, max_name) and legal(right, max_name):
            pairs.append(((left, third), (first, right)))
    return pairs
