"""What fits: a check with a backend and an interface in every slot."""

import fnmatch
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from prism_testkit.backend import Backend
from prism_testkit.checks import Check
from prism_testkit.interfaces import BESIDE, interface_model
from prism_testkit.pattern import Pattern
from prism_testkit.registry import Offer, Registry
from prism_testkit.signatures import claimed
from prism_testkit.slots import Slot

__all__ = ["UNCLAIMED", "Binding", "Bound", "Candidate", "Combine", "bindings_for", "candidates", "combine"]

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
    """The slots of a check, or of the pattern that it judges, filled. ``name`` is what stands in brackets in an id."""

    name: str
    slots: dict[str, Candidate]
    pattern: Pattern | None = None
    siblings: int = 1
    """In how many ways the slots are filled in this run, this one included."""

    @property
    def backends(self) -> list[str]:
        """The backends that take part, each once."""
        return list(dict.fromkeys(candidate.backend.name for candidate in self.slots.values()))

    @property
    def kind(self) -> Literal["virtual", "real"]:
        """Virtual if every backend runs on virtual time, else real."""
        virtual = all(candidate.backend.clock_kind == "virtual" for candidate in self.slots.values())
        return "virtual" if virtual else "real"


Bound = tuple[list[Binding], dict[str, str]]
"""The bindings of a check, and for each backend that fits no slot, why."""


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
            # What stands beside a model comes first: the last one says whose driver it is, and what the binding is called.
            ids = tuple(sorted((i for i in offers if i in alternative), key=lambda i: i not in BESIDE))
            offer = offers[ids[-1]]
            apart = sorted(i for i in alternative & BESIDE.keys() if i not in claimed(offer.driver))
            if apart:
                reasons.append(f"{UNCLAIMED}{', '.join(apart)} for {interface_model(ids[-1])}")
                continue
            served = registry.backends[name].server is not None
            unmet = list((replace(offer.traits, sharing="processes") if served else offer.traits).unmet(slot.needs))
            if unmet:
                reasons += unmet
                continue
            fits += 1
            found.append(Candidate(registry.backends[name], ids, offer, f"{name}{_alternative(slot, ids)}"))
        if not fits:
            refused[name] = "; ".join(dict.fromkeys(reasons))
    return found, refused


def _alternative(slot: Slot, ids: tuple[str, ...]) -> str:
    """Return what tells an alternative from the others of its slot: its last interface, or all that not every one has."""
    if len(slot.alternatives) == 1:
        return ""
    if sum(ids[-1] in other for other in slot.alternatives) == 1:
        return f".{ids[-1]}"
    common = frozenset.intersection(*map(frozenset, slot.alternatives))
    return "." + ("+".join(i for i in ids if i not in common) or ids[-1])


def bindings_for(
    check: Check,
    registry: Registry,
    backends: Sequence[str],
    how: Combine = "pairwise",
    patterns: Sequence[str] = (),
    known: dict[Any, Bound] | None = None,
) -> Bound:
    """Return the bindings of a check over the selected backends, and for each backend that fits no slot, why.

    A check of a kind of pattern is bound once for each implementation; ``patterns`` are globs that leave only some of them.
    ``known`` keeps what was found for checks alike, for callers whose other arguments never change: a run has thousands.
    """
    if known is None:
        return _bindings_for(check, registry, backends, how, patterns)
    key = (check.slots if check.pattern is None else check.pattern.name, check.needs_server)
    if key not in known:
        known[key] = _bindings_for(check, registry, backends, how, patterns)
    return known[key]


def _bindings_for(check: Check, registry: Registry, backends: Sequence[str], how: Combine, patterns: Sequence[str]) -> Bound:
    if check.pattern is None:
        return _bindings("", None, check.slots, registry, backends, how, check.needs_server)
    bindings: list[Binding] = []
    refused: dict[str, str] = {}
    fitting: set[str] = set()
    for name, pattern in registry.patterns.items():
        if pattern.kind == check.pattern.name and _wanted(name, patterns):
            needs = registry.needs[name]
            found, why = _bindings(name, pattern, needs.slots, registry, backends, how, check.needs_server)
            bindings += found
            refused.update(why)
            fitting.update(backend for binding in found for backend in binding.backends)
    return bindings, {name: why for name, why in refused.items() if name not in fitting}


def _wanted(name: str, globs: Sequence[str]) -> bool:
    return not globs or any(fnmatch.fnmatchcase(text, glob) for glob in globs for text in (name, name.partition(":")[0]))


def _bindings(
    label: str,
    pattern: Pattern | None,
    slots: Sequence[Slot],
    registry: Registry,
    backends: Sequence[str],
    how: Combine,
    needs_server: bool,
) -> Bound:
    ways: list[list[Candidate | None]] = []
    refused: dict[str, str] = {}
    for slot in slots:
        found, why = candidates(slot, registry, backends, needs_server)
        ways.append([None, *found] if slot.optional else [*found])
        refused.update(why)
    fitting = {candidate.backend.name for found in ways for candidate in found if candidate is not None}
    chosen = [
        {slot.name: candidate for slot, candidate in zip(slots, choice, strict=True) if candidate is not None}
        for choice in combine(ways, how)
    ]
    ways_filled = [filled for filled in chosen if filled]
    bindings = [Binding(_name(label, filled), filled, pattern, len(ways_filled)) for filled in ways_filled]
    return bindings, {name: why for name, why in refused.items() if name not in fitting}


def _name(label: str, filled: Mapping[str, Candidate]) -> str:
    if not label and len(filled) == 1:
        return next(iter(filled.values())).label
    spelt = ",".join(f"{slot}={candidate.label}" for slot, candidate in sorted(filled.items()))
    return f"{label}[{spelt}]" if label else spelt


def combine(ways: Sequence[Sequence[Candidate | None]], how: Combine) -> list[tuple[Candidate | None, ...]]:
    """Choose one way for each slot. ``diagonal``: one backend for all; ``all``: the product; ``pairwise``: every pair of choices.

    A choice is a backend or an interface of a slot, so that each backend meets each interface of its own slot and of the others,
    and each backend of the others. Greedy over the product, in order, so the answer is always the same; products here are small.
    """
    product = list(itertools.product(*ways))
    if how == "all" or (how == "pairwise" and len(ways) == 1):
        return product
    if how == "diagonal":
        return [chosen for chosen in product if len({c.backend.name for c in chosen if c is not None}) <= 1]
    pairs = [_pairs(chosen) for chosen in product]
    left = set().union(*pairs)
    kept: set[int] = set()
    while left:
        best = max(range(len(product)), key=lambda number: len(left & pairs[number]))
        kept.add(best)
        left -= pairs[best]
    return [product[number] for number in sorted(kept)]


def _pairs(chosen: Sequence[Candidate | None]) -> set[tuple[tuple[int, str, object], tuple[int, str, object]]]:
    choices: list[tuple[int, str, object]] = []
    for slot, candidate in enumerate(chosen):
        choices.append((slot, "backend", candidate.backend.name if candidate is not None else None))
        choices.append((slot, "interface", candidate.interfaces if candidate is not None else None))
    return set(itertools.combinations(choices, 2))
