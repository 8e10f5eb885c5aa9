"""Every way in which a store may take two names for one must show in the fixed gauntlet, and not only by one lucky name."""

import base64
import hashlib
import html
import json
import posixpath
import re
import unicodedata
import urllib.parse
import zlib
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable

import pytest

from prism_testkit.naming import hash_name
from prism_testkit.strategies.gauntlet import name_groups

Alias = Callable[[str], Hashable]

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_ZERO_WIDTH = re.compile("[\u200b-\u200f\u2060\ufeff\xad]")


def _cut_at(size: int) -> Alias:
    return lambda name: name[:size]


def _cut_bytes(size: int) -> Alias:
    return lambda name: name.encode()[:size]


def _cut_units(size: int) -> Alias:
    return lambda name: name.encode("utf-16-le")[: 2 * size]


def _until(mark: str) -> Alias:
    return lambda name: name.partition(mark)[0]


def _behind(mark: str) -> Alias:
    return lambda name: name.rpartition(mark)[2]


def _in(charset: str, errors: str) -> Alias:
    return lambda name: name.encode(charset, errors)


def _without(characters: str) -> Alias:
    return lambda name: name.translate(dict.fromkeys(map(ord, characters)))


def _form(form: str) -> Alias:
    return lambda name: unicodedata.normalize(form, name)  # type: ignore[arg-type]


def _polynomial(factor: int) -> Alias:
    def digest(name: str) -> int:
        value = 0
        for character in name:
            value = (value * factor + ord(character)) & 0xFFFFFFFF
        return value

    return digest


def _fnv_1a(name: str) -> int:
    value = 0x811C9DC5
    for byte in name.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


def _turkish(name: str) -> str:
    return name.replace("İ", "i").replace("I", "ı").lower()


def _c_locale_upper(name: str) -> str:
    return "".join(chr(ord(character) - 32) if "a" <= character <= "z" else character for character in name)


def _without_marks(name: str) -> str:
    return "".join(character for character in unicodedata.normalize("NFD", name) if not unicodedata.combining(character))


def _weight_of_the_basic_plane(name: str) -> str:
    return "".join(character if character <= "\uffff" else "\ufffd" for character in name)


def _digits_read(name: str) -> str:
    return re.sub(r"\d+", lambda match: str(int(match[0][:1000])), name)


def _windows_file(name: str) -> str:
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", name).rstrip(". ").lower()


def _sampled(name: str) -> tuple[int, str]:
    return len(name), name[:: max(1, len(name) >> 5)]


def _backspaced(name: str) -> str:
    kept: list[str] = []
    for character in name:
        if character in "\x08\x7f":
            del kept[-1:]
        else:
            kept.append(character)
    return "".join(kept)


def _kana(name: str) -> str:
    return "".join(chr(ord(character) + 0x60) if "ぁ" <= character <= "ゖ" else character for character in name)


def _last_line(name: str) -> str:
    return name.splitlines()[-1] if name.splitlines() else name


