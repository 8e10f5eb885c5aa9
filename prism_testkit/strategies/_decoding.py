"""From a few drawn bytes to a name, a universe, a prefix, a payload: pure functions, zeros giving the plainest.

One short draw and a table look-up are quicker than a tree of strategies, and draws of a fixed length leave next to nothing to
the constants that Hypothesis collects from whatever modules happen to be imported.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import chain

from prism_testkit.strategies._characters import EXTREMES, INVISIBLES, RIVALS
from prism_testkit.strategies._lengths import fill
from prism_testkit.strategies._respelling import WORDS
from prism_testkit.strategies.gauntlet import fitted
from prism_testkit.strategies.ladders import sizes
from prism_testkit.strategies.payloads import CHEAP, filled, gauntlet_payloads, patterned, payload_partners
from prism_testkit.strategies.transformations import TRANSFORMATIONS, legal, variants

__all__ = ["CODE", "bases", "name_of", "payload_of", "payloads_of", "prefix_of", "universe_of"]

CODE = 12
"""Bytes drawn for one name or payload."""

_ODD = EXTREMES + INVISIBLES + "".join(RIVALS)
_PLAIN = ("a", "b", "ab", "A", "1", "a:b", "a/b", "abc", "key", "user:1", "0", "a b", "é", "🍣")


@lru_cache(maxsize=8)
def bases(max_name: int) -> tuple[str, ...]:
    """Return the names to start from, distinct and legal: plain, then those of the transformations, words and long ones."""
    named = [fitted(base, max_name) for transformation in TRANSFORMATIONS for base in transformation.bases]
    words = [word for family in WORDS for word in family[:4]]
    long = [
        fill(start, size, character) for size in (max_name, max_name - 1, 255, 65) for start, character in (("a", ""), ("", "é"))
    ]
    return tuple(name for name in dict.fromkeys((*_PLAIN, *named, *words, *long)) if legal(name, max_name))


def _base_of(code: bytes, max_name: int) -> str:
    """Three of four times one of the `bases`, else text of one to three characters, any at all."""
    if code[4] >= 192:
        return _spelt(code[5:])
    known = bases(max_name)
    return known[(code[5] << 8 | code[6]) % len(known) if code[4] >= 64 else code[6] % len(_PLAIN)]


def _spelt(code: bytes) -> str:
    length = 1 + code[0] % ((len(code) - 1) // 2)
    return "".join(_character(code[place], code[place + 1]) for place in range(1, 2 * length, 2))


def _character(kind: int, value: int) -> str:
    if kind < 96:
        return chr(97 + value % 26)
    if kind < 160:
        return chr(value)
    if kind < 208:
        return _ODD[(kind * 256 + value) % len(_ODD)]
    code = ((kind - 208) * 256 + value) * 91 % 0x110000
    return chr(code) if not 0xD800 <= code <= 0xDFFF else chr(code - 0x800)


def _partners_of(name: str, kind: int, index: int, max_name: int) -> Iterator[str]:
    """Yield the partner that kind and index point at, then those behind it, then those of the transformations behind."""
    for step in range(len(TRANSFORMATIONS)):
        found = variants((kind + step) % len(TRANSFORMATIONS), name, max_name)
        start = index % len(found) if found else 0
        yield from found[start:]
        yield from found[:start]


def _index(code: bytes) -> int:
    return code[2] << 8 | code[3]


def name_of(code: bytes, max_name: int) -> str:
    """Return a name: half of the time a base, else a partner of one."""
    base = _base_of(code, max_name)
    return base if code[0] < 128 else next(_partners_of(base, code[1], _index(code), max_name), base)


def universe_of(codes: Sequence[bytes], max_name: int) -> tuple[str, ...]:
    """Return as many distinct names as there are codes: a base, then partners of names already there, or further bases.

    The first code picks a transformation for the whole universe; about half of the names are made by it, so that both
    names of a pair meet.
    """
    names: list[str] = []
    made = (0, 0, 0)
    for code in codes:
        if names and code[0] < 224:
            made = _making(code, codes[0][1], len(names), made)
            parent, kind, index = made
            candidates: Iterator[str] = _partners_of(names[parent], kind, index, max_name)
        else:
            base = _themed_base(code, max_name)
            candidates = chain([base], _partners_of(base, code[1], _index(code), max_name))
        names.append(next(candidate for candidate in candidates if candidate not in names))
    return tuple(names)


def _making(code: bytes, theme: int, known: int, before: tuple[int, int, int]) -> tuple[int, int, int]:
    """Return (parent, transformation, index) of the next name: often the neighbour of the one made before, or of the theme."""
    if known > 1 and code[6] >= 176:
        parent, kind, index = before
        return parent, kind, index + 1
    return code[0] % known, theme if code[5] < 128 else code[1], _index(code)


def _themed_base(code: bytes, max_name: int) -> str:
    """A base of the transformation that the code names, one time of two."""
    own = TRANSFORMATIONS[code[1] % len(TRANSFORMATIONS)].bases
    if 64 <= code[4] < 192:
        return fitted(own[code[6] % len(own)], max_name)
    return _base_of(code, max_name)


def prefix_of(universe: Sequence[str], code: bytes, max_name: int) -> str:
    """Return a prefix to scan a universe with: empty, a name, its beginning, a partner of either, or another name."""
    kind = code[0] % 8
    name = universe[code[4] % len(universe)] if universe else _base_of(code, max_name)
    if kind == 0:
        return ""
    if kind == 1:
        return name
    start = name[: 1 + (code[5] << 8 | code[6]) % len(name)]
    if kind <= 4:
        return start
    if kind == 7:
        return name_of(code[1:] + b"\x00", max_name)
    return next(_partners_of(start if kind == 5 else name, code[1], _index(code), max_name), start)


@lru_cache(maxsize=8)
def _small(max_payload: int) -> tuple[bytes, ...]:
    """Return the payloads of the gauntlet that are not there for their size."""
    return tuple(payload for payload in gauntlet_payloads(max_payload, most=CHEAP) if len(payload) <= 64)


@lru_cache(maxsize=8)
def _sizes(max_payload: int) -> tuple[int, ...]:
    return tuple(sizes(min(max_payload, CHEAP)))


@lru_cache(maxsize=1024)
def _payload_partners(payload: bytes, max_payload: int) -> tuple[bytes, ...]:
    return tuple(payload_partners(payload, max_payload))


def payload_of(code: bytes, max_payload: int) -> bytes:
    """Return a payload of at most `CHEAP` bytes: the bytes of the code themselves, a look-alike, or one of a telling size."""
    if code[0] < 96:
        return code[2 : 2 + min(code[1] % (CODE - 1), max_payload)]
    if code[0] < 176:
        small = _small(max_payload)
        return small[(code[1] << 8 | code[2]) % len(small)]
    ladder = _sizes(max_payload)
    size = ladder[code[1] % len(ladder)]
    return patterned(size) if code[2] < 160 else filled(size, code[2])


def payloads_of(codes: Sequence[bytes], max_payload: int) -> tuple[bytes, ...]:
    """Return as many distinct payloads as there are codes: any one, then partners of those already there, or others."""
    payloads: list[bytes] = []
    for code in codes:
        candidates: tuple[bytes, ...] = (payload_of(code[1:] + b"\x00", max_payload),)
        if payloads and code[0] % 4 < 3:
            found = _payload_partners(payloads[code[0] // 4 % len(payloads)], max_payload)
            start = code[1] % len(found)
            candidates = (*found[start:], *found[:start])
        payloads.append(next(other for other in (*candidates, *_small(max_payload)) if other not in payloads))
    return tuple(payloads)
