"""Who subscribed, as others see it: by signs of life, which are given as long as the event loop of their process runs."""

import asyncio
import secrets
from collections.abc import Hashable
from contextlib import suppress
from typing import Protocol

from prism_backends.postgres import pubsub_sql as sql
from prism_backends.postgres.client import PostgresClient
from prism_backends.streamcompany import Company, Joined

__all__ = ["HORIZON_S", "MEMBER_TIMEOUT_S", "PATIENCE_S", "Subscribed", "process_of", "pubsub_company_of"]

HORIZON_S = 4.0
"""So long after its last sign of life a member of another process counts as alive."""
PATIENCE_S = 30.0
"""So long a plain subscription does. Messages are kept for it, and nobody waits for what it holds."""
MEMBER_TIMEOUT_S = 6.0
_BEAT_S = HORIZON_S / 3


class Subscribed(Joined, Protocol):
    """A member of a company. ``names`` begin with the namespace."""

    names: tuple[bytes, ...]
    place: Hashable


def process_of(client: PostgresClient) -> str:
    """Return by what others know this process, and the place in it."""
    name: str = client.shared.setdefault("postgres process", secrets.token_hex(8))
    return name


def pubsub_company_of(client: PostgresClient) -> Company[Subscribed]:
    """Return what keeps the subscriptions of a driver alive."""

    async def beat(members: list[Subscribed]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_S):  # a server that hangs may be back before this call gives up
                names, spaces = [member.name for member in members], list({member.names[0] for member in members})
                await client.rows("postgres: subscriptions", sql.BEAT, names, spaces, HORIZON_S, PATIENCE_S)

    return Company(client.shared, lambda: _BEAT_S, beat)
