"""Declares wrong drivers and gateways that repeat mistakes which real projects shipped and mended."""

from collections.abc import Callable
from typing import Any, TypeVar

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import declaring_family

from .declare import HOME
from .history_client import gateway_backend

__all__ = ["RIGHT", "declaring_history"]

T = TypeVar("T", bound=type)


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    return gateway_backend(name, wrong, **settings)


def declaring_history(into: list[Mutant]) -> Callable[..., Callable[[T], T]]:
    """Return a decorator like that of ``declare.declaring``, for wrong `GatewayObjects` and `Gateway`; ``lifecycle.2`` too."""

    def mutant(promise: str, kind: str, trap: str = "", also: str = "", **settings: Any) -> Callable[[T], T]:
        declare = declaring_family(into, prefix="", make=_make, home=HOME)
        return declare(_named(promise), kind, trap, " ".join(map(_named, also.split())), **settings)

    return mutant


def _named(promise: str) -> str:
    if promise.startswith("lifecycle."):
        return promise
    return f"object_storage_{promise}" if promise.startswith("conditional.") else f"object_storage.{promise}"


RIGHT = (gateway_backend("independent-gateway"),)
"""A right driver, of an architecture of its own."""
