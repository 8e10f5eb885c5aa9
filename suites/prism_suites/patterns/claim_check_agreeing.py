"""Claim check, promise 8: those who agree are let in, however they write down what they agree on."""

from typing import Any

from prism_patterns.claim_check import ClaimCheck, ClaimCheckConfig
from prism_suites._claims import T
from prism_suites._judging import broken
from prism_testkit.bound import Bound
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces.errors import ConfigError

_DEFAULTS = ClaimCheckConfig()
_SAME: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
    *(({}, {name: getattr(_DEFAULTS, name)}) for name in ("compression", "checksum", "max_age_s")),
    ({}, {"max_age_s": int(_DEFAULTS.max_age_s)}),
    ({"max_age_s": 100}, {"max_age_s": 100.0}),
    ({"max_age_s": 0}, {"max_age_s": 0.0}),
    ({"max_age_s": 10**9}, {"max_age_s": 1e9}),
    ({"compression": "gzip"}, {"compression": "gzip", "checksum": "sha256", "max_age_s": float(_DEFAULTS.max_age_s)}),
)
"""Configurations that are equal, however they are written."""


@check("CC8")
@gauntlet(lambda limits: [{"sides": sides} for sides in _SAME])
async def those_who_agree_are_let_in(claims: Bound[ClaimCheck], case: Case, sides: tuple[dict[str, Any], ...]) -> None:
    """Equal is equal, left out or given, whole or not: whoever comes first (CC-8)."""
    for number, order in enumerate((sides, sides[::-1])):
        for config in (*order, *order):
            try:
                async with claims.opened(threshold=T, cleanup="sweep", prefix=f"claims{number}", **config):
                    pass
            except ConfigError as error:
                broken("CC8", "one who agrees is refused", expected="open", got=f"{config}: {error}")
