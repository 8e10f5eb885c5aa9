"""Removing what belongs to a namespace."""

import re
from collections.abc import AsyncIterator

from prism_backends.jetstream.api import STREAM_NOT_FOUND, JetStream, NoResponse, Refused
from prism_backends.nats.client import NatsClient

__all__ = ["clean"]

_NAMESPACE_WIDTH = 24


async def clean(client: NatsClient, prefix: str) -> None:
    """Remove every stream of every namespace that begins with ``prefix``; a stranger's that only looks alike stays.

    One request for every 1,024 streams on the server, and one for each that is removed, its consumers with it.
    """
    if not re.fullmatch(rf"[0-9a-z]{{1,{_NAMESPACE_WIDTH}}}", prefix):
        raise ValueError(f"clean: expected 1 to {_NAMESPACE_WIDTH} digits of base 36, found {prefix!r}")
    ours = re.compile(rf"{prefix}[0-9a-z]{{{_NAMESPACE_WIDTH - len(prefix)}}}_.*")
    server = JetStream(client, "jetstream")
    for name in [name async for name in _streams(server) if ours.fullmatch(name)]:
        try:
            await server.api(f"jetstream: clean {prefix}", f"STREAM.DELETE.{name}")
        except Refused as error:
            if error.code != STREAM_NOT_FOUND:
                raise server.refused(f"jetstream: clean {prefix}", error) from error


async def _streams(server: JetStream) -> AsyncIterator[str]:
    offset, total = 0, 1
    while offset < total:
        try:
            page = await server.api("jetstream: clean", "STREAM.NAMES", {"offset": offset})
        except NoResponse as error:
            raise server.away("jetstream: clean") from error
        names = page.get("streams") or []
        if not names:
            return
        for name in names:
            yield name
        offset, total = offset + len(names), page["total"]
