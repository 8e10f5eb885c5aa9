"""The shipped suites: what must hold on every backend that claims an interface. Composed with a backend, never subclassed."""

from typing import TYPE_CHECKING

import prism_testkit as prism

if TYPE_CHECKING:
    from prism_testkit.registry import Registry

__all__ = ["prism_register_suites"]


@prism.hookimpl
def prism_register_suites(registry: "Registry") -> None:
    """Register this package: each of its modules that is not private is a suite."""
    registry.add(prism.Suite(package="prism_suites"))
