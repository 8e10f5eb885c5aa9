"""Argument checks that every driver needs, and names that a store can hold.

A driver calls these first, so that a refusal comes before any effect::

    async def set(self, key, value):
        check_name(key, "set", "acme")
        data = check_payload(value, "set", "acme", key)
"""

import base64
import hashlib
import math
from collections.abc import Mapping

from prism_testkit.interfaces.errors import InvalidName, PayloadTooLarge
from prism_testkit.traits import Limits

__all__ = [
    "HEADERS_BYTES",
    "HEADER_NAME_BYTES",
    "METADATA_BYTES",
    "check_attributes",
    "check_headers",
    "check_limit",
    "check_name",
    "check_pattern",
    "check_payload",
    "check_prefix",
    "check_seconds",
    "check_timeout",
    "decode_name",
    "encode_name",
    "hash_name",
]

HEADERS_BYTES = 8 * 1024
"""All headers of a message: the bytes of names and values in UTF-8, added up."""
METADATA_BYTES = 1024
"""All user metadata of an object, counted the same way."""
HEADER_NAME_BYTES = 512

_DEFAULTS = Limits()
_ALPHABET = "0123456789abcdefghijklmnopqrstuv"


def check_name(name: str, operation: str, backend: str, limits: Limits = _DEFAULTS) -> bytes:
    """Return the UTF-8 bytes of a legal name; raise `InvalidName` for an empty, over-long or surrogate-holding one."""
    if name == "":
        raise InvalidName(f"{backend}: {operation}: the name is empty; a name has 1 to {limits.max_name} bytes in UTF-8")
    return check_prefix(name, operation, backend, limits)


def check_prefix(prefix: str, operation: str, backend: str, limits: Limits = _DEFAULTS) -> bytes:
    """Like `check_name`, but the empty prefix is legal."""
    if not isinstance(prefix, str):
        raise TypeError(f"{backend}: {operation}: a name is str, not {type(prefix).__name__}")
    try:
        data = prefix.encode()
    except UnicodeEncodeError as error:
        raise InvalidName(f"{backend}: {operation}: the name {prefix[:40]!a} holds a surrogate at {error.start}") from error
    if len(data) > limits.max_name:
        raise InvalidName(
            f"{backend}: {operation}: the name {prefix[:40]!a}... has {len(data)} bytes in UTF-8, the limit is {limits.max_name}"
        )
    return data


def check_payload(
    payload: bytes | bytearray | memoryview, operation: str, backend: str, name: str, limits: Limits = _DEFAULTS
) -> bytes:
    """Return a private copy as bytes; raise `PayloadTooLarge` over the limit and ``TypeError`` for what is not bytes-like."""
    if not isinstance(payload, bytes | bytearray | memoryview):
        raise TypeError(f"{backend}: {operation} {name[:40]!a}: a value is bytes, not {type(payload).__name__}")
    data = bytes(payload)
    if len(data) > limits.max_payload:
        raise PayloadTooLarge(f"{backend}: {operation} {name[:40]!a}: {len(data)} bytes, the limit is {limits.max_payload}")
    return data


def check_seconds(seconds: float, operation: str, backend: str) -> float:
    """Return the duration; raise ``ValueError`` for NaN and infinities."""
    if not math.isfinite(seconds):
        raise ValueError(f"{backend}: {operation}: {seconds!r} is not a finite number of seconds")
    return +seconds  # of a plain class: clients write the representation of others into what they send


def check_timeout(timeout_s: float, operation: str, backend: str) -> float:
    """Return how long to wait, at least 0; raise ``ValueError`` for NaN and infinities."""
    return max(0.0, check_seconds(timeout_s, operation, backend))


def check_headers(headers: Mapping[str, str] | None, operation: str, backend: str, room: int = HEADERS_BYTES) -> dict[str, str]:
    """Return a private copy; None is none.

    Raises ``TypeError`` for what is no mapping of str to str, `InvalidName` for a name that is empty, over 512 bytes or holds a
    surrogate, ``ValueError`` for a value that holds one, `PayloadTooLarge` if all of it is over ``room`` bytes.
    """
    if headers is None:
        return {}
    if not isinstance(headers, Mapping):
        raise TypeError(f"{backend}: {operation}: headers are a mapping, not {type(headers).__name__}")
    names = Limits(max_name=HEADER_NAME_BYTES)
    copy: dict[str, str] = {}
    size = 0
    for name, value in headers.items():
        size += len(check_name(name, f"{operation}: header", backend, names))
        if not isinstance(value, str):
            raise TypeError(f"{backend}: {operation}: the value of header {name[:40]!a} is str, not {type(value).__name__}")
        try:
            size += len(value.encode())
        except UnicodeEncodeError as error:
            raise ValueError(f"{backend}: {operation}: the value of header {name[:40]!a} holds a surrogate") from error
        copy[name] = value
    if size > room:
        raise PayloadTooLarge(f"{backend}: {operation}: headers of {size} bytes, the limit is {room} in all")
    return copy


def check_attributes(attributes: Mapping[str, str], operation: str, backend: str) -> dict[str, str]:
    """Return a private copy of what headers have to hold: refused as `check_headers` does, and None with ``TypeError``."""
    if attributes is None:
        raise TypeError(f"{backend}: {operation}: attributes are a mapping, not None; an empty one asks for nothing")
    return check_headers(attributes, operation, backend)


def check_pattern(pattern: str, operation: str, backend: str, limits: Limits = _DEFAULTS) -> tuple[str, ...]:
    """Return the tokens of a pattern of topics; raise `InvalidName` as `check_name` does, and for ``>`` before the last token."""
    check_name(pattern, operation, backend, limits)
    tokens = tuple(pattern.split("."))
    if ">" in tokens[:-1]:
        raise InvalidName(f"{backend}: {operation}: the pattern {pattern[:40]!a} has a token '>' that is not the last")
    return tokens


def check_limit(limit: int | None, operation: str, backend: str) -> int | None:
    """Return the limit; raise ``ValueError`` for a negative one and ``TypeError`` for what is no whole number."""
    if limit is not None and not isinstance(limit, int):
        raise TypeError(f"{backend}: {operation}: a limit is int or None, not {type(limit).__name__}")
    if limit is not None and limit < 0:
        raise ValueError(f"{backend}: {operation}: limit={limit} is negative; None means no limit")
    return limit if limit is None else int(limit)


def encode_name(name: bytes) -> str:
    """Encode any bytes in ``0-9a-v`` (base32hex, lower case, unpadded): reversible, and the order of bytes is kept."""
    return base64.b32hexencode(name).decode().rstrip("=").lower()


def decode_name(text: str) -> bytes:
    """Undo `encode_name`; raise ``ValueError`` for what it never made."""
    number = 0
    for character in text:
        number = number << 5 | _ALPHABET.index(character)
    length = len(text) * 5 // 8
    name = (number >> (len(text) * 5 - length * 8)).to_bytes(length, "big")
    if encode_name(name) != text:
        raise ValueError(f"{text!r} is not an encoded name")
    return name


def hash_name(name: bytes) -> str:
    """Return 40 characters of ``0-9a-v`` (BLAKE2b, 200 bits) for a store whose limit is shorter; keep the real name beside."""
    return encode_name(hashlib.blake2b(name, digest_size=25).digest())
