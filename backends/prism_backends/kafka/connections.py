"""Connections of aiokafka: how one is made and asked, and what its errors and those of a broker become.

All that is used of aiokafka is imported here, which is the first moment it is needed: its connections and its protocol. Its
producer and consumer are not used. They try again by themselves for as long as a request may take, so a caller would learn late
that a broker is away, and keep the metadata of every topic they ever saw; and who sends a record once needs no idempotent producer.
"""

import asyncio
from typing import Any
from urllib.parse import urlsplit

from aiokafka.conn import create_conn  # type: ignore[import-untyped]
from aiokafka.errors import KafkaError, KafkaTimeoutError, for_code  # type: ignore[import-untyped]
from aiokafka.partitioner import murmur2  # type: ignore[import-untyped]
from aiokafka.protocol.admin import (  # type: ignore[import-untyped]
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteRecordsRequest,
    DeleteTopicsRequest,
)
from aiokafka.protocol.fetch import FetchRequest  # type: ignore[import-untyped]
from aiokafka.protocol.metadata import MetadataRequest  # type: ignore[import-untyped]
from aiokafka.protocol.offset import OffsetRequest  # type: ignore[import-untyped]
from aiokafka.protocol.produce import ProduceRequest  # type: ignore[import-untyped]
from aiokafka.record.default_records import DefaultRecordBatchBuilder  # type: ignore[import-untyped]
from aiokafka.record.memory_records import MemoryRecords  # type: ignore[import-untyped]

from prism_testkit.interfaces import errors

__all__ = [
    "TIMEOUT_S",
    "CreatePartitionsRequest",
    "CreateTopicsRequest",
    "DefaultRecordBatchBuilder",
    "DeleteRecordsRequest",
    "DeleteTopicsRequest",
    "FetchRequest",
    "Link",
    "MemoryRecords",
    "MetadataRequest",
    "OffsetRequest",
    "ProduceRequest",
    "murmur2",
    "refusal",
]

TIMEOUT_S = 10.0
"""How long one request may take before it raises `OperationTimeout`."""
_PORT = 9092

_KINDS: dict[int, type[errors.PrismError]] = {
    7: errors.OperationTimeout,
    10: errors.PayloadTooLarge,
    18: errors.PayloadTooLarge,
    29: errors.AccessDenied,
    30: errors.AccessDenied,
    31: errors.AccessDenied,
    35: errors.ConfigError,
    38: errors.ConfigError,
    40: errors.ConfigError,
    42: errors.ConfigError,
    44: errors.ConfigError,
    87: errors.ConfigError,
    89: errors.QuotaExceeded,
}
"""By Kafka's code; what is not here says that the broker cannot do it now."""


def refusal(code: int, what: str) -> errors.PrismError:
    """Return the shared error for the code in a broker's answer; ``what`` names backend, operation and object."""
    return _KINDS.get(code, errors.BackendUnavailable)(f"{what}: Kafka says {for_code(code).__name__} ({code})")


class Link:
    """One connection to the broker at a URL, made when it is first needed and again when it was lost.

    A request is sent once: of one whose answer did not come it is unknown whether it had an effect. Requests of one link are
    served in the order in which they were sent.
    """

    def __init__(self, url: str) -> None:
        address = urlsplit(url if "//" in url else f"//{url}")
        self._host, self._port = address.hostname or "127.0.0.1", address.port or _PORT
        self._connection: Any = None
        self._making = asyncio.Lock()
        self._is_closed = False
        self.lost = 0
        """How often a connection was found lost."""

    @property
    def is_up(self) -> bool:
        """Whether there is a connection, as far as is known."""
        return self._connection is not None and bool(self._connection.connected())

    async def ask(self, what: str, request: Any) -> Any:
        """Send a request and return its answer."""
        try:
            connection = self._connection
            if connection is None or not connection.connected():
                connection = await self._connected(what)
            try:
                return await connection.send(request)
            except (TimeoutError, KafkaTimeoutError):
                connection.close()  # the answers on it would come in the order of the requests: all behind this one
                raise
        except (TimeoutError, KafkaTimeoutError) as error:
            raise errors.OperationTimeout(f"{what}: no answer in time, so whether it took effect is unknown") from error
        except NotImplementedError as error:
            raise errors.ConfigError(f"{what}: what answers is too old or too new: {error}") from error
        except (KafkaError, OSError, EOFError) as error:
            if self._is_closed:
                raise errors.Closed(f"{what}: the client is closed") from error
            raise errors.BackendUnavailable(f"{what}: {str(error) or type(error).__name__}") from error

    async def close(self) -> None:
        """Hang up; later requests raise `Closed`. A repeat does nothing."""
        self._is_closed = True
        connection, self._connection = self._connection, None
        if connection is not None:
            reading = connection._read_task  # cancelled by close(), and not waited for
            ended = [each for each in (connection.close(), reading) if each is not None]
            if ended:
                await asyncio.wait(ended, timeout=1.0)

    async def _connected(self, what: str) -> Any:
        async with self._making:
            if self._is_closed:
                raise errors.Closed(f"{what}: the client is closed")
            if self._connection is None or not self._connection.connected():
                if self._connection is not None:
                    self.lost += 1
                    self._connection.close()
                    self._connection = None
                self._connection = await create_conn(
                    self._host, self._port, client_id="prism-testkit", request_timeout_ms=int(TIMEOUT_S * 1000)
                )
            return self._connection
