"""Argument checks that the queue drivers of every shipped backend share; each comes before any effect."""

import prism_testkit as prism

__all__ = ["check_delay", "check_lease_seconds", "check_policy", "check_priority"]

_PRIORITIES = range(10)


def check_priority(priority: int, backend: str) -> int:
    """Return a priority; raise ``TypeError`` for what is no int and ``ValueError`` outside of 0 to 9."""
    if not isinstance(priority, int):
        raise TypeError(f"{backend}: enqueue_with_priority: a priority is int, not {type(priority).__name__}")
    if priority not in _PRIORITIES:
        raise ValueError(f"{backend}: enqueue_with_priority: priority={priority} is not one of 0 to 9")
    return int(priority)


def check_delay(delay_s: float, backend: str, longest_s: float) -> float:
    """Return a delay, 0 for a negative one; raise ``ValueError`` for NaN, infinities and more than ``longest_s``."""
    return max(0.0, _bounded(delay_s, "enqueue_delayed", "delay_s", backend, longest_s))


def check_lease_seconds(seconds: float, operation: str, backend: str, longest_s: float) -> float:
    """Return how long a lease is to last; raise ``ValueError`` unless it is above 0 and at most ``longest_s``."""
    if _bounded(seconds, operation, "seconds of a lease", backend, longest_s) <= 0:
        raise ValueError(f"{backend}: {operation}: {seconds!r} seconds: a lease lasts more than 0")
    return +seconds


def check_policy(queue: str, target: str, max_attempts: int, backend: str) -> int:
    """Return ``max_attempts``; raise unless messages of ``queue`` may die into ``target`` after so many failed deliveries."""
    prism.check_name(queue, "configure_dead_letter", backend)
    prism.check_name(target, "configure_dead_letter: target", backend)
    if not isinstance(max_attempts, int):
        raise TypeError(f"{backend}: configure_dead_letter: max_attempts is int, not {type(max_attempts).__name__}")
    if max_attempts < 1:
        raise ValueError(f"{backend}: configure_dead_letter: max_attempts={max_attempts} is below 1")
    if target == queue:
        raise ValueError(f"{backend}: configure_dead_letter {queue[:40]!a}: a queue cannot be its own target")
    return int(max_attempts)


def _bounded(seconds: float, operation: str, name: str, backend: str, longest_s: float) -> float:
    if prism.check_seconds(seconds, operation, backend) > longest_s:
        raise ValueError(f"{backend}: {operation}: {name}={seconds!r} is above {longest_s:g}")
    return seconds
