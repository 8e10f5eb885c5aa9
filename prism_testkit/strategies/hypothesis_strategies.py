"""Hypothesis strategies for names, payloads and times to live that make mistakes visible.

They read the limits of the bound backend from `current_limits` when they draw, so a strategy built at import time keeps to the
backend that the check runs on. All shrink towards the short and plain: ``"a"``, ``("a", "b")``, ``b""``.
"""

from collections.abc import Sequence

from hypothesis import strategies as st

from prism_testkit.strategies import _decoding
from prism_testkit.strategies._decoding import CODE
from prism_testkit.strategies._limits import current_limits
from prism_testkit.strategies.ladders import durations

__all__ = ["names", "payload_pools", "payloads", "prefixes", "ttls", "universes"]

_codes = st.binary(min_size=CODE, max_size=CODE)


def names() -> st.SearchStrategy[str]:
    """Return a strategy for one legal name: plain, long, strange, or a confusable partner of such a one."""
    return _codes.map(lambda code: _decoding.name_of(code, current_limits.get().max_name))


def universes(min_size: int = 2, max_size: int = 8) -> st.SearchStrategy[tuple[str, ...]]:
    """Return a strategy for a tuple of distinct legal names, most of them confusable partners of another in the tuple.

    Few names used again and again find what depends on the order of operations; partners find what takes names for each other.
    """
    codes = st.lists(_codes, min_size=min_size, max_size=max_size)
    return codes.map(lambda drawn: _decoding.universe_of(drawn, current_limits.get().max_name))


def prefixes(universe: Sequence[str]) -> st.SearchStrategy[str]:
    """Return a strategy for prefixes to scan a universe with: empty, a name, its beginning, a partner of either, another name."""
    names = tuple(universe)
    return _codes.map(lambda code: _decoding.prefix_of(names, code, current_limits.get().max_name))


def payloads() -> st.SearchStrategy[bytes]:
    """Return a strategy for payloads of at most a few KiB: any bytes, every size of the ladder, look-alikes of encodings.

    The sizes above that, up to ``max_payload``, are in `gauntlet_payloads`, once each.
    """
    return _codes.map(lambda code: _decoding.payload_of(code, current_limits.get().max_payload))


def payload_pools(min_size: int = 2, max_size: int = 6) -> st.SearchStrategy[tuple[bytes, ...]]:
    """Return a strategy for a tuple of distinct payloads, most of them confusable partners of another in the tuple.

    What compare-and-swap compares by digest, prefix, text or number is told apart by these.
    """
    codes = st.lists(_codes, min_size=min_size, max_size=max_size)
    return codes.map(lambda drawn: _decoding.payloads_of(drawn, current_limits.get().max_payload))


def ttls(least: float = 0.001, most: float = 1e10) -> st.SearchStrategy[float]:
    """Return a strategy for times to live in seconds, ``least`` and ``most`` included, from the ladder; 1 is the plainest.

    With ``least`` of 0 or less there are some that expire at once.
    """
    given = [seconds for seconds in (*durations(), 0.0, -0.001, -1.0, -60.0, -1e10, least, most) if least <= seconds <= most]
    plainest = sorted(dict.fromkeys(given), key=lambda seconds: (not seconds.is_integer() or seconds < 1, abs(seconds), seconds))
    return st.sampled_from(plainest)
