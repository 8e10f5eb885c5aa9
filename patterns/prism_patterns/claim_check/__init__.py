"""Claim check: large payloads go to an object store, and a reference to them through the broker.

async with PrismClaimCheck(queue=queue, store=store, config=ClaimCheckConfig(threshold=65536), clock=RealClock()) as claims:
    await claims.publish("images", data)
    async with claims.consume("images", "thumbnails") as consumer:
        delivery = await consumer.receive(timeout_s=5)
        if delivery is not None:
            data = await consumer.read(delivery)
            await consumer.ack(delivery)
"""

from prism_patterns.claim_check.claims import PrismClaimCheck
from prism_patterns.claim_check.config import ClaimCheckConfig
from prism_patterns.claim_check.contract import (
    Claim,
    ClaimCheck,
    ClaimConsumer,
    ClaimDelivery,
    ClaimExpired,
    ClaimNotFound,
    Receipt,
    Swept,
)

__all__ = [
    "Claim",
    "ClaimCheck",
    "ClaimCheckConfig",
    "ClaimConsumer",
    "ClaimDelivery",
    "ClaimExpired",
    "ClaimNotFound",
    "PrismClaimCheck",
    "Receipt",
    "Swept",
]
