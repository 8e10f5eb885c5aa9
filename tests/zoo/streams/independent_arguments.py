"""What the independent drivers of streams refuse, before any effect."""

import math
from collections.abc import Mapping

from prism_testkit.interfaces import Bytes, Conflict, GroupStart
from prism_testkit.naming import check_headers, check_limit, check_name, check_payload, check_seconds

__all__ = ["MAKER", "Arguments", "Content", "whole"]

MAKER = "independent"

Content = tuple[str | None, bytes, dict[str, str]]
"""Key, payload and headers."""


def whole(number: int, what: str, least: int | None = 0) -> int:
    """Return an int; ``TypeError`` for what is none, ``ValueError`` for one below ``least``."""
    if not isinstance(number, int):
        raise TypeError(f"{MAKER}: {what} is an int, not {type(number).__name__}")
    if least is not None and number < least:
        raise ValueError(f"{MAKER}: {what}={number} is below {least}")
    return number


class Arguments:
    """The checks, each by itself."""

    def named(self, *names: str) -> None:
        for name in names:
            check_name(name, "call", MAKER)

    def content(self, payload: Bytes, key: str | None, headers: Mapping[str, str] | None) -> Content:
        data = check_payload(payload, "append", MAKER, "record")
        if key is not None:
            check_name(key, "append: key", MAKER)
        return key, data, check_headers(headers, "append", MAKER)

    def window(self, start: int, limit: int | None) -> tuple[int, int | None]:
        if limit is not None:
            whole(limit, "limit")
        return whole(start, "start"), check_limit(limit, "read", MAKER)

    def beginning(self, start: GroupStart) -> GroupStart:
        if isinstance(start, str):
            if start not in ("earliest", "latest"):
                raise ValueError(f"{MAKER}: create_group: start={start!r}")
            return start
        return whole(start, "start")

    def bounds(self, max_age_s: float | None, max_records: int | None) -> tuple[float | None, int | None]:
        if max_age_s is not None:
            if isinstance(max_age_s, str | bytes):
                raise TypeError(f"{MAKER}: max_age_s is a number")
            if not (math.isfinite(max_age_s) and max_age_s > 0):
                raise ValueError(f"{MAKER}: max_age_s={max_age_s!r}")
        if max_records is not None:
            whole(max_records, "max_records", 1)
        return max_age_s, max_records

    def delay(self, delay_s: float) -> float:
        return max(0.0, check_seconds(delay_s, "nack", MAKER))

    def foreign(self, token: str) -> Conflict:
        return Conflict(f"{MAKER}: {token} is not held by this member")
