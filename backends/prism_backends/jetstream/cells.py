"""Subjects that hold one value each: written, changed only if nobody else did, and removed so that a kill brings nothing back."""

from collections.abc import Mapping
from typing import Any

from prism_backends.jetstream.api import STREAM_NOT_FOUND, WRONG_SEQUENCE, JetStream, NoResponse, Refused

__all__ = ["GONE", "REPLACING", "Cells", "replacing"]

GONE = b""
"""In place of a value: there is none, and what is left of the subject is to be removed."""
REPLACING = {"Nats-Rollup": "sub"}
"""The header of a message that replaces what its subject holds.

A limit of one message for each subject would do the same, but what that removes comes back when the server is killed and the
message that replaced it was removed meanwhile.
"""


def replacing(sequence: int) -> dict[str, str]:
    """Return the headers of a message that replaces that of a sequence, 0 for none at all, and no other."""
    return REPLACING | {"Nats-Expected-Last-Subject-Sequence": str(sequence)}


class Cells:
    """The subjects of one stream, which is made when it is first written to."""

    def __init__(self, server: JetStream, config: Mapping[str, Any]) -> None:
        self.server, self.config = server, dict(config)
        self.stream: str = self.config["name"]

    async def put(self, what: str, subject: str, data: bytes, headers: Mapping[str, str] = REPLACING) -> int:
        """Write a message; return its sequence."""
        try:
            return await self.server.publish(what, self.config, subject, data, dict(headers))
        except Refused as error:
            raise self.server.refused(what, error) from error

    async def change(
        self, what: str, subject: str, sequence: int, data: bytes, headers: Mapping[str, str] | None = None
    ) -> int | None:
        """Replace what has the sequence; return the new one, None if another replaced it before."""
        try:
            return await self.server.publish(what, self.config, subject, data, replacing(sequence) | dict(headers or {}))
        except Refused as error:
            if error.code == WRONG_SEQUENCE:
                return None
            raise self.server.refused(what, error) from error

    async def forget(self, what: str, subject: str, sequence: int) -> None:
        """Remove what a subject held up to a sequence: a `GONE`, and what a kill may have left before it."""
        try:
            await self.server.api(what, f"STREAM.PURGE.{self.stream}", {"filter": subject, "seq": sequence + 1})
        except NoResponse as error:
            raise self.server.away(what) from error
        except Refused as error:
            if error.code != STREAM_NOT_FOUND:
                raise self.server.refused(what, error) from error
