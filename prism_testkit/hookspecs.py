"""The three hooks, all of one shape. Mark yours with ``@prism.hookimpl``, in a conftest or in the module of an entry point."""

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from prism_testkit.registry import Registry

__all__ = ["hookimpl", "hookspec", "prism_register_backends", "prism_register_patterns", "prism_register_suites"]

hookspec = pluggy.HookspecMarker("prism_testkit")
hookimpl = pluggy.HookimplMarker("prism_testkit")


@hookspec
def prism_register_backends(registry: "Registry") -> None:
    """Call ``registry.add(Backend(...))`` for each backend."""


@hookspec
def prism_register_patterns(registry: "Registry") -> None:
    """Call ``registry.add(Pattern(...))`` for each implementation of a pattern."""


@hookspec
def prism_register_suites(registry: "Registry") -> None:
    """Call ``registry.add(Suite(package=...))`` for each package of checks."""
