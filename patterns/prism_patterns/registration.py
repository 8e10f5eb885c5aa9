"""Registers our implementations with prism-testkit; an application never needs this."""

from prism_patterns.claim_check import PrismClaimCheck
from prism_testkit.hookspecs import hookimpl
from prism_testkit.pattern import Pattern
from prism_testkit.registry import Registry

__all__ = ["prism_register_patterns"]


@hookimpl
def prism_register_patterns(registry: Registry) -> None:
    registry.add(Pattern(kind="claim-check", name="prism", implementation=PrismClaimCheck))
