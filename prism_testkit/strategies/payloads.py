"""Values that a store may change: cut, tile, trim, decode, compress, take for another. No Hypothesis here."""

import base64
import bz2
import gzip
import hashlib
import lzma
import pickle
import unicodedata
import zlib
from collections.abc import Iterable, Iterator
from typing import Literal

from prism_testkit.strategies._lookalikes import LOOKALIKES
from prism_testkit.strategies.ladders import rungs, sizes

__all__ = ["CHEAP", "WIDEST", "checksum_twins", "filled", "gauntlet_pairs", "gauntlet_payloads", "patterned", "payload_partners"]

CHEAP = 4200
"""Bytes: the longest value that programs write many times; just above a page of 4096."""
WIDEST = 2**23 + 1
"""Bytes: the longest value that is ever made, whatever the limit; just above 8 MiB, the longest chunk of a stream."""

_EVERY_BYTE = bytes(range(256))
_MAGIC = (b"x\x9c", b"x\x01", b"x\xda", b"\x1f\x8b\x08\x00", b"(\xb5/\xfd", b'\x04"M\x18', b"\xff\x06\x00\x00sNaPpY", b"PK\x03\x04")
"""How zlib (three levels), gzip, Zstandard, LZ4, Snappy and Zip begin."""
_FORMS: tuple[Literal["NFC", "NFD", "NFKC", "NFKD"], ...] = ("NFC", "NFD", "NFKC", "NFKD")


def patterned(size: int, seed: int = 0) -> bytes:
    """Return ``size`` bytes in which no two stretches are alike, so that no cut, repeat, swap or loss of a part goes unseen.

    It cannot be compressed, and a shorter one is a prefix of a longer one of the same seed: SHAKE-128, an extendable-output
    function (FIPS 202).
    """
    return hashlib.shake_128(b"prism" + seed.to_bytes(4, "big")).digest(size)


def gauntlet_payloads(max_payload: int, *, most: int | None = None, thresholds: Iterable[int] = ()) -> Iterator[bytes]:
    """Yield every payload of the gauntlet, each once, none over ``max_payload`` or `WIDEST`, in fixed order.

    First the empty one and every single byte, then look-alikes, then every size of the ladder: patterned, of one byte, and
    as text. ``most`` bounds the size further (`CHEAP` for what is repeated); else the limit and one below are among them.
    """
    limit = min(max_payload, WIDEST if most is None else most)
    seen: set[bytes] = set()
    for payload in _gauntlet(limit, thresholds):
        if len(payload) > limit:
            continue
        mark = payload if len(payload) < 64 else hashlib.sha256(payload).digest()
        if mark not in seen:
            seen.add(mark)
            yield payload


def _gauntlet(limit: int, thresholds: Iterable[int]) -> Iterator[bytes]:
    yield b""
    yield from (bytes([byte]) for byte in _EVERY_BYTE)
    yield from LOOKALIKES
    yield from (_EVERY_BYTE, _EVERY_BYTE[::-1], _EVERY_BYTE * 2)
    # Together, so that what is changed inside a value shows too: those that are text by themselves, so that decoding succeeds.
    yield from (b"".join(LOOKALIKES), b"\n".join(LOOKALIKES), b"x".join(payload for payload in LOOKALIKES if _is_text(payload)))
    for size in (300, 2000, 4000):  # who compresses, or tells by its first bytes what he did, may do so from some length on
        yield from _long_lookalikes(patterned(size))
    for size in sizes(limit, thresholds):
        yield patterned(size)
    for size in (size for size in sizes(min(limit, CHEAP), thresholds) if size > 16):
        yield from (filled(size, kind) for kind in range(4))
    for size in (limit,) if limit > CHEAP else ():
        yield from (
            b"\x00" * size,
            _fitting("🍣", size),
            b"\xff" * size,
            patterned(size - 1) + b"\x00",
            b"\n" + patterned(size - 1),
        )


