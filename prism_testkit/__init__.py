"""prism-testkit: does a data-access pattern keep its promises on the backends it runs on?

``import prism_testkit as prism``. Everything here is imported on first use (PEP 562), so that a driver or an application that
needs one Protocol pays for one Protocol.
"""

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prism_testkit.backend import Backend as Backend
    from prism_testkit.backend import Place as Place
    from prism_testkit.backend import Server as Server
    from prism_testkit.bound import Bound as Bound
    from prism_testkit.case import Case as Case
    from prism_testkit.checks import CheckError as CheckError
    from prism_testkit.checks import check as check
    from prism_testkit.checks import explored as explored
    from prism_testkit.checks import gauntlet as gauntlet
    from prism_testkit.clock import Clock as Clock
    from prism_testkit.clock import RealClock as RealClock
    from prism_testkit.clock import VirtualClock as VirtualClock
    from prism_testkit.faults import Fault as Fault
    from prism_testkit.hookspecs import hookimpl as hookimpl
    from prism_testkit.naming import check_attributes as check_attributes
    from prism_testkit.naming import check_headers as check_headers
    from prism_testkit.naming import check_limit as check_limit
    from prism_testkit.naming import check_name as check_name
    from prism_testkit.naming import check_pattern as check_pattern
    from prism_testkit.naming import check_payload as check_payload
    from prism_testkit.naming import check_prefix as check_prefix
    from prism_testkit.naming import check_seconds as check_seconds
    from prism_testkit.naming import check_timeout as check_timeout
    from prism_testkit.outcomes import Crashed as Crashed
    from prism_testkit.outcomes import Inconclusive as Inconclusive
    from prism_testkit.outcomes import Unavailable as Unavailable
    from prism_testkit.outcomes import Violation as Violation
    from prism_testkit.outcomes import law as law
    from prism_testkit.pattern import Pattern as Pattern
    from prism_testkit.pattern import Suite as Suite
    from prism_testkit.pattern import kind as kind
    from prism_testkit.pattern import offers as offers
    from prism_testkit.plan import Plan as Plan
    from prism_testkit.recipe import Recipe as Recipe
    from prism_testkit.recipe import Step as Step
    from prism_testkit.registry import Registry as Registry
    from prism_testkit.strategies.hypothesis_strategies import names as names
    from prism_testkit.strategies.hypothesis_strategies import payload_pools as payload_pools
    from prism_testkit.strategies.hypothesis_strategies import payloads as payloads
    from prism_testkit.strategies.hypothesis_strategies import prefixes as prefixes
    from prism_testkit.strategies.hypothesis_strategies import ttls as ttls
    from prism_testkit.strategies.hypothesis_strategies import universes as universes
    from prism_testkit.strategies.schedules import plans as plans
    from prism_testkit.tap import Tap as Tap
    from prism_testkit.tap import tapped as tapped
    from prism_testkit.traits import Limits as Limits
    from prism_testkit.traits import Traits as Traits
    from prism_testkit.waivers import Waiver as Waiver

_HOME = {
    "Backend": "backend",
    "Bound": "bound",
    "Case": "case",
    "CheckError": "checks",
    "Clock": "clock",
    "Crashed": "outcomes",
    "Fault": "faults",
    "Inconclusive": "outcomes",
    "Limits": "traits",
    "Pattern": "pattern",
    "Place": "backend",
    "Plan": "plan",
    "RealClock": "clock",
    "Recipe": "recipe",
    "Registry": "registry",
    "Server": "backend",
    "Step": "recipe",
    "Suite": "pattern",
    "Tap": "tap",
    "Traits": "traits",
    "Unavailable": "outcomes",
    "Violation": "outcomes",
    "VirtualClock": "clock",
    "Waiver": "waivers",
    "check": "checks",
    "check_attributes": "naming",
    "check_headers": "naming",
    "check_limit": "naming",
    "check_name": "naming",
    "check_pattern": "naming",
    "check_payload": "naming",
    "check_prefix": "naming",
    "check_seconds": "naming",
    "check_timeout": "naming",
    "explored": "checks",
    "gauntlet": "checks",
    "hookimpl": "hookspecs",
    "kind": "pattern",
    "law": "outcomes",
    "names": "strategies.hypothesis_strategies",
    "offers": "pattern",
    "payload_pools": "strategies.hypothesis_strategies",
    "payloads": "strategies.hypothesis_strategies",
    "plans": "strategies.schedules",
    "prefixes": "strategies.hypothesis_strategies",
    "tapped": "tap",
    "ttls": "strategies.hypothesis_strategies",
    "universes": "strategies.hypothesis_strategies",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'prism_testkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"prism_testkit.{home}"), name)
    globals()[name] = value
    return value


def _refresh() -> None:
    """Forget what came from modules that are loaded no more: a test of plugins runs pytest again and again in one process."""
    for name, home in _HOME.items():
        if f"prism_testkit.{home}" not in sys.modules:
            globals().pop(name, None)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
