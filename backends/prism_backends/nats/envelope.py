"""How a message travels as one payload. Not NATS's own headers: those are ASCII, trimmed, and folded."""

import struct
from collections.abc import Mapping, Sequence

__all__ = ["mapping_of", "opened", "sealed", "texts_of"]

_COUNT = struct.Struct(">H")


def sealed(texts: Sequence[str], payload: bytes) -> bytes:
    """Return texts of at most 65,535 bytes in UTF-8 each, at most as many, and ``payload`` as one value.

    It is longer than they are by two bytes for each text, and two more: no escaping makes 8 KiB of headers 48.
    """
    parts = [_COUNT.pack(len(texts))]
    for text in texts:
        data = text.encode()
        parts += (_COUNT.pack(len(data)), data)
    parts.append(payload)
    return b"".join(parts)


def opened(envelope: bytes) -> tuple[list[str], bytes]:
    """Undo `sealed`; raise ``ValueError`` for what it never made."""
    try:
        (count,) = _COUNT.unpack_from(envelope)
        texts, at = [], _COUNT.size
        for _ in range(count):
            (length,) = _COUNT.unpack_from(envelope, at)
            at += _COUNT.size + length
            texts.append(envelope[at - length : at].decode())
    except struct.error as error:
        raise ValueError("this is no envelope: it is too short") from error
    if at > len(envelope):
        raise ValueError("this is no envelope: it is too short")
    return texts, envelope[at:]


def texts_of(headers: Mapping[str, str]) -> list[str]:
    """Return names and values in turn."""
    return [text for item in headers.items() for text in item]


def mapping_of(texts: Sequence[str]) -> dict[str, str]:
    """Undo `texts_of`; raise ``ValueError`` for an odd number."""
    return dict(zip(texts[::2], texts[1::2], strict=True))
