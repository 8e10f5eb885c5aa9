"""What a call gave stays as it was given, whatever is called afterwards: nobody else has it."""

from typing import Any

from prism_suites._judging import broken
from prism_testkit.returned import portable

__all__ = ["Answers"]


class Answers:
    """Keeps answers, each beside a copy that was made when it came."""

    def __init__(self, promise: str) -> None:
        self.promise = promise
        self._kept: list[tuple[str, Any, Any]] = []

    def keep(self, call: str, answer: Any) -> Any:
        """Remember what a call gave, and return it."""
        self._kept.append((call, answer, portable(answer)))
        return answer

    def judge(self) -> None:
        """Judge that none has changed since it came."""
        for call, answer, copy in self._kept:
            if (now := portable(answer)) != copy:
                broken(self.promise, f"what {call} gave was changed by a later call", expected=copy, got=now)
