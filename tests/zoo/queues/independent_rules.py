"""What the independent queues share: the arguments that their calls refuse."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import prism_testkit as prism
from prism_testkit.interfaces import Bytes
from prism_testkit.traits import Limits

__all__ = ["Draft", "Rules"]

_NAME = "independent"


@dataclass(frozen=True, slots=True)
class Draft:
    """What a call of the enqueue kind asks for, checked and copied."""

    queue: str
    payload: bytes
    headers: dict[str, str] = field(default_factory=dict)
    rank: int = 0
    delay_s: float = 0.0


class Rules:
    """Checks that come before any effect."""

    limits = Limits()

    def queue(self, name: str, call: str) -> str:
        prism.check_name(name, call, _NAME, self.limits)
        return name

    def draft(
        self, call: str, queue: str, payload: Bytes, headers: Mapping[str, str] | None, rank: int = 0, delay_s: float = 0.0
    ) -> Draft:
        self.queue(queue, call)
        data = prism.check_payload(payload, call, _NAME, queue, self.limits)
        copy = prism.check_headers(headers, call, _NAME)
        return Draft(queue, data, copy, self.rank(rank), self.delay(delay_s, call))

    def rank(self, rank: int) -> int:
        if isinstance(rank, bool) or not isinstance(rank, int):
            raise TypeError(f"{_NAME}: a priority is int, not {type(rank).__name__}")
        if rank not in range(10):
            raise ValueError(f"{_NAME}: priority {rank} is not one of 0 to 9")
        return rank

    def delay(self, delay_s: float, call: str) -> float:
        return prism.check_timeout(delay_s, call, _NAME)

    def wait(self, timeout_s: float, call: str) -> float:
        return prism.check_timeout(timeout_s, call, _NAME)

    def lease(self, seconds: float, call: str) -> float:
        prism.check_seconds(seconds, call, _NAME)
        if seconds <= 0:
            raise ValueError(f"{_NAME}: {call}: {seconds!r} s is not above 0")
        return seconds

    def policy(self, queue: str, target: str, attempts: int) -> tuple[str, str, int]:
        self.queue(queue, "configure_dead_letter")
        self.queue(target, "configure_dead_letter")
        if queue == target or attempts < 1 or not math.isfinite(attempts):
            raise ValueError(f"{_NAME}: {queue[:40]!a} cannot die into {target[:40]!a} after {attempts} attempts")
        return queue, target, attempts
