"""The gauntlet is legal, distinct, complete and small; its prefixes show every wrong way to match one."""

import fnmatch
import re
import unicodedata
import urllib.parse
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest

from prism_testkit.strategies.gauntlet import name_groups, prefix_traps
from prism_testkit.strategies.transformations import TRANSFORMATIONS, legal, variants

_LIMITS = [64, 65, 100, 255, 512, 1024]


@pytest.mark.parametrize("max_name", _LIMITS)
def test_groups_are_distinct_legal_and_small(max_name: int) -> None:
    groups = name_groups(max_name)
    for group in groups:
        assert 2 <= len(set(group)) == len(group) <= 64
        assert all(legal(name, max_name) for name in group)
    assert sum(map(len, groups)) < 3000


@pytest.mark.parametrize("max_name", _LIMITS)
def test_names_of_every_telling_length_are_there_in_characters_of_every_width(max_name: int) -> None:
    names = {name for group in name_groups(max_name) for name in group}
    wanted = {size for power in range(4, 10) for size in (2**power - 1, 2**power) if 16 <= size <= max_name} | {
        max_name - 1,
        max_name,
    }
    for character in "aé中🍣":
        lengths = {len(name.encode()) for name in names if name.count(character) > len(name) // 2 or len(name.encode()) < 24}
        assert wanted <= lengths, character


@pytest.mark.parametrize("max_name", [64, 512])
def test_every_ascii_character_is_a_name_and_stands_in_one(max_name: int) -> None:
    names = {name for group in name_groups(max_name) for name in group}
    assert {chr(code) for code in range(128)} <= names
    assert {f"a{chr(code)}b" for code in range(128)} <= names


def test_all_planes_and_the_ends_of_all_ranges_are_there() -> None:
    characters = {character for group in name_groups(512) for name in group for character in name}
    assert {ord(character) >> 16 for character in characters} == set(range(17))
    assert set("\x00\x7f\x80\u07ff\u0800\ud7ff\ue000\ufffd\ufffe\uffff\U00010000\U0010ffff") <= characters
    assert {unicodedata.category(character) for character in characters} >= set(
        re.findall("..", "LuLlLtLmLoMnMcMeNdNlNoPcPdPsPePiPfPoSmScSkSoZsZlZpCcCfCoCn")
    )


def test_every_transformation_is_there_in_full_with_its_first_base() -> None:
    groups = name_groups(512)
    for index, transformation in enumerate(TRANSFORMATIONS):
        base = transformation.bases[0].encode()[:512].decode(errors="ignore")
        together = {name for group in groups if group[0] == base for name in group}
        assert set(variants(index, base, 512)) <= together, transformation.title


# Ways to get a scan by prefix wrong: (prefix, name) -> would be listed.
Match = Callable[[str, str], bool]


def _like(prefix: str, name: str) -> bool:
    pattern = "".join({"%": ".*", "_": "."}.get(character, re.escape(character)) for character in prefix)
    return re.match(pattern, name, re.DOTALL) is not None


def _like_ignoring_case(prefix: str, name: str) -> bool:
    return prefix.lower() == name[: len(prefix)].lower()


def _like_with_escape(escape: str) -> Match:
    def match(prefix: str, name: str) -> bool:
        pattern, escaped = "", False
        for character in prefix:
            if escaped or character not in (escape, "%", "_"):
                pattern, escaped = pattern + re.escape(character), False
            elif character == escape:
                escaped = True
            else:
                pattern += re.escape(character)
        return re.match(pattern, name, re.DOTALL) is not None

    return match


def _glob(prefix: str, name: str) -> bool:
    return fnmatch.fnmatchcase(name, prefix + "*")


def _regular_expression(prefix: str, name: str) -> bool:
    try:
        return re.match(prefix, name) is not None
    except (re.error, OverflowError):
        return name.startswith(prefix)


def _range_below(bound: Callable[[str], str | None], order: Callable[[str], object] = str) -> Match:
    def match(prefix: str, name: str) -> bool:
        upper = bound(prefix)
        return order(prefix) <= order(name) and (upper is None or order(name) < order(upper))  # type: ignore[operator]

    return match


def _followed_by(bound: str) -> Callable[[str], str]:
    return lambda prefix: prefix + bound


def _prefix_cut(size: int) -> Match:
    return lambda prefix, name: name.startswith(prefix[:size])


def _name_cut(size: int) -> Match:
    return lambda prefix, name: name[:size].startswith(prefix)


def _successor(prefix: str) -> str | None:
    code = ord(prefix[-1]) + 1 if prefix else 0x110000
    return prefix[:-1] + chr(code) if code < 0x110000 and not 0xD800 <= code <= 0xDFFF else None


def _folded(fold: Callable[[str], str]) -> Match:
    return lambda prefix, name: fold(name).startswith(fold(prefix))


def _form(form: str) -> Callable[[str], str]:
    return lambda text: unicodedata.normalize(form, text)  # type: ignore[arg-type]


def _by_grapheme(prefix: str, name: str) -> bool:
    rest = name[len(prefix) :]
    return name.startswith(prefix) and not (rest and (unicodedata.combining(rest[0]) or rest[0] in "\u200d\ufe0f"))


# A character, and one that what is shown or normalised as one character goes on with.
_INSIDE_CLUSTERS = (
    ("\r", "\n"),
    ("👨", "\u200d"),
    ("👍", "🏽"),
    ("🇩", "🇪"),
    ("\u1100", "\u1161"),
    ("❤", "\ufe0f"),
    ("\u0915", "\u094d"),
)


def _inseparable(end: str, start: str) -> Match:
    def match(prefix: str, name: str) -> bool:
        return name.startswith(prefix) and not (prefix.endswith(end) and name[len(prefix) :].startswith(start))

    return match


def _utf_16(text: str) -> bytes:
    return text.encode("utf-16-be")


WRONG: dict[str, Match] = {
    "LIKE": _like,
    "LIKE that ignores case": _like_ignoring_case,
    **{f"LIKE with {escape!r} unescaped": _like_with_escape(escape) for escape in "\\!#"},
    "glob": _glob,
    "regular expression": _regular_expression,
    "only percent is a pattern": lambda prefix, name: (
        re.match(".*".join(map(re.escape, prefix.split("%"))), name, re.DOTALL) is not None
    ),
    "only asterisk is a pattern": lambda prefix, name: (
        re.match(".*".join(map(re.escape, prefix.split("*"))), name, re.DOTALL) is not None
    ),
    "only underscore is a pattern": lambda prefix, name: (
        re.match(".".join(map(re.escape, prefix.split("_"))), name, re.DOTALL) is not None
    ),
    "only question mark is a pattern": lambda prefix, name: (
        re.match(".".join(map(re.escape, prefix.split("?"))), name, re.DOTALL) is not None
    ),
    "only dot is a pattern": lambda prefix, name: (
        re.match(".".join(map(re.escape, prefix.split("."))), name, re.DOTALL) is not None
    ),
    "backslash escapes": lambda prefix, name: name.startswith(re.sub(r"\\(.)", r"\1", prefix)),
    "brackets are classes": lambda prefix, name: name.startswith(re.sub(r"\[([^\]^])\]", r"\1", prefix)),
    "dot does not match a newline": lambda prefix, name: re.match(re.escape(prefix) + ".*$", name) is not None,
    "contains": lambda prefix, name: prefix in name,
    "ends": lambda prefix, name: name.endswith(prefix),
    "equals": lambda prefix, name: prefix in ("", name),
    "longer only": lambda prefix, name: name.startswith(prefix) and (not prefix or name != prefix),
    "empty matches nothing": lambda prefix, name: bool(prefix) and name.startswith(prefix),
    "blank matches everything": lambda prefix, name: not prefix.strip() or name.startswith(prefix),
    "whole parts": lambda prefix, name: not prefix or name == prefix or name.startswith(prefix.rstrip("/") + "/"),
    "whole words": lambda prefix, name: not prefix or name.split()[:1] == prefix.split()[:1],
    "casefold": _folded(str.casefold),
    "upper": _folded(str.upper),
    **{form: _folded(_form(form)) for form in ("NFC", "NFD", "NFKC", "NFKD")},
    "strip": _folded(str.strip),
    "strip of the prefix": lambda prefix, name: name.startswith(prefix.strip()),
    "strip at the end of the prefix": lambda prefix, name: name.startswith(prefix.rstrip()),
    "trailing slash": lambda prefix, name: name.startswith(prefix.rstrip("/")),
    "trailing separator": lambda prefix, name: name.startswith(prefix.rstrip(":")),
    "until NUL": lambda prefix, name: name.startswith(prefix.partition("\0")[0]),
    "NUL ends names": lambda prefix, name: name.partition("\0")[0].startswith(prefix),
    "until newline": lambda prefix, name: name.startswith(prefix.partition("\n")[0]),
    "unquoted": lambda prefix, name: name.startswith(urllib.parse.unquote(prefix)),
    "plus as blank": lambda prefix, name: name.startswith(prefix.replace("+", " ")),
    "doubled quotes": lambda prefix, name: name.startswith(prefix.replace("''", "'")),
    "zero width": _folded(lambda text: text.replace("\u200b", "").replace("\ufeff", "")),
    "ASCII with question marks": _folded(lambda text: text.encode("ascii", "replace").decode()),
    "hidden": lambda prefix, name: name.startswith(prefix) and (not name.startswith(".") or prefix.startswith(".")),
    **{f"prefix cut at {size}": _prefix_cut(size) for size in (1, 8, 32, 63, 64, 100, 128, 255, 256, 511)},
    **{f"name cut at {size}": _name_cut(size) for size in (1, 8, 32, 63, 64, 128, 255, 511)},
    **{
        f"below prefix and {bound!a}": _range_below(_followed_by(bound))
        for bound in ("z", "~", "\x7f", "\xff", "\uffff", "\U0010ffff")
    },
    "below the successor, wrong at the end": _range_below(lambda prefix: _successor(prefix) or prefix + "z"),
    "below the successor, nothing at the end": _range_below(lambda prefix: _successor(prefix) or prefix),
    "up to the successor": lambda prefix, name: prefix <= name <= (_successor(prefix) or "\U0010ffff" * 999) if prefix else True,
    "no upper bound": _range_below(lambda prefix: None),
    "above the prefix": lambda prefix, name: name.startswith(prefix) and name > prefix,
    "UTF-16 below prefix and U+FFFF": _range_below(lambda prefix: prefix + "\uffff", _utf_16),
    "UTF-16 order, successor": _range_below(_successor, _utf_16),
    "bytes below prefix and FE": lambda prefix, name: prefix.encode() <= name.encode() < prefix.encode() + b"\xf3",
    "by letter and number": _folded(lambda text: re.sub(r"\W", "", text)),
    "graphemes": _by_grapheme,
    **{f"{end!a} and {start!a} are one": _inseparable(end, start) for end, start in _INSIDE_CLUSTERS},
    "locale order": _range_below(lambda prefix: prefix + "\uffff", lambda text: text.casefold()),
    "bytes, cut in the middle": lambda prefix, name: name.encode("utf-16-le").startswith(prefix.encode("utf-16-le")[:-2]),
    "astral characters lost": _folded(lambda text: "".join(character for character in text if character <= "\uffff")),
}


def _shown(match: Match, traps: Iterable[tuple[tuple[str, ...], tuple[str, ...]]]) -> list[tuple[str, str]]:
    return [
        (prefix, name)
        for names, prefixes in traps
        for prefix in prefixes
        for name in names
        if name.startswith(prefix) != match(prefix, name)
    ]


@pytest.mark.parametrize("match", WRONG.values(), ids=WRONG)
def test_the_traps_show_every_wrong_match_of_a_prefix_and_not_by_one_name_alone(match: Match) -> None:
    shown = _shown(match, prefix_traps(512))
    assert len({name for _, name in shown}) >= 2


def test_the_traps_show_nothing_wrong_in_a_right_match() -> None:
    assert _shown(lambda prefix, name: name[: len(prefix)] == prefix, prefix_traps(512)) == []


@pytest.mark.parametrize("max_name", _LIMITS)
def test_traps_are_legal_distinct_and_tell(max_name: int) -> None:
    traps = prefix_traps(max_name)
    for names, prefixes in traps:
        assert len(set(names)) == len(names) >= 2
        assert len(set(prefixes)) == len(prefixes) >= 1
        assert all(legal(name, max_name) for name in names)
        assert all(prefix == "" or legal(prefix, max_name) for prefix in prefixes)
    matching = [sum(name.startswith(prefix) for name in names) for names, prefixes in traps for prefix in prefixes]
    assert any(count == 0 for count in matching)
    assert sum(count >= 2 for count in matching) > len(matching) // 2
    all_prefixes = {prefix for _, prefixes in traps for prefix in prefixes}
    assert {"", "%", "_", "*", "\x7f", "\uffff", "\U0010ffff", "z\U0010ffff"} <= all_prefixes
    assert any(len(prefix.encode()) == max_name for prefix in all_prefixes)


def test_asking_again_gives_the_same_list() -> None:
    assert name_groups(100) == name_groups(100)
    sizes = [sum(map(len, name_groups(limit))) for limit in (64, 128, 256, 512)]
    assert all(few <= more for few, more in pairwise(sizes))
