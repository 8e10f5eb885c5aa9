"""Every family of the zoo: the key-values, which live in this package, and those that have one of their own."""

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType

from .declare import Mutant

__all__ = ["FIRST_TRY", "WITHOUT_FAMILY", "families", "interface_of", "mutants", "without_mutants"]

FIRST_TRY: Mapping[str, tuple[int, int]] = {
    "keyvalue": (389, 422),
    "queues": (311, 351),
    "objects": (354, 379),
    "streams": (404, 518),
    "pubsubs": (459, 525),
    "claims": (95, 129),
    "lifecycle": (48, 50),
}
"""Of the first mutants of a family, written without sight of its checks: how many were caught under their promise, and of how
many. Mutants and checks of lifecycles are by one author."""

WITHOUT_FAMILY: Mapping[str, str] = {}
"""Interfaces that no family of the zoo breaks, with the reason. One that gets a mutant is struck off."""


def families() -> dict[str, ModuleType]:
    """Return the catalogue of each family, key-values first."""
    found = {"keyvalue": importlib.import_module(f"{__package__}.catalogue")}
    for path in sorted(Path(__file__).parent.glob("*/catalogue.py")):
        found[path.parent.name] = importlib.import_module(f"{__package__}.{path.parent.name}.catalogue")
    return found


def mutants() -> Iterator[tuple[str, Mutant]]:
    """Yield (family, mutant); a name may come again in another family."""
    for family, catalogue in families().items():
        for mutant in catalogue.MUTANTS:
            yield family, mutant


def without_mutants() -> dict[str, str]:
    """Return the promises that no mutant breaks, each with the reason that its catalogue gives."""
    found: dict[str, str] = {}
    for catalogue in families().values():
        found |= getattr(catalogue, "WITHOUT_MUTANTS", {})
    return found


def interface_of(promise: str) -> str:
    """Return the interface of a promise, or the letters of a pattern: ``keyvalue_ttl.3`` is of ``keyvalue_ttl``, CC3 of CC."""
    return promise.rpartition(".")[0] or promise.rstrip("0123456789")