def _long_lookalikes(noise: bytes) -> Iterator[bytes]:
    """Yield what is compressed, serialised or encoded, and what only begins so."""
    yield from (zlib.compress(noise), gzip.compress(noise, mtime=0), bz2.compress(noise), lzma.compress(noise))
    yield from (pickle.dumps(noise, 4), base64.b64encode(noise[: len(noise) // 2]), noise[: len(noise) // 2].hex().encode())
    yield from (zlib.compress(b"a" * len(noise)), gzip.compress(b"a" * len(noise), mtime=0))
    yield from (magic + noise for magic in _MAGIC)


def filled(size: int, kind: int) -> bytes:
    """Return ``size`` bytes that compress well: NULs, letters, blanks or text whose characters straddle even places."""
    return (b"\x00" * size, b"a" * size, b" " * size, _fitting("é", size) if size else b"")[kind % 4]


def _is_text(payload: bytes) -> bool:
    return payload.decode(errors="ignore").encode() == payload


def _fitting(character: str, size: int) -> bytes:
    """Return UTF-8 text of exactly ``size`` bytes; the characters stand at odd places, so that a cut at an even one splits one."""
    count, rest = divmod(size - 1, len(character.encode()))
    return ("x" + character * count + "x" * rest).encode()


def payload_partners(payload: bytes, max_payload: int) -> list[bytes]:
    """Return values that a store or a comparison may take for this one: distinct, without itself, in fixed order.

    One byte changed at the end, front, middle and around every 2^k; more or fewer bytes at either end; trimmed, folded,
    normalised or respelt where it is text.
    """
    candidates = dict.fromkeys(
        (*_flipped(payload), *checksum_twins(payload).values(), *_resized(payload), *_rearranged(payload), *_respelt(payload))
    )
    return [candidate for candidate in candidates if candidate != payload and len(candidate) <= max_payload]


def gauntlet_pairs(max_payload: int, *, most: int | None = None) -> Iterator[tuple[bytes, bytes]]:
    """Yield pairs of payloads that a compare-and-swap by digest, prefix, text or number takes for equal; none over the limit."""
    limit = min(max_payload, WIDEST if most is None else most)
    bases = (
        b"",
        b"a",
        b"1",
        b"abc",
        b" a ",
        "é".encode(),
        b"a\xffb",
        b"YQ==",
        b'{"a": 1}',
        b"a\nb",
        b"0",
        b"null",
        b"\x00",
        b"a\x00b",
    )
    for base in (*bases, *(patterned(size) for size in (64, 1025, 4097))):
        if len(base) <= limit:
            yield from ((base, partner) for partner in payload_partners(base, limit))
    if limit > CHEAP:
        longest = patterned(limit)
        yield from ((longest, changed) for changed in (*_changed_at(longest, (limit - 1, 0, limit // 2)), longest[:-1]))


def _changed_at(payload: bytes, places: Iterable[int]) -> Iterator[bytes]:
    for place in places:
        yield payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :]


def _flipped(payload: bytes) -> Iterator[bytes]:
    if payload:
        last = len(payload) - 1
        places = (last, 0, last // 2, last // 3, *rungs(last), *(last - rung for rung in rungs(last)))
        yield from _changed_at(payload, dict.fromkeys(places))
        yield from (bytes([payload[0] ^ 0x80]) + payload[1:], payload[:-1] + bytes([payload[-1] ^ 0x20]))


_SAME_CRC = bytes.fromhex("b1ec4627925b6edd01")
"""Added (exclusive or) to nine bytes anywhere it changes neither CRC-32 nor CRC-32C: the product of their polynomials."""


def checksum_twins(payload: bytes) -> dict[str, bytes]:
    """Return payloads of the same length that a short checksum takes for this one, by what they have in common, in fixed order.

    CRC-32 and CRC-32C, changed in the first and in the last bytes; Adler-32, Fletcher's and the sum of the bytes; the exclusive
    or of words of 32 and 64 bits; and the digests of blocks whose order is not asked, two of 4 KiB having changed places.
    """
    twins = {}
    for where, at in (("begin", 0), ("end", len(payload) - len(_SAME_CRC))) if len(payload) >= len(_SAME_CRC) else ():
        changed = bytes(one ^ other for one, other in zip(payload[at:], _SAME_CRC, strict=False))
        twins[f"CRC-32, where they {where}"] = payload[:at] + changed + payload[at + len(_SAME_CRC) :]
    for at in range(len(payload) - 2):
        first, second, third = payload[at : at + 3]
        if first < 255 and second > 1 and third < 255:
            twins["Adler-32"] = payload[:at] + bytes((first + 1, second - 2, third + 1)) + payload[at + 3 :]
            break
    for block in (8, 4096):
        if len(payload) >= 2 * block:
            twins[f"blocks of {block} bytes in another order"] = payload[block : 2 * block] + payload[:block] + payload[2 * block :]
    return twins


def _resized(payload: bytes) -> Iterator[bytes]:
    yield from (payload + end for end in (b"\x00", b"a", b"\n", b" ", b"\r\n", b"\x00\x00", b"0", b".", b"\xff"))
    yield from (front + payload for front in (b"\x00", b" ", b"0", b"\xef\xbb\xbf", b"\n", b"+"))
    yield from (payload[:-1], payload[1:], payload * 2, payload[: len(payload) // 2], b"")


def _rearranged(payload: bytes) -> Iterator[bytes]:
    middle = len(payload) // 2
    yield from (payload[::-1], payload[middle:] + payload[:middle], payload[1:] + payload[:1], bytes(sorted(payload)))
    if len(payload) > 4:
        yield payload[:middle] + payload[middle - 1 :]
        yield payload[:middle] + payload[middle + 1 :]


def _respelt(payload: bytes) -> Iterator[bytes]:
    yield from (payload.strip(), payload.rstrip(b"\x00"), payload.replace(b"\r\n", b"\n"), payload.replace(b"\n", b"\r\n"))
    yield from (payload.lower(), payload.upper(), payload.partition(b"\x00")[0], b'"' + payload + b'"', b"'" + payload + b"'")
    yield from (payload.replace(b" ", b""), payload + b".0", payload + b"e0", repr(payload).encode(), payload.hex().encode())
    yield from (payload.decode(errors=how).encode() for how in ("replace", "ignore", "backslashreplace"))
    yield from (payload.decode("latin-1").encode(), payload.replace(b"\xff", b"\xfe"))
    if len(payload) <= CHEAP:
        text = payload.decode(errors="replace")
        yield from (unicodedata.normalize(form, text).encode() for form in _FORMS)
        yield text.casefold().encode()
