"""Checks of the arguments that only publish and subscribe has; every backend's driver calls them before any effect."""

from typing import get_args

from prism_testkit.interfaces.pubsub import Delivery, Start

__all__ = ["check_most", "check_start", "tokens_of"]

_MOST = 1000


def check_start(start: Start, backend: str) -> Start:
    """Return where a durable subscription begins; raise ``ValueError`` for anything but ``new`` and ``earliest``."""
    if start not in get_args(Start):
        raise ValueError(f"{backend}: subscribe_durable: start={start!r} is neither 'new' nor 'earliest'")
    return start


def check_most(max_messages: int, backend: str) -> int:
    """Return how many deliveries may come at once, never more than a store counts in one go.

    Raises ``ValueError`` below 1 and ``TypeError`` for what is no whole number.
    """
    if not isinstance(max_messages, int):
        raise TypeError(f"{backend}: receive: max_messages is int, not {type(max_messages).__name__}")
    if max_messages < 1:
        raise ValueError(f"{backend}: receive: max_messages={max_messages} is below 1")
    return min(int(max_messages), _MOST)


def tokens_of(deliveries: tuple[Delivery, ...], operation: str, backend: str) -> list[str]:
    """Return the token of each delivery once; raise ``TypeError`` if something else is among them."""
    for delivery in deliveries:
        if not isinstance(delivery, Delivery):
            raise TypeError(f"{backend}: {operation}: a delivery is a Delivery, not {type(delivery).__name__}")
    return list(dict.fromkeys(delivery.token for delivery in deliveries))
