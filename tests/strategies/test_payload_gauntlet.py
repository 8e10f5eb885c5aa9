"""Every way in which a store may change a value, or take two for equal, must show in the fixed gauntlet."""

import base64
import binascii
import bz2
import gzip
import json
import lzma
import pickle
import unicodedata
import zlib
from collections.abc import Callable

import pytest

from prism_testkit.strategies.payloads import CHEAP, gauntlet_pairs, gauntlet_payloads, patterned, payload_partners

_SMALL = 70_000

Change = Callable[[bytes], object]


def _cut(size: int) -> Change:
    return lambda payload: payload[:size]


def _last(size: int) -> Change:
    return lambda payload: (len(payload), payload[-size:])


def _refusing(byte: int) -> Change:
    return lambda payload: None if byte in payload else payload


def _flip(place: int) -> Change:
    return lambda payload: payload[:place] + bytes([payload[place] ^ 1]) + payload[place + 1 :] if len(payload) > place else payload


def _tiled(size: int) -> Change:
    return lambda payload: (payload[:size] * (len(payload) // size + 1))[: len(payload)]


def _without_the_third(size: int) -> Change:
    return lambda payload: payload[: 2 * size] + payload[3 * size :]


def _blocks_swapped(size: int) -> Change:
    return lambda payload: payload[size : 2 * size] + payload[:size] + payload[2 * size :]


def _last_block_lost(size: int) -> Change:
    return lambda payload: payload[: len(payload) // size * size] if len(payload) > size else payload


def _padded(size: int) -> Change:
    return lambda payload: payload + b"\0" * (-len(payload) % size)


def _text(how: str, charset: str = "utf-8") -> Change:
    return lambda payload: payload.decode(charset, how).encode(charset, how)


def _normalised(payload: bytes) -> bytes:
    return unicodedata.normalize("NFC", payload.decode()).encode()


def _sized(size: int, shift: int) -> Change:
    return lambda payload: payload[: len(payload) % (1 << shift)] if len(payload) >= size else payload


CHANGES: dict[str, Change] = {
    **{
        f"cut at {size}": _cut(size)
        for size in (1, 2, 10, 63, 64, 100, 127, 150, 255, 256, 1000, 1024, 4095, 4096, 9000, 65535, 65536)
    },
    **{f"tiled by {size}": _tiled(size) for size in (1, 2, 8, 16, 64, 512, 1024, 4096, 8192, 32768)},
    **{f"third block of {size} lost": _without_the_third(size) for size in (1, 16, 100, 512, 1024, 4096, 8192, 16384)},
    **{f"blocks of {size} swapped": _blocks_swapped(size) for size in (1, 4, 16, 512, 1024, 4096, 8192, 16384)},
    **{f"last block of {size} lost": _last_block_lost(size) for size in (8, 100, 512, 4096, 8192)},
    **{f"padded to {size}": _padded(size) for size in (2, 4, 8, 16)},
    **{f"byte {place} changed": _flip(place) for place in (0, 1, 7, 64, 99, 500, 1000, 3333, 5000, 33333, 65000)},
    "length in 8 bits": _sized(0, 8),
    "length in 16 bits": _sized(0, 16),
    "strip": bytes.strip,
    "strip left": bytes.lstrip,
    "strip line end": lambda payload: payload.rstrip(b"\n"),
    "strip NUL": lambda payload: payload.rstrip(b"\0"),
    "strip blanks": lambda payload: payload.rstrip(b" "),
    "until NUL": lambda payload: payload.partition(b"\0")[0],
    "until newline": lambda payload: payload.partition(b"\n")[0],
    "until end of file": lambda payload: payload.partition(b"\x1a")[0],
    "NUL dropped": lambda payload: payload.replace(b"\0", b""),
    "carriage returns dropped": lambda payload: payload.replace(b"\r\n", b"\n"),
    "carriage returns added": lambda payload: payload.replace(b"\n", b"\r\n"),
    "dots stuffed": lambda payload: payload.replace(b"\r\n.", b"\r\n.."),
    "byte order mark dropped": lambda payload: payload.removeprefix(b"\xef\xbb\xbf"),
    "high bit lost": lambda payload: bytes(byte & 127 for byte in payload),
    "UTF-8 replaced": _text("replace"),
    "UTF-8 ignored": _text("ignore"),
    "UTF-8 surrogates": lambda payload: payload.decode("utf-8", "surrogatepass").encode("utf-8", "replace"),
    "UTF-16 ignored": _text("ignore", "utf-16-le"),
    "ASCII replaced": lambda payload: payload.decode("ascii", "replace").encode(),
    "Latin-1 as UTF-8": lambda payload: payload.decode("latin-1").encode(),
    "Windows-1252": lambda payload: payload.decode("cp1252", "replace").encode("cp1252", "replace"),
    "NFC": _normalised,
    "upper": bytes.upper,
    "falsy JSON is missing": lambda payload: json.loads(payload) or None,
    "JSON": lambda payload: json.dumps(json.loads(payload)).encode(),
    "number": lambda payload: str(int(payload)).encode(),
    "float": lambda payload: repr(float(payload)).encode(),
    "null": lambda payload: None if payload.lower() in (b"null", b"none", b"nil") else payload,
    "tombstone": lambda payload: None if b"tombstone" in payload or b"deleted" in payload else payload,
    "base64": lambda payload: base64.b64decode(payload, validate=True),
    "hex": binascii.unhexlify,
    "gunzip": gzip.decompress,
    "inflate": zlib.decompress,
    "unpickle": lambda payload: (
        pickle.dumps(pickle.loads(payload)) if payload[:1] == b"\x80" and len(payload) < 64 else payload
    ),  # ours
    "repr": lambda payload: payload if repr(payload) == f"b'{payload.decode('latin-1')}'" else repr(payload).encode(),
    "percent": lambda payload: payload.replace(b"%61", b"a"),
    "backslashes": lambda payload: payload.replace(b"\\\\", b"\\"),
    "quotes": lambda payload: payload.replace(b"''", b"'"),
    "quoted": lambda payload: payload.strip(b"'\""),
    "nil of RESP": lambda payload: None if payload.startswith(b"$-1") else payload,
    "hex of PostgreSQL": lambda payload: bytes.fromhex(payload[2:].decode()) if payload.startswith(b"\\x") else payload,
    "last byte lost": lambda payload: payload[:-1],
    **{
        f"unpacks {name} of over {least}": lambda payload, unpack=unpack, least=least: (
            unpack(payload) if len(payload) > least else payload
        )
        for name, unpack in {"zlib": zlib.decompress, "gzip": gzip.decompress, "bz2": bz2.decompress, "xz": lzma.decompress}.items()
        for least in (60, 250, 1024)
    },
    **{
        f"takes {magic!r} of over {least} for its own": lambda payload, magic=magic, least=least: (
            None if len(payload) > least and payload.startswith(magic) else payload
        )
        for magic in (b"x\x9c", b"\x1f\x8b", b"(\xb5/\xfd", b'\x04"M\x18', b"\x80\x04")
        for least in (60, 250, 1024)
    },
    "erased": lambda payload: payload.replace(b"\x08", b""),
    "escape sequences dropped": lambda payload: payload.replace(b"\x1b[0m", b""),
    **{f"byte {byte:#x} refused": _refusing(byte) for byte in (0, 1, 10, 0x7F, 0x80, 0xC0, 0xFF)},
}


def _changes(change: Change, payload: bytes) -> bool:
    try:
        return change(payload) != payload
    except (ValueError, OSError, EOFError, zlib.error, lzma.LZMAError, pickle.UnpicklingError, OverflowError):
        return False


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_gauntlet_shows_every_change_even_without_any_one_payload(change: Change) -> None:
    assert sum(_changes(change, payload) for payload in gauntlet_payloads(_SMALL)) >= 2


def test_the_gauntlet_has_the_empty_payload_that_a_store_may_take_for_none() -> None:
    assert next(gauntlet_payloads(1)) == b""


EQUALITIES: dict[str, Change] = {
    **{f"first {size}": _cut(size) for size in (1, 16, 63, 64, 100, 1024, 4096)},
    **{f"last {size}": _last(size) for size in (1, 16, 64, 1024, 4096)},
    "length": len,
    "both ends": lambda payload: (len(payload), payload[:16], payload[-16:]),
    "every other": lambda payload: (len(payload), payload[::2]),
    "sampled": lambda payload: (len(payload), payload[:: max(1, len(payload) // 32)]),
    "sum": sum,
    "bag": sorted,
    "8 bits of a CRC": lambda payload: zlib.crc32(payload) & 0xFF,
    "text": lambda payload: payload.decode(errors="replace"),
    "text without errors": lambda payload: payload.decode(errors="ignore"),
    "NFC": lambda payload: unicodedata.normalize("NFC", payload.decode(errors="replace")),
    "casefold": lambda payload: payload.decode("latin-1").casefold(),
    "strip": bytes.strip,
    "strip NUL": lambda payload: payload.rstrip(b"\0"),
    "PAD SPACE": lambda payload: payload.rstrip(b" "),
    "until NUL": lambda payload: payload.partition(b"\0")[0],
    "line ends": lambda payload: payload.replace(b"\r\n", b"\n"),
    "number": float,
    "integer": int,
    "JSON": lambda payload: repr(json.loads(payload)),
    "falsy": lambda payload: payload or b"0",
    "by CRC-32 and length": lambda payload: b"%d %d" % (zlib.crc32(payload), len(payload)),
    "by Adler-32 and length": lambda payload: b"%d %d" % (zlib.adler32(payload), len(payload)),
    "by the sum of the bytes and length": lambda payload: b"%d %d" % (sum(payload), len(payload)),
    "by the digests of its blocks": lambda payload: b"".join(sorted(payload[at : at + 8] for at in range(0, len(payload), 8))),
    "unquoted": lambda payload: payload.strip(b"'\""),
}


@pytest.mark.parametrize("equality", EQUALITIES.values(), ids=EQUALITIES)
def test_the_pairs_show_every_wrong_equality(equality: Change) -> None:
    def taken_for_equal(left: bytes, right: bytes) -> bool:
        try:
            return equality(left) == equality(right)
        except ValueError:
            return False

    shown = [(left, right) for left, right in gauntlet_pairs(_SMALL, most=CHEAP) if taken_for_equal(left, right)]
    assert len(shown) >= 2


@pytest.mark.parametrize("limit", [1, 2, 7, 100, 5000])
def test_payloads_and_pairs_keep_to_the_limit_and_are_distinct(limit: int) -> None:
    payloads = list(gauntlet_payloads(limit))
    assert len(set(payloads)) == len(payloads)
    assert {len(payload) for payload in payloads} >= {0, limit - 1, limit}
    assert max(map(len, payloads)) == limit
    assert {bytes([byte]) for byte in range(256)} < set(payloads)
    assert all(left != right and max(len(left), len(right)) <= limit for left, right in gauntlet_pairs(limit))
    assert list(gauntlet_payloads(limit)) == payloads


def test_the_longest_is_as_long_as_was_asked_for() -> None:
    assert max(map(len, gauntlet_payloads(1_000_000, most=CHEAP))) == CHEAP
    assert {99_999, 100_000, 100_001} <= {len(payload) for payload in gauntlet_payloads(1_000_000)}
    assert {3332, 3333, 3334} <= {len(payload) for payload in gauntlet_payloads(10_000, thresholds=[3333])}
    assert sum(len(payload) for payload in gauntlet_payloads(1_000_000, most=CHEAP)) < 300_000


def test_no_stretch_of_a_pattern_comes_twice() -> None:
    payload = patterned(200_000)
    stretches = {payload[place : place + 8] for place in range(len(payload) - 7)}
    assert len(stretches) == len(payload) - 7
    assert patterned(100) == payload[:100]
    assert patterned(100, seed=1) != payload[:100]
    assert len(zlib.compress(payload)) > 199_000


@pytest.mark.parametrize("payload", [b"", b"a", b"\x00", b"abc", b"\xff\xfe", b"1", patterned(5000)])
def test_partners_are_distinct_and_not_the_payload(payload: bytes) -> None:
    partners = payload_partners(payload, 5000)
    assert len(set(partners)) == len(partners) > 10
    assert payload not in partners
    assert all(len(partner) <= 5000 for partner in partners)
    assert payload_partners(payload, 5000) == partners


@pytest.mark.parametrize("size", [1, 2, 64, 1000, 4096])
def test_partners_differ_in_one_byte_at_the_end_front_and_middle(size: int) -> None:
    payload = patterned(size)
    single = [partner for partner in payload_partners(payload, size) if _distance(payload, partner) == 1]
    places = {next(place for place in range(size) if partner[place] != payload[place]) for partner in single}
    assert {0, size - 1, (size - 1) // 2} <= places


def _distance(left: bytes, right: bytes) -> int:
    return sum(one != other for one, other in zip(left, right, strict=True)) if len(left) == len(right) else -1
