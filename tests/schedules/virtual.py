"""How far virtual time is from where it began."""

from prism_testkit.clock import VirtualClock

__all__ = ["passed_ns"]

START_NS = VirtualClock.START_S * 1_000_000_000


def passed_ns(clock: VirtualClock) -> int:
    return clock.now_ns() - START_NS
