"""As much of Kafka's protocol as tells that a broker is usable and what it is: no client library is needed to own a server.

The formats are those of the protocol guide: a size, a header, a body, all numbers big-endian. Two requests of old, fixed layout,
and ApiVersions 3, whose answer is the only one that carries the level of the metadata.
"""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

__all__ = ["Broker", "broker"]

_FIND_COORDINATOR, _HEARTBEAT, _API_VERSIONS = 10, 12, 18
_UNKNOWN_MEMBER = 25
_MOST = 1024 * 1024
"""No answer to these requests is longer; what claims to be is something else than Kafka."""
_FINALIZED = 2
_COORDINATOR = {14: "it is still loading", 15: "it is not there yet", 16: "it is elsewhere"}


class Broker:
    """A connection to a broker. Every method raises ``OSError`` where what answers does not speak Kafka."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def find_coordinator(self, group: str) -> int:
        """Return the error code, 0 if the group has a coordinator; where it has none, ask for its topic to be made."""
        answer = await self._ask(_FIND_COORDINATOR, 1, _string(group) + b"\0")
        return int(struct.unpack_from(">h", answer, 4)[0])

    async def heartbeat(self, group: str) -> int:
        """Return the error code to the heartbeat of nobody: 25, an unknown member, if members could join."""
        answer = await self._ask(_HEARTBEAT, 0, _string(group) + struct.pack(">i", 0) + _string(""))
        return int(struct.unpack_from(">h", answer)[0])

    async def metadata_version(self) -> int:
        """Return the level of the cluster's metadata; 0 where the broker names none."""
        try:
            return _level(await self._ask(_API_VERSIONS, 3, b"\0" + _compact("prism-testkit") + _compact("1") + b"\0"))
        except (IndexError, struct.error, UnicodeDecodeError) as error:
            raise OSError("it does not answer as Kafka does") from error

    async def _ask(self, key: int, version: int, body: bytes) -> bytes:
        request = struct.pack(">hhi", key, version, key) + _string("prism") + body
        self._writer.write(struct.pack(">i", len(request)) + request)
        await self._writer.drain()
        try:
            (size,) = struct.unpack(">i", await self._reader.readexactly(4))
            if not 4 <= size <= _MOST:
                raise OSError("it does not answer as Kafka does")
            answer = await self._reader.readexactly(size)
        except asyncio.IncompleteReadError as error:
            raise OSError("it hangs up where Kafka answers") from error
        if struct.unpack_from(">i", answer)[0] != key:
            raise OSError("it does not answer as Kafka does")
        return answer[4:]

    async def require_group(self, group: str = "prism-ready") -> None:
        """Raise ``OSError`` unless a group could be joined now."""
        for code in (await self.find_coordinator(group), await self.heartbeat(group)):
            if code not in (0, _UNKNOWN_MEMBER):
                raise OSError(f"groups have no coordinator: {_COORDINATOR.get(code, f'error {code}')}")


@contextlib.asynccontextmanager
async def broker(url: str) -> AsyncIterator[Broker]:
    """Connect to ``kafka://HOST:PORT`` and hang up at the end."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname or "127.0.0.1", parts.port or 9092)
    try:
        yield Broker(reader, writer)
    finally:
        writer.close()


def _string(text: str) -> bytes:
    data = text.encode()
    return struct.pack(">h", len(data)) + data


def _compact(text: str) -> bytes:
    data = text.encode()
    return bytes([len(data) + 1]) + data


class _Fields:
    """Reads flexible fields one after another."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data = data
        self._at = at

    def varint(self) -> int:
        shift = value = 0
        while True:
            byte = self._data[self._at]
            self._at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def number(self) -> int:
        (value,) = struct.unpack_from(">h", self._data, self._at)
        self._at += 2
        return int(value)

    def bytes(self, count: int) -> bytes:
        self._at += count
        return self._data[self._at - count : self._at]

    def skip_tags(self) -> None:
        for _ in range(self.varint()):
            self.varint()
            self.bytes(self.varint())


def _level(answer: bytes) -> int:
    fields = _Fields(answer, 2)
    for _ in range(fields.varint() - 1):
        fields.bytes(6)
        fields.skip_tags()
    fields.bytes(4)
    for _ in range(fields.varint()):
        tag, value = fields.varint(), fields.bytes(fields.varint())
        if tag == _FINALIZED:
            return _finalized(_Fields(value, 0)).get("metadata.version", 0)
    return 0


def _finalized(fields: _Fields) -> dict[str, int]:
    found = {}
    for _ in range(fields.varint() - 1):
        name = fields.bytes(fields.varint() - 1).decode()
        found[name] = fields.number()
        fields.number()
        fields.skip_tags()
    return found
