"""The fixed gauntlet: every trap once, in a fixed order, so that nothing that is caught depends on luck."""

import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Literal

from prism_testkit.strategies._characters import EXTREMES
from prism_testkit.strategies._encodings import tokens
from prism_testkit.strategies._lengths import fill
from prism_testkit.strategies._respelling import WORDS
from prism_testkit.strategies.ladders import rungs
from prism_testkit.strategies.transformations import TRANSFORMATIONS, joined_pairs, legal, variants

__all__ = ["fitted", "name_groups", "prefix_traps"]

_GROUP = 64
_MORE = 7
"""How many names of each further base of a transformation: those that change what is there, for the first base has the rest."""

_WIDTHS = ("a", "é", "中", "🍣")
_PREFIXES = {
    "wildcards": 60,
    "patterns": 42,
    "inserts": 34,
    "affixes": 45,
    "case": 8,
    "blanks": 10,
    "normal forms": 12,
    "controls": 10,
}
"""How many partners stand as prefixes, where more than a few are worth it: those that a scan may take for a pattern."""
_CLUSTERS = (
    *("e\u0301", "s\u0323\u0307", "a\r\n", "\u1100\u1161\u11a8", "❤\ufe0f", "🇩🇪", "👨\u200d👩\u200d👧", "👍🏽", "ffi", "ss", "ß"),
    *("i\u0307", "İ", "ﬀ", "\u0915\u094d\u0937", "ǆ", "Å", "\u0344", "ch", "a\u200bb", "a\u0338=", "が"),
)
_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")
_NONCHARACTERS = "\ufdd0\ufdef\ufffe\uffff"


def fitted(name: str, max_name: int) -> str:
    """Return the name, cut to what fits in ``max_name`` bytes."""
    return name if len(name) * 4 <= max_name else name.encode()[:max_name].decode(errors="ignore")


def name_groups(max_name: int) -> list[tuple[str, ...]]:
    """Return groups of distinct legal names; a store must keep those of a group, and of all groups, apart.

    For every transformation and each of its bases there is a group (or several, of at most 64) that begins with the base;
    then lengths, every ASCII character, samples of all planes and categories, and joined keys. A name may be in several
    groups. Computed once for each ``max_name``.
    """
    return list(_name_groups(max_name))


@lru_cache(maxsize=8)
def _name_groups(max_name: int) -> tuple[tuple[str, ...], ...]:
    groups: list[tuple[str, ...]] = []
    seen: set[tuple[str, str]] = set()
    for base, names in _families(max_name):
        fresh = [name for name in dict.fromkeys(names) if name != base and (base, name) not in seen]
        seen.update((base, name) for name in fresh)
        groups += _chunks(base, fresh)
    return tuple(groups)


