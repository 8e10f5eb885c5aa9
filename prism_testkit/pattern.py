"""What a pattern or suite author registers, and how a kind of pattern is declared. Standard library only."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from prism_testkit.waivers import Waiver

__all__ = ["KINDS", "Kind", "Pattern", "Suite", "kind", "kind_of", "methods_missing", "offers"]

P = TypeVar("P", bound=type)


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """One implementation of a kind of pattern; its slots are read off the annotations of ``implementation.__init__``."""

    kind: str
    name: str
    implementation: type
    waivers: Sequence[Waiver] = ()

    @property
    def full_name(self) -> str:
        """``kind:name``, as options and reports call it."""
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A package of checks. Each of its modules that is not private is one suite, named after the module."""

    package: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of pattern: its name, the letters before the numbers of its promises, and the Protocol that states them."""

    name: str
    promises: str
    protocol: type


KINDS: dict[str, Kind] = {}
"""Every kind that was declared in this process, by the letters of its promises."""


def kind(name: str, *, promises: str) -> Callable[[P], P]:
    """Declare a Protocol to be the kind ``name``, whose numbered docstring lines are ``promises`` 1, 2, ... (``CC1``)."""

    def declare(protocol: P) -> P:
        known = KINDS.get(promises)
        if known is not None and (known.protocol.__module__, known.protocol.__qualname__) != (
            protocol.__module__,
            protocol.__qualname__,
        ):
            raise TypeError(f"{protocol.__qualname__}: the promises {promises}... are those of {known.protocol.__qualname__}")
        KINDS[promises] = Kind(name, promises, protocol)
        return protocol

    return declare


def kind_of(protocol: object) -> Kind | None:
    """Return the kind that a Protocol was declared to be."""
    return next((known for known in KINDS.values() if known.protocol is protocol), None)


def methods_missing(implementation: type, protocol: type) -> list[str]:
    """Return which methods of a kind a class does not have, those that it left abstract included; none of one that passes on
    whatever it is asked, by a ``__getattr__``."""
    wanted = {
        name
        for base in protocol.__mro__
        if getattr(base, "_is_protocol", False)
        for name, value in vars(base).items()
        if inspect.isfunction(value) and (not name.startswith("_") or name in ("__aenter__", "__aexit__"))
    }
    if hasattr(implementation, "__getattr__"):
        wanted = {name for name in wanted if name.startswith("_")}  # asked of the class itself
    found = {name: getattr(implementation, name, None) for name in wanted}
    return sorted(name for name, value in found.items() if value is None or getattr(value, "__isabstractmethod__", False))


def offers(slot: object, protocol: type) -> bool:
    """Say whether what fills a slot offers an interface; nominal, for drivers and tapped slots alike.

    A type checker does not follow it: keep a slot of several interfaces in a variable of type ``Any``, or `typing.cast` it.
    """
    return protocol in type(slot).__mro__
