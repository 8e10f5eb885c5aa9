"""What fits: a check with a backend and an interface in every slot."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from prism_testkit.backend import Backend
from prism_testkit.checks import Check, Slot
from prism_testkit.registry import Offer, Registry

__all__ = ["UNCLAIMED", "Binding", "Candidate", "Combine", "bindings_for", "candidates", "combine"]

UNCLAIMED = "does not claim "
"""How the reason begins that a backend lacks an interface."""

Combine = Literal["diagonal", "pairwise", "all"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """One way to fill one slot."""

    backend: Backend[Any]
    interfaces: tuple[str, ...]
    offer: Offer
    label: str


@dataclass(frozen=True, slots=True)
class Binding:
    """A check's slots, filled. ``name`` is what stands in brackets in an id."""

    name: str
    slots: dict[str, Candidate]

    @property
    def backends(self) -> list[str]:
        """The backends that take part, each once."""
        return list(dict.fromkeys(candidate.backend.name for candidate in self.slots.values()))

    @property
    def kind(self) -> Literal["virtual", "real"]:
        """Virtual if every backend runs on virtual time, else real."""
        virtual = all(candidate.backend.clock_kind == "virtual" for candidate in self.slots.values())
        return "virtual" if virtual else "real"


def candidates(
    slot: Slot, registry: Registry, backends: Sequence[str], needs_server: bool = False
) -> tuple[list[Candidate], dict[str, str]]:
    """Return the ways to fill ``slot``, and for each backend that cannot, why."""
    found: list[Candidate] = []
    refused: dict[str, str] = {}
    for name in backends:
        if needs_server and registry.backends[name].server is None:
            refused[name] = "has no server that could be killed"
            continue
        offers = registry.offers[name]
        reasons: list[str] = []
        fits = 0
        for alternative in slot.alternatives:
            missing = sorted(alternative - set(offers))
            if missing:
                reasons.append(f"{UNCLAIMED}{', '.join(missing)}")
                continue
            ids = tuple(i for i in offers if i in alternative)
            offer = offers[ids[-1]]
            unmet = list(offer.traits.unmet(slot.needs))
            if unmet:
                reasons += unmet
                continue
            fits += 1
            label = name if len(slot.alternatives) == 1 else f"{name}.{ids[-1]}"
            found.append(Candidate(registry.backends[name], ids, offer, label))
        if not fits:
            refused[name] = "; ".join(dict.fromkeys(reasons))
    return found, refused


def bindings_for(
    check: Check, registry: Registry, backends: Sequence[str], how: Combine = "pairwise"
) -> tuple[list[Binding], dict[str, str]]:
    """Return the bindings of a check over the selected backends, and for each backend that fits no slot, why."""
    ways = []
    refused: dict[str, str] = {}
    for slot in check.slots:
        found, why = candidates(slot, registry, backends, check.needs_server)
        ways.append(found)
        refused.update(why)
    fitting = {candidate.backend.name for found in ways for candidate in found}
    names = [slot.name for slot in check.slots]
    bindings = [
        Binding(_name(names, chosen), dict(zip(names, chosen, strict=True)))
        for chosen in combine(ways, how, key=lambda c: c.backend.name)
    ]
    return bindings, {name: why for name, why in refused.items() if name not in fitting}


def _name(slots: Sequence[str], chosen: Sequence[Candidate]) -> str:
    if len(slots) == 1:
        return chosen[0].label
    return ",".join(f"{slot}={candidate.label}" for slot, candidate in sorted(zip(slots, chosen, strict=True)))


def combine(ways: Sequence[Sequence[Any]], how: Combine, key: Any) -> Iterable[tuple[Any, ...]]:
    """Choose one of each. ``diagonal``: the same key everywhere; ``all``: the product; ``pairwise``: every pair of ways.

    Pairwise is greedy over the product, in order, so the answer is always the same; products here are small.
    """
    product = itertools.product(*ways)
    if how == "all" or len(ways) == 1:
        return list(product)
    if how == "diagonal":
        return [chosen for chosen in product if len({key(c) for c in chosen}) == 1]
    every = list(product)
    left = {pair for chosen in every for pair in _pairs(chosen)}
    kept = []
    while left:
        best = max(every, key=lambda chosen: len(left & set(_pairs(chosen))))
        kept.append(best)
        left -= set(_pairs(best))
    return [chosen for chosen in every if chosen in kept]


def _pairs(chosen: Sequence[Any]) -> list[tuple[int, int, int, int]]:
    return [(i, id(a), j, id(b)) for (i, a), (j, b) in itertools.combinations(enumerate(chosen), 2)]
