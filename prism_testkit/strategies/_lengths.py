"""Names that are long, that share a long part, or that a short digest takes for one another."""

from collections.abc import Iterator

from prism_testkit.strategies._characters import EXTREMES
from prism_testkit.strategies.ladders import rungs

__all__ = ["collisions", "cuts", "extensions", "fill", "flips", "orders", "permutations", "stretches"]

_FILLER = "".join(f"{number:03}" + "abcdefghijklmnopqrstuvwxyz"[number % 26] for number in range(1000))
# Equal under CRC-32 behind any common text (the checksum is affine), under FNV-1a 32, and under MD5 at the front of a name:
# Marc Stevens's single-block text collision, https://marc-stevens.nl/research/md5-1block-collision/
_CRC_32 = ("plumless", "buckeroo")
_FNV_1A = (("costarring", "liquid"), ("declinate", "macallums"))
_MD5 = tuple(f"TEXTCOLLBYfGiJUETHQ4h{letter}cKSMd5zYpgqf1YRDhkmxHkhPWptrkoyz28wnI9V0aHeAuaKnak" for letter in "AE")


def fill(start: str, size: int, character: str = "") -> str:
    """Return ``start`` continued to exactly ``size`` bytes of UTF-8, or ``start`` where that is as long.

    Without ``character`` the filler counts, so that no two stretches of it are alike.
    """
    missing = size - len(start.encode())
    if missing <= 0:
        return start
    if not character:
        return start + (_FILLER * (missing // len(_FILLER) + 1))[:missing]
    width = len(character.encode())
    return start + character * (missing // width) + "x" * (missing % width)


def _other(character: str) -> str:
    """Return a character of the same length in UTF-8 that is not this one."""
    code = ord(character)
    following = chr(code + 1) if code < 0x10FFFF and not 0xD7FF <= code + 1 <= 0xDFFF else chr(code - 1)
    same = len(following.encode()) == len(character.encode())
    return following if same else chr(code - 1)


def flips(name: str, max_name: int) -> Iterator[str]:
    """The name with one character changed: the last, the first, the middle, and those around every 2^k."""
    length = len(name)
    places = [length - 1, 0, length // 2, length - 2, length // 3, 2 * length // 3, *rungs(length - 1)]
    places += [length - 1 - place for place in rungs(length - 1)]
    for place in dict.fromkeys(place for place in places if 0 <= place < length):
        yield name[:place] + _other(name[place]) + name[place + 1 :]


def extensions(name: str, max_name: int) -> Iterator[str]:
    """Names next to this one: another letter, one more, one less, another number."""
    yield from (
        name[:-1] + _other(name[-1]),
        name + "a",
        name + "b",
        name + name[-1],
        name[:-1],
        name[1:],
        name[:-1] + chr(max(0, ord(name[-1]) - 1)),
    )
    yield from (name + "0", name + "1", name + "10", name + "2", name + name, name * 3, "a" + name, name + "s", f"{name} {name}")
    yield from (name[:length] for length in range(2, min(len(name), 8)))


def cuts(name: str, max_name: int) -> Iterator[str]:
    """The name cut at every 2^k and 2^k - 1, from either end, in characters and in bytes; and continued otherwise after that."""
    data = name.encode()
    for rung in rungs(len(name) - 1):
        yield name[:rung]
    for rung in rungs(len(data) - 1):
        yield data[:rung].decode(errors="ignore")
    yield from (name[-rung:] for rung in (1, 8, 16, 32, 64, 100, 128, 255, 256) if rung < len(name))
    yield from (name[: len(name) // 2] + "..." + name[-1:], name[: len(name) // 2] + "…", name[: len(name) // 2])


def stretches(name: str, max_name: int) -> Iterator[str]:
    """The name continued to every 2^k, 2^k - 1 and to the limit; there also with another end, so that a cut makes them one."""
    for rung in (*rungs(max_name), max_name - 1, max_name):
        yield fill(name, rung)
    longest = fill(name, max_name)
    yield from (longest[:-1] + "~", longest[:-2] + "~" + longest[-1:], fill("~" + name, max_name))
    for character in "a \x00.é中🍣":
        yield from (fill(name, max_name, character), fill(name, max_name // 2, character), fill(name, 65, character))
    if name[-1] != name[:1] or len(name) == 1:
        yield from (name * (max_name // len(name.encode())), name * 32, name * 33)


def permutations(name: str, max_name: int) -> Iterator[str]:
    """The same characters in another order or number: what sums, sets and words do not tell apart."""
    middle = len(name) // 2
    yield from (name[::-1], name[1:] + name[:1], name[-1:] + name[:-1], name[middle:] + name[:middle], "".join(sorted(name)))
    yield from ("".join(dict.fromkeys(name)), "".join(sorted(set(name))), name + name, name + name[::-1])
    for place in dict.fromkeys((0, middle - 1, middle, len(name) - 2)):
        if 0 <= place < len(name) - 1:
            yield name[:place] + name[place + 1] + name[place] + name[place + 2 :]
    yield from (f"ab{name}", f"ba{name}", f"{name}ab", f"{name}ba", f"{name} a b", f"{name} b a", f"{name}aab", f"{name}abb")
    words = name.split()
    yield from (" ".join(words[::-1]), " ".join(sorted(words)), f"the {name}", f"{name}s", f"{name}ing", f"{name}.")


def collisions(name: str, max_name: int) -> Iterator[str]:
    """Pairs that a well-known short hash takes for one: polynomials of 31 and 33, sums, Adler-32, CRC-32, FNV-1a, MD5."""
    for left, right in (("Aa", "BB"), ("Ab", "BA"), ("aaa", "b_b"), ("ad", "bc"), _CRC_32, *_FNV_1A):
        yield from (name + left, name + right)
    yield from (left + name for left in _CRC_32)
    yield from (text for pair in _FNV_1A for text in pair)
    yield from _CRC_32
    yield from (text + name[:8] for text in _MD5)
    yield from _MD5
    for place in dict.fromkeys((len(name) // 2, 0, len(name) - 2)):
        if 0 <= place < len(name) - 1:
            first, second = ord(name[place]), ord(name[place + 1])
            for factor in (31, 33, 37, 1):
                if second - factor >= 0x20 and first < 0x7E and second < 0x7F:
                    yield name[:place] + chr(first + 1) + chr(second - factor) + name[place + 2 :]


def orders(name: str, max_name: int) -> Iterator[str]:
    """Names that sort, by some order, just before, just behind, or far behind everything that begins with this one."""
    for character in EXTREMES:
        yield name + character
    for character in EXTREMES[-12:]:
        yield name[:-1] + character
    for character in ("\U0010ffff\U0010ffff", "\uffff\uffff", "zzz", "\x7f\x7f", "\uffff\U0010ffff", "\U0010fffda"):
        yield name + character