ALIASES: dict[str, Alias] = {
    "casefold": str.casefold,
    "lower": str.lower,
    "upper": str.upper,
    "C locale upper": _c_locale_upper,
    "Turkish lower": _turkish,
    "title": str.title,
    "first letter's case": lambda name: name[:1].lower() + name[1:],
    "NFC": _form("NFC"),
    "NFD": _form("NFD"),
    "NFKC": _form("NFKC"),
    "NFKD": _form("NFKD"),
    "accents dropped": _without_marks,
    "NFKC and casefold": lambda name: unicodedata.normalize("NFKC", name).casefold(),
    "Windows file": _windows_file,
    "kana": _kana,
    "strip": str.strip,
    "strip left": str.lstrip,
    "strip right": str.rstrip,
    "strip blanks of ASCII": lambda name: name.strip(" "),
    "strip line ends": lambda name: name.rstrip("\r\n"),
    "PAD SPACE": lambda name: name.ljust(600),
    "collapse blanks": lambda name: " ".join(name.split()),
    "NBSP is a blank": lambda name: name.replace("\xa0", " "),
    "tabs expanded": str.expandtabs,
    "zero width dropped": lambda name: _ZERO_WIDTH.sub("", name),
    "byte order mark dropped": lambda name: name.removeprefix("\ufeff"),
    "controls dropped": lambda name: _CONTROLS.sub("", name),
    "controls as blanks": lambda name: _CONTROLS.sub(" ", name),
    "control characters erase": _backspaced,
    "escape sequences dropped": lambda name: re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", name),
    "bidi marks dropped": _without("\u200e\u200f\u202a\u202e\u2066\u2069\u061c"),
    "variation selectors dropped": _without("\ufe0e\ufe0f\U000e0100"),
    "unassigned dropped": lambda name: "".join(c for c in name if unicodedata.category(c) != "Cn"),
    "private dropped": lambda name: "".join(c for c in name if unicodedata.category(c) != "Co"),
    "format characters dropped": lambda name: "".join(c for c in name if unicodedata.category(c) != "Cf"),
    "symbols dropped": lambda name: "".join(c for c in name if unicodedata.category(c)[0] != "S"),
    "punctuation dropped": lambda name: "".join(c for c in name if unicodedata.category(c)[0] != "P"),
    "only letters and digits": lambda name: "".join(filter(str.isalnum, name)),
    "others as underscore": lambda name: re.sub(r"\W", "_", name),
    "slug": lambda name: re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-"),
    "until NUL": _until("\0"),
    "behind NUL": _behind("\0"),
    "NUL dropped": _without("\0"),
    "NUL as blank": lambda name: name.replace("\0", " "),
    "until newline": _until("\n"),
    "until carriage return": _until("\r"),
    "last line": _last_line,
    "universal newlines": lambda name: re.sub("\r\n|\r", "\n", name),
    "line separators": lambda name: "\n".join(name.splitlines()),
    "until blank": _until(" "),
    "until tab": _until("\t"),
    "until colon": _until(":"),
    "behind colon": _behind(":"),
    "until slash": _until("/"),
    "behind slash": _behind("/"),
    "until dot": _until("."),
    "without extension": lambda name: posixpath.splitext(name)[0],
    "until number sign": _until("#"),
    "until question mark": _until("?"),
    "until semicolon": _until(";"),
    "until comma": _until(","),
    "until equals": _until("="),
    "until ampersand": _until("&"),
    "until at": _until("@"),
    "until SQL comment": _until("--"),
    "until quote": _until("'"),
    "until unit separator": _until("\x1f"),
    "until end of file": _until("\x1a"),
    "separators alike": lambda name: re.sub(r"[:/.|_-]", ":", name),
    "backslash as slash": lambda name: name.replace("\\", "/"),
    "trailing slash": lambda name: name.rstrip("/"),
    "leading slash": lambda name: name.lstrip("/"),
    "double slash": lambda name: re.sub("/+", "/", name),
    "normal path": posixpath.normpath,
    "path from the root": lambda name: posixpath.normpath("/" + name),
    "trailing dot": lambda name: name.rstrip("."),
    "parts sorted": lambda name: sorted(name.split(":")).__repr__(),
    "empty parts dropped": lambda name: tuple(part for part in re.split("[:/]", name) if part),
    "joined without separator": lambda name: name.replace(":", ""),
    "unquote": urllib.parse.unquote,
    "unquote plus": urllib.parse.unquote_plus,
    "plus as blank": lambda name: name.replace("+", " "),
    "unquote twice": lambda name: urllib.parse.unquote(urllib.parse.unquote(name)),
    "unquote slashes": lambda name: re.sub("%2f", "/", name, flags=re.IGNORECASE),
    "URL case of escapes": lambda name: re.sub("%..", lambda match: match[0].upper(), name),
    "URL path": lambda name: urllib.parse.urlsplit(name).path,
    "HTML": html.unescape,
    "tags dropped": lambda name: re.sub("<[^>]*>", "", name),
    "backslash dropped": _without("\\"),
    "backslash escapes": lambda name: name.replace("\\n", "\n").replace("\\0", "\0").replace("\\\\", "\\"),
    "doubled quotes": lambda name: name.replace("''", "'"),
    "doubled percent": lambda name: name.replace("%%", "%"),
    "quotes dropped": _without("'\"`"),
    "unquoted": lambda name: name.strip("'\""),
    "brackets dropped": _without("[]{}()<>"),
    "JSON": lambda name: repr(json.loads(name)),
    "JSON string": lambda name: str(json.loads(name)),
    "number": float,
    "integer": int,
    "integer of any base": lambda name: int(name, 0),
    "number of 32 bits": lambda name: int(name) & 0xFFFFFFFF,
    "float": lambda name: float(int(name)) if abs(int(name)) > 1 else name,
    "digits of any script": lambda name: "".join(str(unicodedata.decimal(c, c)) for c in name),
    "numbers within": _digits_read,
    "leading zeros": lambda name: name.lstrip("0") or "0",
    "null": lambda name: None if name in ("null", "None", "nil", "NULL", "undefined", "") else name,
    "truth": lambda name: name.lower() in ("1", "true", "yes", "on", "t", "y") or name,
    "falsehood": lambda name: name.lower() not in ("0", "false", "no", "off", "n", "f") and name,
    "base64": lambda name: base64.b64decode(name, validate=True).decode(),
    "hex": lambda name: bytes.fromhex(name).decode(),
    "own digest": lambda name: name if len(name) == 40 else hash_name(name.encode()),
    "MD5 spelt": lambda name: name if re.fullmatch("[0-9a-f]{32}", name) else hashlib.md5(name.encode()).hexdigest(),
    "ASCII only": _in("ascii", "ignore"),
    "ASCII with question marks": _in("ascii", "replace"),
    "Latin-1 with question marks": _in("latin-1", "replace"),
    "Latin-1 only": _in("latin-1", "ignore"),
    "Windows-1252 with question marks": _in("cp1252", "replace"),
    "Shift JIS with question marks": _in("shift_jis", "replace"),
    "read as Latin-1": lambda name: name.encode("latin-1").decode(),
    "XML references": _in("ascii", "xmlcharrefreplace"),
    "backslash references": _in("ascii", "backslashreplace"),
    "basic plane with replacement": _weight_of_the_basic_plane,
    "basic plane only": lambda name: "".join(c for c in name if c <= "\uffff"),
    "low 7 bits": lambda name: bytes(ord(character) & 127 for character in name),
    "low byte": lambda name: bytes(ord(character) & 255 for character in name),
    "low 16 bits": lambda name: tuple(ord(character) & 0xFFFF for character in name),
    "UTF-7": lambda name: name.encode("ascii").decode("utf-7"),
    "first character": _cut_at(1),
    "last character": lambda name: name[-1:],
    **{f"cut at {size}": _cut_at(size) for size in (2, 8, 16, 31, 32, 63)},
    **{f"cut at {size} bytes": _cut_bytes(size) for size in (2, 7, 30, 32, 63)},
    "keeps the last 32": lambda name: name[-32:],
    "keeps 16 at both ends": lambda name: (len(name), name[:16], name[-16:]),
    "without the first": lambda name: name[1:],
    "without the last": lambda name: name[:-1],
    "every other": lambda name: name[::2],
    "sampled": _sampled,
    "reversed or not": lambda name: min(name, name[::-1]),
    "sum": lambda name: sum(map(ord, name)),
    "set of characters": frozenset,
    "bag of characters": lambda name: "".join(sorted(name)),
    "bag of words": lambda name: frozenset(name.split()),
    "stem": lambda name: name.rstrip("s"),
    "runs": lambda name: re.sub(r"(.)\1+", r"\1", name),
    "length": len,
    "polynomial of 31": _polynomial(31),
    "polynomial of 33": _polynomial(33),
    "CRC-32": lambda name: zlib.crc32(name.encode()),
    "Adler-32": lambda name: zlib.adler32(name.encode()),
    "FNV-1a": _fnv_1a,
    "suffix of bookkeeping": lambda name: re.sub(r"(:ttl|:lock|\.meta|\.tmp)$", "", name),
    "underscores in front": lambda name: name.lstrip("_"),
    "formatted": lambda name: name.replace("{}", "").replace("%s", ""),
    "hash tag": lambda name: (re.search(r"\{(.+?)\}", name) or [0, name])[1],
}
LONG_ALIASES: dict[str, Alias] = {
    **{f"cut at {size}": _cut_at(size) for size in (64, 100, 127, 128, 200, 254, 255, 256, 333, 500, 510, 511)},
    **{f"cut at {size} bytes": _cut_bytes(size) for size in (64, 191, 255, 256, 500, 511)},
    **{f"cut at {size} units of UTF-16": _cut_units(size) for size in (64, 127, 255)},
    "keeps the last 64": lambda name: name[-64:],
    "keeps 100 at both ends": lambda name: (len(name), name[:100], name[-100:]),
    "misses the middle byte": lambda name: name[: len(name) // 2] + name[len(name) // 2 + 1 :],
    "MD5": lambda name: hashlib.md5(name.encode()).digest(),
    "two halves, sorted": lambda name: sorted((name[: len(name) // 2], name[len(name) // 2 :])).__repr__(),
}


def _aliased(alias: Alias, groups: Iterable[tuple[str, ...]]) -> list[tuple[int, list[str]]]:
    """Return (number of the group, names that are one) wherever the alias takes different names for one.

    What the alias cannot read it leaves as it is, as a lenient store does.
    """
    found = []
    for number, group in enumerate(groups):
        images: defaultdict[Hashable, list[str]] = defaultdict(list)
        for name in group:
            try:
                image = alias(name)
            except (ValueError, OverflowError):
                image = name
            images[image].append(name)
        found += [(number, names) for names in images.values() if len(names) > 1]
    return found


def _assert_seen_without_any_one_name(alias: Alias, max_name: int) -> None:
    found = _aliased(alias, name_groups(max_name))
    assert found, "no group holds two different names that this takes for one"
    pairs = [set(names) if len(names) == 2 else set() for _, names in found]
    assert not set.intersection(*pairs), f"without one of {set.intersection(*pairs)} it would go unseen"


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
@pytest.mark.parametrize("max_name", [64, 512])
def test_the_gauntlet_shows_every_alias_even_without_any_one_of_its_names(alias: Alias, max_name: int) -> None:
    _assert_seen_without_any_one_name(alias, max_name)


@pytest.mark.parametrize("alias", LONG_ALIASES.values(), ids=LONG_ALIASES)
def test_the_gauntlet_shows_every_alias_of_long_names(alias: Alias) -> None:
    assert _aliased(alias, name_groups(512)), "no group holds two different names that this takes for one"


@pytest.mark.parametrize("max_name", [64, 512])
def test_a_digest_of_16_bits_shows_when_all_names_are_there_together(max_name: int) -> None:
    together = tuple(dict.fromkeys(name for group in name_groups(max_name) for name in group))
    assert len(_aliased(lambda name: hashlib.sha256(name.encode()).digest()[:2], [together])) > 5
