"""The members that a driver has in groups, kept alive by steps in the log."""

import asyncio
from contextlib import suppress
from typing import Protocol

from prism_backends.kafka.groups import HORIZON_MS
from prism_backends.kafka.space import Space
from prism_backends.streamcompany import Company, Joined

__all__ = ["MEMBER_TIMEOUT_S", "Kept", "company_of"]

MEMBER_TIMEOUT_S = 6.0
_BEAT_S = HORIZON_MS / 3000


class Kept(Joined, Protocol):
    """A member of a company."""

    stream: str
    group: str


def company_of(space: Space, what: str) -> Company[Kept]:
    """Return what keeps the members of a driver alive, as long as the event loop runs: it is the loop that beats."""

    async def beat(members: list[Kept]) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_BEAT_S):  # a server that hangs may be back before this call gives up
                names = [[member.stream, member.group, member.name] for member in members]
                await space.do(what, {"do": "beat", "members": names}, make=False)

    return Company(space.client.shared, lambda: _BEAT_S, beat)
