"""Requests to JetStream: its API, publishing with an acknowledgement, and reading messages directly."""

import asyncio
import json
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nats.aio.msg import Msg

from prism_backends.nats.client import FAILURES, NatsClient, translated
from prism_backends.nats.connection import Connection
from prism_testkit.interfaces import errors

__all__ = [
    "ACK_WAIT_S",
    "STREAM_NOT_FOUND",
    "WRONG_SEQUENCE",
    "JetStream",
    "NoResponse",
    "Refused",
    "Stored",
    "nanoseconds",
    "status_of",
    "stream_config",
]

ACK_WAIT_S = 4.0
"""A durable consumer gives to others what was held for so long without a sign of life."""

STREAM_NOT_FOUND = 10059
_CONSUMER_NOT_FOUND = 10014
_LAST = 2**63 - 1
"""No sequence is higher; JetStream's are numbers of 64 bits."""
_CONSUMER_EXISTS = 10148
WRONG_SEQUENCE = 10071
_PAUSES_S = (0.0, 0.01, 0.1)
_DENIED = frozenset((10035, 10039, 10076))
_FULL = frozenset((10002, 10023, 10026, 10027, 10028, 10047, 10077))


class Refused(Exception):
    """JetStream answered with an error; ``code`` is its own number of it. Nothing was done."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        super().__init__(f"{error.get('description', 'no reason given')} ({error.get('err_code', error.get('code'))})")
        self.code = int(error.get("err_code", 0))


class NoResponse(Exception):
    """Nobody listens where the request went: the stream or the consumer is not there, or JetStream is not (yet)."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A message of a stream. ``ahead`` is how many more match the request behind it, as far as that was asked."""

    subject: str
    sequence: int
    at_ns: int
    data: bytes
    ahead: int = 0


def stream_config(name: str, *subjects: str, **more: Any) -> dict[str, Any]:
    """Return the configuration of a stream that keeps everything, in files; ``more`` replaces and adds."""
    return {
        "name": name,
        "subjects": list(subjects),
        "storage": "file",
        "retention": "limits",
        "discard": "old",
        "num_replicas": 1,
        "max_consumers": -1,
        "max_msgs": -1,
        "max_bytes": -1,
        "max_age": 0,
        "max_msg_size": -1,
        "allow_direct": True,
    } | more


def _consumer_config(name: str, first: int) -> dict[str, Any]:
    return {
        "durable_name": name,
        "name": name,
        "ack_policy": "explicit",
        "ack_wait": int(ACK_WAIT_S * 1e9),
        "deliver_policy": "by_start_sequence",
        "opt_start_seq": max(1, first),
        "max_deliver": -1,
        "max_ack_pending": -1,
        "replay_policy": "instant",
    }


