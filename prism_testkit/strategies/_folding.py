"""Names that differ in case, in Unicode form, in width or in look."""

import unicodedata
from collections.abc import Iterator
from functools import cache
from typing import Literal

from prism_testkit.strategies._characters import MARKS

__all__ = ["accents", "case", "compatibility", "homoglyphs", "kana", "normal_forms"]

_SCRIPTS_WITH_CASE_OR_FORMS = (
    range(0x80, 0x3100),
    range(0x3130, 0x3400),
    range(0xA640, 0xAC00),
    range(0xF900, 0x10000),
    range(0x10400, 0x10600),
    range(0x1D400, 0x1D800),
    range(0x1F100, 0x1F200),
)
# Turkic casing depends on the locale, so no str method has it.
_LOCALE_CASE = {"i": "ıİ", "I": "ıİ", "ı": "iI", "İ": "iI"}
_HOMOGLYPHS = (
    ("aceopxyABEHKMOPTX", "асеорхуАВЕНКМОРТХ"),
    ("oABEHIKMNOPTXYZv", "οΑΒΕΗΙΚΜΝΟΡΤΧΥΖν"),
    ("ijsdlq", "іјѕԁӏԛ"),
    ("0O1lI5S8B2Z", "O0lI15S8BZ2"),
    ("'\"-. :/,;!?~", "’”–․\xa0꞉⁄‚;ǃ？∼"),
    ("'\"-./", "‘“—。∕"),
)
_LOOK_ALIKE_GROUPS = (("rn", "m"), ("vv", "w"), ("...", "…"), ("--", "—"), ("ae", "æ"), ("oe", "œ"), ("ss", "ß"), ("'", "´"))
# Composed and decomposed, marks in the other order, singleton, ligature, Hangul, CJK compatibility: each beside its other form.
_FORM_PAIRS = (
    *("\xe9", "e\u0301", "\u1e69", "s\u0307\u0323", "\u212b", "\xc5", "\ufb01", "fi", "\uac00", "\u1100\u1161"),
    *("\uf900", "\u8c48", "\u0958", "\u0915\u093c", "\u2126", "\u03a9", "\u0344", "\u0308\u0301", "\u1f71", "\u03ac"),
)
_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


@cache
def _same_case() -> dict[str, list[str]]:
    """Map the image of any case method to the characters that have it: ``k`` to ``K`` and the Kelvin sign."""
    images: dict[str, list[str]] = {}
    ascii_letters = [chr(code) for code in range(0x41, 0x7B)]
    others = [chr(code) for block in _SCRIPTS_WITH_CASE_OR_FORMS for code in block]
    for character in ascii_letters + others:
        for image in {character.lower(), character.upper(), character.casefold(), character.title()} - {character}:
            images.setdefault(image, []).append(character)
    return images


@cache
def _forms_by_kind() -> dict[str, dict[str, str]]:
    """Map each kind of decomposition (``<wide>``; empty for canonical) to {what it stands for: the first character for it}."""
    kinds: dict[str, dict[str, str]] = {}
    for block in _SCRIPTS_WITH_CASE_OR_FORMS:
        for character in map(chr, block):
            decomposition = unicodedata.decomposition(character)
            if decomposition:
                kind = decomposition.split()[0] if decomposition[0] == "<" else ""
                meaning = unicodedata.normalize("NFKD" if kind else "NFD", character)
                kinds.setdefault(kind, {}).setdefault(meaning, character)
    return kinds


def case(name: str, max_name: int) -> Iterator[str]:
    """Every folding of the whole name, of one letter, and each other letter that folds to the same."""
    yield from (name.upper(), name.lower(), name.swapcase(), name.title(), name.casefold())
    yield name[:1].swapcase() + name[1:]
    yield name[:-1] + name[-1:].swapcase()
    same = _same_case()
    seen: set[str] = set()
    for index, character in enumerate(name):
        if character not in seen and len(seen) < 8:
            seen.add(character)
            images = {character, character.lower(), character.upper(), character.casefold()}
            others = [other for image in sorted(images) for other in same.get(image, ())]
            for other in [*others, *_LOCALE_CASE.get(character, "")]:
                yield name[:index] + other + name[index + 1 :]
    for image, characters in _multiple(same, name):
        yield from (name.replace(image, character, 1) for character in characters)


def _multiple(same: dict[str, list[str]], name: str) -> Iterator[tuple[str, list[str]]]:
    """Yield the images of two or three letters, such as ``ss`` or ``ffi``, that are in the name."""
    for width in (2, 3):
        for start in range(min(len(name), 64) - width + 1):
            image = name[start : start + width]
            if image in same:
                yield image, same[image]


def normal_forms(name: str, max_name: int) -> Iterator[str]:
    """The four Unicode forms of the name, and of the name with characters that have different ones."""
    yield from (unicodedata.normalize(form, name) for form in _FORMS)
    yield from (name + ending for ending in _FORM_PAIRS)
    yield unicodedata.normalize("NFC", name + "\u0301")
    canonical = _forms_by_kind()[""]
    decomposed = unicodedata.normalize("NFD", name)
    yield "".join(canonical.get(character, character) for character in decomposed)


def compatibility(name: str, max_name: int) -> Iterator[str]:
    """The name with every character in full width, circled, superscript, bold: each kind that NFKC folds away."""
    for kind, forms in sorted(_forms_by_kind().items()):
        if kind:
            yield from _respelt(name, forms)


def _respelt(name: str, forms: dict[str, str]) -> Iterator[str]:
    singles = "".join(forms.get(character, character) for character in name)
    yield singles
    for width in (3, 2):
        for start in range(min(len(name), 64) - width + 1):
            form = forms.get(name[start : start + width])
            if form:
                yield name[:start] + form + name[start + width :]


def accents(name: str, max_name: int) -> Iterator[str]:
    """The name without its marks, with another mark on its first or last letter, with two marks in either order."""
    bare = "".join(character for character in unicodedata.normalize("NFD", name) if not unicodedata.combining(character))
    yield bare
    for mark in MARKS:
        yield bare + mark
    for mark in MARKS[:4]:
        yield unicodedata.normalize("NFC", bare[:1] + mark) + bare[1:]
    yield bare + "\u0323\u0307"
    yield bare + "\u0307\u0323"


def homoglyphs(name: str, max_name: int) -> Iterator[str]:
    """The name in letters of another script, or in signs, that look the same."""
    for latin, other in _HOMOGLYPHS:
        for table in (str.maketrans(latin, other), str.maketrans(other, latin)):
            yield name.translate(table)
        index = next((index for index, character in enumerate(name) if character in latin), None)
        if index is not None:
            yield name[:index] + other[latin.index(name[index])] + name[index + 1 :]
    for several, one in _LOOK_ALIKE_GROUPS:
        yield name.replace(several, one)
        yield name.replace(one, several)


def kana(name: str, max_name: int) -> Iterator[str]:
    """Hiragana for katakana and back, and digits of other scripts, which `int` reads alike."""
    yield "".join(chr(ord(c) + 0x60) if "ぁ" <= c <= "ゖ" else c for c in name)
    yield "".join(chr(ord(c) - 0x60) if "ァ" <= c <= "ヶ" else c for c in name)
    yield "".join(str(unicodedata.digit(c)) if unicodedata.category(c) == "Nd" else c for c in name)
    for zero in ("\u0660", "\u0966", "\uff10", "\U0001d7ce"):
        yield "".join(chr(ord(zero) + ord(c) - 48) if "0" <= c <= "9" else c for c in name)
