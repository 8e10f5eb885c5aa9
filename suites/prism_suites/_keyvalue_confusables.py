"""A few confusable names and payloads from every family, for checks that cannot afford the whole gauntlet."""

from collections.abc import Iterator

from prism_testkit import strategies
from prism_testkit.strategies.transformations import TRANSFORMATIONS, variants
from prism_testkit.traits import Limits

__all__ = ["confusable_names", "confusable_payloads", "distant_payloads"]

_GROUP = 24


def confusable_names(limits: Limits, most: int = 6) -> Iterator[tuple[str, ...]]:
    """Yield, for each transformation, a base and at most ``most`` of its partners, spread over the list."""
    for index, transformation in enumerate(TRANSFORMATIONS):
        base = transformation.bases[0].encode()[: limits.max_name].decode(errors="ignore")
        partners = variants(index, base, limits.max_name)
        chosen = partners[:: -(-len(partners) // most) or 1]
        if chosen:
            yield (base, *chosen)


def confusable_payloads(limits: Limits) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Yield every pair of the gauntlet, by groups: (a value, values that a comparison may take for it)."""
    groups: dict[bytes, list[bytes]] = {}
    for base, partner in strategies.gauntlet_pairs(limits.max_payload):
        groups.setdefault(base, []).append(partner)
    for base, partners in groups.items():
        for start in range(0, len(partners), _GROUP):
            yield base, tuple(partners[start : start + _GROUP])


def distant_payloads(limits: Limits) -> Iterator[tuple[bytes, tuple[bytes, ...]]]:
    """Yield long values, each with others that differ in one byte, at a place where a buffer, a column or a block ends."""
    for size in (300, 5000, 70_000):
        if size <= limits.max_payload:
            base = strategies.patterned(size)
            places = sorted({p for p in (0, 63, 64, 255, 256, 4095, 4096, 65_535, 65_536, size // 2, size - 1) if p < size})
            yield base, tuple(base[:place] + bytes([base[place] ^ 1]) + base[place + 1 :] for place in places)