class JetStream:
    """What the drivers ask of JetStream. Raises the shared errors, and `Refused` or `NoResponse`, for the driver to explain."""

    def __init__(self, client: NatsClient, backend: str) -> None:
        self.client, self.backend = client, backend

    async def api(self, what: str, subject: str, body: Any = None) -> dict[str, Any]:
        """Return the answer to a request of the API; ``what`` names backend, operation and name."""
        payload = b"" if body is None else json.dumps(body).encode()
        return _answer(await self.request(what, f"$JS.API.{subject}", payload))

    async def request(self, what: str, subject: str, payload: bytes = b"", headers: dict[str, str] | None = None) -> Msg:
        async def do(connection: Connection) -> Msg:
            return await connection.request(subject, payload, headers)

        with self.translating(what):
            answer = await self.client.call(do)
        if status_of(answer) == "503":
            raise NoResponse
        return answer

    async def publish(
        self, what: str, config: Mapping[str, Any], subject: str, payload: bytes, headers: dict[str, str] | None = None
    ) -> int:
        """Store a message and return its sequence; make the stream of ``config`` if it is not there."""
        try:
            answer = await self.request(what, subject, payload, headers)
        except NoResponse:
            await self.make(what, config)
            answer = await self._repeat(what, subject, payload, headers)
        return int(_answer(answer)["seq"])

    async def publish_together(self, what: str, messages: Sequence[tuple[str, bytes, dict[str, str]]]) -> int:
        """Store messages, with their headers, in one stream, all or none (ADR-50 of NATS); return the sequence of the last."""
        batch = secrets.token_hex(12)

        async def do(connection: Connection) -> Msg:
            for number, (subject, payload, headers) in enumerate(messages, 1):
                headers |= {"Nats-Batch-Id": batch, "Nats-Batch-Sequence": str(number)}
                if number < len(messages):
                    await connection.send(subject, payload, headers)
            return await connection.request(subject, payload, headers | {"Nats-Batch-Commit": "1"})

        with self.translating(what):
            answer = await self.client.call(do)
        if status_of(answer) == "503":
            raise self.away(what)
        return int(_answer(answer)["seq"])

    async def make(self, what: str, config: Mapping[str, Any]) -> None:
        """Make a stream; one that is there already stays."""
        try:
            await self.api(what, f"STREAM.CREATE.{config['name']}", config)
        except NoResponse as error:
            raise self.away(what) from error

    def away(self, what: str) -> errors.PrismError:
        return errors.BackendUnavailable(f"{what}: JetStream does not answer")

    async def info(self, what: str, stream: str, **request: Any) -> dict[str, Any] | None:
        """Return what the server knows of a stream; None if it is not there."""
        try:
            return await self.api(what, f"STREAM.INFO.{stream}", request or None)
        except NoResponse as error:
            raise self.away(what) from error
        except Refused as error:
            if error.code == STREAM_NOT_FOUND:
                return None
            raise self.refused(what, error) from error

    async def consumer(self, what: str, name: str) -> dict[str, Any] | None:
        """Return what the server knows of a consumer, named ``stream.consumer``; None if it is not there."""
        try:
            return await self.api(what, f"CONSUMER.INFO.{name}")
        except NoResponse as error:
            raise self.away(what) from error
        except Refused as error:
            if error.code in (STREAM_NOT_FOUND, _CONSUMER_NOT_FOUND):
                return None
            raise self.refused(what, error) from error

    async def make_consumer(self, what: str, stream: str, name: str, first: int) -> bool:
        """Make a durable consumer that begins with the sequence ``first``; False if there is one of that name."""
        # Another one of the same configuration would be no error; so no two are the same.
        config = _consumer_config(name, first) | {"metadata": {"made": secrets.token_hex(8)}}
        body = {"stream_name": stream, "action": "create", "config": config}
        try:
            await self.api(what, f"CONSUMER.CREATE.{stream}.{name}", body)
        except NoResponse as error:
            raise self.away(what) from error
        except Refused as error:
            if error.code == _CONSUMER_EXISTS:
                return False
            raise self.refused(what, error) from error
        return True

    async def page(self, what: str, stream: str, start: int, most: int, most_bytes: int, subject: str = ">") -> list[Stored]:
        """Return up to ``most`` messages from a sequence on; as many as fit ``most_bytes``, and one at least if there is one."""
        if start > _LAST:
            return []
        body = {"seq": max(1, start), "batch": most, "max_bytes": most_bytes, "next_by_subj": subject}
        *found, last = await self._direct(what, stream, body, _is_status)
        if status_of(last) not in ("204", "404", "503"):
            raise errors.BackendUnavailable(f"{what}: JetStream answered {last.headers}")
        return [_stored(message) for message in found]

    async def last_of_each(self, what: str, stream: str, subjects: Sequence[str]) -> list[Stored]:
        """Return the last message of each subject that has one, all as of one instant."""
        body = {"multi_last": list(subjects), "batch": len(subjects)}
        *found, last = await self._direct(what, stream, body, _is_status)
        if status_of(last) not in ("204", "404", "503"):
            raise errors.BackendUnavailable(f"{what}: JetStream answered {last.headers}")
        return [_stored(message) for message in found]

    async def message(self, what: str, stream: str, **request: Any) -> Stored | None:
        """Return one message by the rules of the API's direct get; None if there is none, or no stream."""
        (found,) = await self._direct(what, stream, request, lambda message: True)
        if status_of(found) is None:
            return _stored(found)
        if status_of(found) in ("404", "503"):
            return None
        raise errors.BackendUnavailable(f"{what}: JetStream answered {found.headers}")

    async def _direct(self, what: str, stream: str, body: Mapping[str, Any], is_last: Callable[[Msg], bool]) -> list[Msg]:
        """Return the answers to a direct get; a last one of status 503 if there is no stream."""
        payload = json.dumps(body).encode()

        async def do(connection: Connection) -> list[Msg]:
            return await connection.collect(f"$JS.API.DIRECT.GET.{stream}", payload, is_last)

        for pause_s in _PAUSES_S:
            with self.translating(what):
                found = await self.client.call(do)
            if status_of(found[-1]) != "503" or await self.info(what, stream) is None:
                return found
            await asyncio.sleep(pause_s)  # it was made in between, or does not answer yet
        raise self.away(what)

    async def _repeat(self, what: str, subject: str, payload: bytes, headers: dict[str, str] | None) -> Msg:
        try:
            return await self.request(what, subject, payload, headers)
        except NoResponse as error:
            raise self.away(what) from error

    @contextmanager
    def translating(self, what: str) -> Iterator[None]:
        """Turn what a connection raises into the shared errors."""
        try:
            yield
        except FAILURES as error:
            raise translated(error, what) from error

    def refused(self, what: str, error: Refused) -> errors.PrismError:
        """Return the shared error for a refusal."""
        if error.code in _DENIED:
            return errors.AccessDenied(f"{what}: {error}")
        return (errors.QuotaExceeded if error.code in _FULL else errors.BackendUnavailable)(f"{what}: {error}")


def status_of(message: Msg) -> str | None:
    """Return the status that the server put in place of a message; None for a message."""
    return message.headers.get("Status") if message.headers else None


def _is_status(message: Msg) -> bool:
    return status_of(message) is not None


def _answer(message: Msg) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(message.data)
    if "error" in found:
        raise Refused(found["error"])
    return found


def _stored(message: Msg) -> Stored:
    headers = message.headers or {}
    return Stored(
        headers["Nats-Subject"],
        int(headers["Nats-Sequence"]),
        nanoseconds(headers["Nats-Time-Stamp"]),
        message.data,
        int(headers.get("Nats-Num-Pending", 0)),
    )


def nanoseconds(instant: str) -> int:
    """Return an instant such as ``2026-11-21T19:46:14.038667523Z`` in nanoseconds since the epoch."""
    whole, _, fraction = instant.removesuffix("Z").partition(".")
    seconds = int(datetime.fromisoformat(f"{whole}+00:00").timestamp())
    return seconds * 1_000_000_000 + int(fraction.ljust(9, "0") or 0)
