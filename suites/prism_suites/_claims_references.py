"""Reads references to claims that it did not write: an implementation may put them into a header in any usual encoding."""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote_to_bytes

__all__ = ["behind", "damaged", "refers", "settles"]

_LAYERS = 3
"""Of encodings, one around the other: base64 of what zlib made of something in hexadecimal digits."""
_MOST_BYTES = 65_536
_DIGITS = re.compile("(?:[0-9a-f]{2}){8,}")
"""Of fewer than eight bytes the same may stand anywhere by chance."""
_FIELDS = re.compile(rb"[0-9A-Za-z+/_=-]{16,}")
"""Parts of a text that may be encoded on their own: behind a version, between dots as those of a token are."""


def refers(reference: str, name: str) -> bool:
    """Say whether a reference holds a name, or a checksum in hexadecimal digits: as it is, encoded, or the digits' bytes."""
    wanted = {name.encode()}
    if _DIGITS.fullmatch(name):
        wanted.add(bytes.fromhex(name))
    return any(form in told for told in _readings(reference) for form in wanted)


def settles(args: tuple[Any, ...], name: str) -> bool:
    """Say whether an ack, by its arguments, is one of a message that refers to a claim."""
    for arg in args:
        message = getattr(arg, "message", None) or getattr(arg, "record", None)
        if message is not None and any(refers(text, name) for text in message.headers.values()):
            return True
    return name in repr(args)


@lru_cache(maxsize=4096)
def _readings(reference: str) -> tuple[bytes, ...]:
    """Return the text, and whatever it may be an encoding of."""
    found = [reference.encode(errors="replace")]
    found += [part for part in _FIELDS.findall(found[0]) if part != found[0]]
    layer = found = [*found, *(part[1:] for part in found)]  # behind a letter that says how it is written
    for _ in range(_LAYERS):
        layer = [told for data in layer for told in _decoded(data) if told not in found]
        found = [*found, *layer]
    return tuple(found)


def _decoded(data: bytes) -> Iterator[bytes]:
    for decode in _DECODERS:
        try:
            told = decode(data)
        except (ValueError, zlib.error):  # binascii.Error is a ValueError
            continue  # it is not written in this one
        if told and told != data:
            yield told[:_MOST_BYTES]


def _base64(data: bytes) -> bytes:
    text = data.translate(bytes.maketrans(b"-_", b"+/")).rstrip(b"=")
    return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)


def _base32(data: bytes) -> bytes:
    text = data.rstrip(b"=")
    return base64.b32decode(text + b"=" * (-len(text) % 8), casefold=True)


def _inflated(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=47).decompress(data, _MOST_BYTES)  # of zlib and of gzip


def _zstd(data: bytes) -> bytes:
    if not data.startswith(b"\x28\xb5\x2f\xfd") or find_spec("zstandard") is None:
        return b""
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(data) as reader:
            return reader.read(_MOST_BYTES)
    except zstandard.ZstdError:
        return b""  # it only begins like one


_DECODERS: tuple[Callable[[bytes], bytes], ...] = (
    _base64,
    binascii.unhexlify,
    _base32,
    base64.b85decode,
    base64.a85decode,
    unquote_to_bytes,
    _inflated,
    _zstd,
)


def behind(text: str) -> tuple[bytes, Callable[[bytes], str]] | None:
    """Return the bytes that a reference is the base64 or the hexadecimal digits of, and how they are written again; else None."""
    for decode, encode in (
        (binascii.unhexlify, bytes.hex),
        (base64.b64decode, lambda data: base64.b64encode(data).decode()),
        (base64.urlsafe_b64decode, lambda data: base64.urlsafe_b64encode(data).decode()),
        (_base64, lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")),
    ):
        with suppress(ValueError):
            data = decode(text.encode())
            if data and encode(data) == text:
                return data, encode
    return None


def damaged(data: bytes) -> Iterator[bytes]:
    """Yield bytes that are nearly those: cut, longer, words in them others of the same length, what is around them another byte.

    So are fields of a binary format of another type, or missing, whatever the format.
    """
    yield from (b"", data[:-1], data[1:], data[: len(data) // 2], data + b"\0", data + data)
    around = bytearray(b"\1" * len(data))
    for run in _WORDS.finditer(data):
        around[run.start() : run.end()] = bytes(len(run[0]))
        yield data[: run.start()] + b"x" * len(run[0]) + data[run.end() :]
    places = [at for at, kept in enumerate(around) if kept][:_MOST_PLACES]
    yield from (data[:at] + bytes([byte]) + data[at + 1 :] for at in places for byte in (data[at] ^ 1, 0xC0, 0x7F))


_WORDS = re.compile(rb"[0-9A-Za-z:_./-]{3,}")
_MOST_PLACES = 24
