"""How a message travels as one value: the length of a JSON text, the text, the payload."""

import json
import struct
from collections.abc import Mapping
from typing import Any

__all__ = ["opened", "sealed"]

_LENGTH = struct.Struct(">I")


def sealed(about: Mapping[str, Any], payload: bytes) -> bytes:
    """Return ``about``, which JSON can hold, and ``payload`` as one value."""
    text = json.dumps(about).encode()
    return _LENGTH.pack(len(text)) + text + payload


def opened(envelope: bytes) -> tuple[dict[str, Any], bytes]:
    """Undo `sealed`; raise ``ValueError`` for what it never made."""
    if len(envelope) < _LENGTH.size:
        raise ValueError("this is no envelope: it is too short")
    end = _LENGTH.size + _LENGTH.unpack_from(envelope)[0]
    about = json.loads(envelope[_LENGTH.size : end])
    if not isinstance(about, dict):
        raise ValueError("this is no envelope: it does not begin with an object")
    return about, envelope[end:]