def _chunks(base: str, names: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield groups of about the same size, the base in front of each."""
    number = -(-len(names) // (_GROUP - 1))
    for part in range(number):
        yield (base, *names[len(names) * part // number : len(names) * (part + 1) // number])


def _families(max_name: int) -> Iterator[tuple[str, Iterable[str]]]:
    for index, transformation in enumerate(TRANSFORMATIONS):
        for place, given in enumerate(transformation.bases):
            base = fitted(given, max_name)
            names = variants(index, base, max_name)
            yield base, names if place == 0 else [name for name in names if base not in name][:_MORE]
    yield from ((family[0], family) for family in WORDS)
    yield from ((base, tokens(base)) for base in ("a/b", "a:b"))
    yield from _lengths(max_name)
    yield from _alphabets()
    for first, second, third in (("a", "b", "c"), ("a", "a", "a")):
        pairs = joined_pairs(first, second, third, max_name)
        yield first, (name for pair in pairs for parts in pair for name in parts)


def prefix_traps(max_name: int) -> list[tuple[tuple[str, ...], tuple[str, ...]]]:
    """Return pairs of (names to store, prefixes to scan with): a scan must give exactly the names that begin with the prefix.

    The names of a trap match some prefix literally, or only if it were a pattern, folded, trimmed, normalised, cut, encoded,
    or made into a range with a wrong upper bound. Computed once for each ``max_name``.
    """
    return list(_prefix_traps(max_name))


@lru_cache(maxsize=8)
def _prefix_traps(max_name: int) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
    traps = []
    for names, prefixes in (*_confusable_prefixes(max_name), *_ordered_prefixes(), *_clusters(), *_long_prefixes(max_name)):
        kept = tuple(dict.fromkeys(name for name in names if legal(name, max_name)))
        traps.append((kept, tuple(dict.fromkeys(prefix for prefix in prefixes if prefix == "" or legal(prefix, max_name)))))
    return tuple(traps)


def _confusable_prefixes(max_name: int) -> Iterator[tuple[Iterable[str], Iterable[str]]]:
    """For every transformation: the base and its partners, each with something behind it, and each of them as the prefix."""
    for index, transformation in enumerate(TRANSFORMATIONS):
        for place, given in enumerate(transformation.bases):
            base = fitted(given, max_name // 2)
            partners = variants(index, base, max_name)
            most = _PREFIXES.get(transformation.title, 6) if place == 0 else 1
            prefixes = (base, *partners[:: -(-len(partners) // most) or 1])
            yield [name for prefix in prefixes for name in (prefix, prefix + "1")], ("", *prefixes) if place == 0 else prefixes
    pairs = [name for pair in joined_pairs("a", "b", "c", max_name) for parts in pair for name in parts]
    yield pairs, ["", "a", "b", *(name for name in pairs if len(name) > 1)]
    yield (
        ("a", " ", "\x00", "\n", "0", "é", "🍣", "\U0010ffff", "%", "*", "_", "'", "\ufeff"),
        ("", " ", "\x00", "\n", "%", "_", "*"),
    )
    # Folders in folders, and what paths leave out, go up by, or end with.
    deep = ["/".join("abcdefgh"[:depth]) for depth in range(1, 9)]
    odd = ("/", "//", "/a/b/c", "a//b/c/d", "a/./b/c", "a/../b/c/d", "../../a/b", "a/b/", "a/b/c/d/")
    yield (*deep, *odd), ("", "a", "a/", "a/b/", "a/b/c/d/", "/", "//", "a//", "../", "b/")


def _ordered_prefixes() -> Iterator[tuple[Iterable[str], Iterable[str]]]:
    """Prefixes that end at the end of some order: their names are the last before an upper bound, others the first behind it."""
    lasts = ("b", "z", "~", "\x7f", "\xff", "\u07ff", "\ud7ff", "\uffff", "\U0010ffff", "\x00", "\ufffd", "🍣", "é")
    for front, last in (*(("z", last) for last in lasts), ("", "\x7f"), ("", "\uffff"), ("", "\U0010ffff")):
        prefix = front + last
        inside = [prefix + character for character in ("", *EXTREMES[::4], *"~\x7f\xff\uffff\U0010ffff", "\U0010ffff\U0010ffff")]
        outside = [front + other for other in (*"\x7f\xff\uffff\U00010000\U0010ffff", *_neighbours(last))]
        yield [*inside, *outside, front or "a"], [prefix, *inside[-2:], front]


def _neighbours(character: str) -> list[str]:
    code = ord(character)
    return [chr(near) for near in (code - 1, code + 1) if 0 <= near <= 0x10FFFF and not 0xD800 <= near <= 0xDFFF]


def _clusters() -> Iterator[tuple[Iterable[str], Iterable[str]]]:
    """Prefixes that end inside what is shown, folded or normalised as one character."""
    for cluster in _CLUSTERS:
        parts = [cluster[:length] for length in range(1, len(cluster) + 1)]
        forms = [cluster.casefold(), cluster.upper(), cluster.lower(), *(unicodedata.normalize(form, cluster) for form in _FORMS)]
        yield [*parts, *forms, *(f"{part}x" for part in parts), *(form[:1] for form in forms)], [*parts, *forms]


def _long_prefixes(max_name: int) -> Iterator[tuple[Iterable[str], Iterable[str]]]:
    """Prefixes as long as names may be, as the names are, and longer than any name there."""
    for character in ("", *_WIDTHS):
        longest = fill("", max_name, character)
        cuts = [longest[:size] for size in rungs(len(longest))]
        others = [cut[:-1] + "~" for cut in cuts[-8:]]
        yield [longest, *cuts, *others], [longest, longest[:-1], *cuts[2:], *others[-2:]]
    yield ("a", "ab"), (fill("ab", max_name), "abc", "ab ", fill("~", max_name), "ab\x00")


def _lengths(max_name: int) -> Iterator[tuple[str, Iterable[str]]]:
    """Names of every telling number of bytes, in characters of each width, each with another last character."""
    for character in _WIDTHS:
        sizes = [size for size in (*rungs(max_name), max_name - 1, max_name) if size >= 16]
        exact = [fill("", size, character) for size in sizes]
        counted = [character * count for count in rungs(max_name // len(character.encode())) if count >= 63]
        other_ends = [name[:-1] + "~" for name in (exact if character == "a" else exact[-1:])]
        yield character, [*exact, *counted, *other_ends]
    longest = fill("", max_name)
    spread = range(0, max_name, max(1, max_name // 24))
    yield longest, [longest[:place] + "~" + longest[place + 1 :] for place in spread]


def _alphabets() -> Iterator[tuple[str, Iterable[str]]]:
    ascii_characters = [chr(code) for code in range(128)]
    letters = [character for character in ascii_characters if character.isalnum()]
    marks = [character for character in ascii_characters if character.isprintable() and not character.isalnum()]
    controls = [character for character in ascii_characters if not character.isprintable()]
    for alphabet in (letters, marks, controls):
        yield alphabet[0], alphabet
        yield "ab", [f"a{character}b" for character in alphabet]
    for sample in (_planes(), _categories(), list(EXTREMES)):
        yield "ab", [f"a{character}b" for character in sample]
    yield "a", _blocks()


def _planes() -> list[str]:
    """The first and last characters of all 17 planes, and of those in use also the last that is one."""
    ends = [plane << 16 | low for plane in range(17) for low in (0, 0xFFFF)]
    ends += [plane << 16 | 0xFFFD for plane in (1, 2, 3, 14, 15, 16)]
    return [*map(chr, ends), *_NONCHARACTERS]


def _blocks() -> list[str]:
    """One character from every 0x600 of the basic plane, by itself."""
    return [chr(code + 0x41) for code in range(0, 0x10000, 0x600) if not 0xD800 <= code <= 0xDFFF]


def _categories() -> list[str]:
    """The first character of every general category of Unicode outside ASCII, surrogates left out."""
    found: dict[str, str] = {}
    for code in (*range(0x80, 0xD800), *range(0xE000, 0x10000)):
        found.setdefault(unicodedata.category(chr(code)), chr(code))
    return [found[category] for category in sorted(found)]
