"""What goes over the wire between a client and the broker of the zoo: frames, cut into chunks and put together again."""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["Codec", "Parser"]

_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">q")
_REAL = struct.Struct(">d")


class Codec:
    """Turns a frame, which is a list of fields, into bytes: for each field a letter for its type, its length, and itself."""

    def pack(self, *fields: Any) -> bytes:
        body = b"".join(map(self.field, fields))
        return _LENGTH.pack(len(body)) + body

    def unpack(self, body: bytes) -> list[Any]:
        fields, at = [], 0
        while at < len(body):
            kind, length = body[at : at + 1], _LENGTH.unpack_from(body, at + 1)[0]
            at += 1 + _LENGTH.size
            fields.append(self.value(kind, body[at : at + length]))
            at += length
        return fields

    def field(self, value: Any) -> bytes:
        kind, data = self.letter(value)
        return kind + _LENGTH.pack(len(data)) + data

    def letter(self, value: Any) -> tuple[bytes, bytes]:
        """Return a field's type and its bytes."""
        if value is None:
            return b"0", b""
        if isinstance(value, int):
            return b"i", _NUMBER.pack(value)
        if isinstance(value, float):
            return b"f", _REAL.pack(value)
        if isinstance(value, str):
            return b"s", value.encode()
        if isinstance(value, bytes):
            return b"b", self.payload_out(value)
        if isinstance(value, Mapping):
            return b"h", self.headers_out(value)
        return b"l", b"".join(map(self.field, value))

    def value(self, kind: bytes, data: bytes) -> Any:
        match kind:
            case b"0":
                return None
            case b"i":
                return _NUMBER.unpack(data)[0]
            case b"f":
                return _REAL.unpack(data)[0]
            case b"s":
                return data.decode()
            case b"b":
                return self.payload_in(data)
            case b"h":
                return self.headers_in(data)
        return self.unpack(data)

    def payload_out(self, payload: bytes) -> bytes:
        return payload

    def payload_in(self, data: bytes) -> bytes:
        return data

    def headers_out(self, headers: Mapping[str, str]) -> bytes:
        return b"".join(self.field(text) for pair in headers.items() for text in pair)

    def headers_in(self, data: bytes) -> dict[str, str]:
        texts = self.unpack(data)
        return dict(zip(texts[::2], texts[1::2], strict=True))


class Parser:
    """Puts frames together out of chunks."""

    chunk = 65536

    def __init__(self, codec: Codec) -> None:
        self.codec = codec
        self.pending = bytearray()

    def cut(self, frame: bytes) -> Iterator[bytes]:
        """Return a frame in the pieces in which it travels."""
        for at in range(0, len(frame), self.chunk):
            yield frame[at : at + self.chunk]

    def feed(self, chunk: bytes) -> Iterator[list[Any]]:
        """Take a chunk and yield the frames that are whole with it."""
        self.pending += chunk
        while len(self.pending) >= _LENGTH.size:
            end = _LENGTH.size + _LENGTH.unpack_from(self.pending)[0]
            if len(self.pending) < end:
                return
            body = bytes(self.pending[_LENGTH.size : end])
            del self.pending[:end]
            yield self.codec.unpack(body)
