"""Argument checks that the stream drivers of every shipped backend share; each comes before any effect."""

from collections.abc import Iterable

import prism_testkit as prism
from prism_testkit.interfaces.stream import GroupStart, RecordDelivery

__all__ = ["check_deliveries", "check_key", "check_most", "check_offset", "check_records", "check_start"]


def check_offset(offset: int, operation: str, backend: str) -> int:
    """Return an offset; raise ``TypeError`` for what is no int and ``ValueError`` for a negative one."""
    if not isinstance(offset, int):
        raise TypeError(f"{backend}: {operation}: an offset is int, not {type(offset).__name__}")
    if offset < 0:
        raise ValueError(f"{backend}: {operation}: the offset {offset} is negative")
    return offset


def check_start(start: GroupStart, operation: str, backend: str) -> GroupStart:
    """Return where a group begins; raise ``ValueError`` for another text than "earliest" and "latest"."""
    if start in ("earliest", "latest"):
        return start
    if isinstance(start, str):
        raise ValueError(f"{backend}: {operation}: start is 'earliest', 'latest' or an offset, not {start[:40]!a}")
    return check_offset(start, operation, backend)


def check_key(key: str | None, operation: str, backend: str) -> bytes | None:
    """Return the UTF-8 bytes of the key of a record, or None; raise `InvalidName` for what is no legal name."""
    return None if key is None else prism.check_name(key, f"{operation}: key", backend)


def check_most(most: int, operation: str, backend: str) -> int:
    """Return how many records a receive may give; raise ``ValueError`` below 1 and ``TypeError`` for what is no int."""
    if not isinstance(most, int):
        raise TypeError(f"{backend}: {operation}: max_records is int, not {type(most).__name__}")
    if most < 1:
        raise ValueError(f"{backend}: {operation}: max_records={most} is below 1")
    return most


def check_records(limit: int | None, operation: str, backend: str) -> int | None:
    """Return the bound of a read; raise ``ValueError`` for a negative one and ``TypeError`` for what is no int and not None."""
    if limit is not None and not isinstance(limit, int):
        raise TypeError(f"{backend}: {operation}: limit is int or None, not {type(limit).__name__}")
    return prism.check_limit(limit, operation, backend)


def check_deliveries(deliveries: Iterable[RecordDelivery], operation: str, backend: str) -> None:
    """Raise ``TypeError`` for what is no delivery."""
    for delivery in deliveries:
        if not isinstance(delivery, RecordDelivery):
            raise TypeError(f"{backend}: {operation}: a delivery is RecordDelivery, not {type(delivery).__name__}")
