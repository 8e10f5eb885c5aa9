"""Correct claim checks that do as few others do."""

import asyncio
import secrets
from collections.abc import AsyncIterator

from prism_patterns.claim_check import Claim, ClaimDelivery
from prism_testkit.pattern import Pattern

from .courier import Courier
from .history_depot import Depot
from .history_spool import SpoolingDepot
from .independent_claims import OwnClaimCheck
from .ours import OursOnQueues, OursOnTopics
from .stranger_consumer import StrangeConsumer
from .stranger_sweep import Sweep
from .strangers import StrangeClaimCheck
from .tenth_bureau import RIGHT
from .thirteenth_binary import BinaryReferences, HexadecimalReferences

__all__ = ["UNUSUAL"]


class ShortLeases(StrangeClaimCheck):
    """A message is leased for five seconds, and comes again soon."""

    class _Impatient(StrangeConsumer):
        visibility_s = 5.0

    consumer_type = _Impatient


class OtherIds(StrangeClaimCheck):
    """Ids are digits and few letters."""

    def new_key(self) -> str:
        return f"{self.config.prefix}/{secrets.token_hex(16).translate(str.maketrans('abcdef', 'qrstuv'))}"


class MarksWhatWaitsOnly(StrangeClaimCheck):
    """Where nobody waits for an ack there is no marker of it."""

    class _Sparing(StrangeConsumer):
        async def mark(self, claim: Claim) -> None:
            config = self.claims.config
            if config.cleanup == "on_ack" and (not config.consumers or self.consumer in config.consumers):
                await super().mark(claim)

    consumer_type = _Sparing


class SmallChunks(StrangeClaimCheck):
    """Payloads go up and come down in small pieces."""

    class _Nibbling(StrangeConsumer):
        async def chunks(self, delivery: ClaimDelivery) -> AsyncIterator[bytes]:
            async for piece in super().chunks(delivery):
                for at in range(0, len(piece), 4096):
                    yield piece[at : at + 4096]

    consumer_type = _Nibbling


class SweepsBackwards(StrangeClaimCheck):
    """What is found is decided on in the order of names, the last first."""

    class _Backwards(Sweep):
        def found(self) -> list[str]:
            return sorted(super().found(), reverse=True)

    sweep_type = _Backwards


class LetsOthersRun(StrangeClaimCheck):
    """Between any two steps of a publish and an ack others are let run."""

    class _Polite(StrangeConsumer):
        async def mark(self, claim: Claim) -> None:
            await asyncio.sleep(0)
            await super().mark(claim)
            await asyncio.sleep(0)

    consumer_type = _Polite

    async def refer(self, topic: str, claim: Claim, headers: dict[str, str]) -> str:
        for _ in range(3):
            await asyncio.sleep(0)
        return await super().refer(topic, claim, headers)


class SweepsBeforeItBegins(StrangeClaimCheck):
    """Entering it sweeps once."""

    async def agree(self) -> None:
        await super().agree()
        await self.sweep()


UNUSUAL: tuple[Pattern, ...] = tuple(
    Pattern(kind="claim-check", name=name, implementation=implementation)
    for name, implementation in (
        ("stranger", StrangeClaimCheck),
        ("own", OwnClaimCheck),
        ("courier", Courier),
        ("depot", Depot),
        ("depot-that-spools", SpoolingDepot),
        ("ours-on-queues", OursOnQueues),
        ("ours-on-topics", OursOnTopics),
        ("short-leases", ShortLeases),
        ("other-ids", OtherIds),
        ("marks-what-waits-only", MarksWhatWaitsOnly),
        ("small-chunks", SmallChunks),
        ("sweeps-backwards", SweepsBackwards),
        ("lets-others-run", LetsOthersRun),
        ("sweeps-before-it-begins", SweepsBeforeItBegins),
        ("binary-references", BinaryReferences),
        ("hexadecimal-references", HexadecimalReferences),
        *RIGHT.items(),
    )
)
