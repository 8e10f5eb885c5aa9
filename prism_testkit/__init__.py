"""prism-testkit: does a data-access pattern keep its promises on the backends it runs on?

``import prism_testkit as prism``. Everything here is imported on first use (PEP 562), so that a driver or an application that
needs one Protocol pays for one Protocol.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prism_testkit.backend import Backend as Backend
    from prism_testkit.backend import Place as Place
    from prism_testkit.backend import Server as Server
    from prism_testkit.clock import Clock as Clock
    from prism_testkit.clock import RealClock as RealClock
    from prism_testkit.clock import VirtualClock as VirtualClock
    from prism_testkit.hookspecs import hookimpl as hookimpl
    from prism_testkit.naming import check_limit as check_limit
    from prism_testkit.naming import check_name as check_name
    from prism_testkit.naming import check_payload as check_payload
    from prism_testkit.naming import check_prefix as check_prefix
    from prism_testkit.naming import check_seconds as check_seconds
    from prism_testkit.pattern import Pattern as Pattern
    from prism_testkit.pattern import Suite as Suite
    from prism_testkit.traits import Limits as Limits
    from prism_testkit.traits import Traits as Traits
    from prism_testkit.waivers import Waiver as Waiver

_HOME = {
    "Backend": "backend",
    "Clock": "clock",
    "Limits": "traits",
    "Pattern": "pattern",
    "Place": "backend",
    "RealClock": "clock",
    "Server": "backend",
    "Suite": "pattern",
    "Traits": "traits",
    "VirtualClock": "clock",
    "Waiver": "waivers",
    "check_limit": "naming",
    "check_name": "naming",
    "check_payload": "naming",
    "check_prefix": "naming",
    "check_seconds": "naming",
    "hookimpl": "hookspecs",
}

__all__ = sorted(_HOME)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module 'prism_testkit' has no attribute {name!r}")
    value = getattr(importlib.import_module(f"prism_testkit.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
