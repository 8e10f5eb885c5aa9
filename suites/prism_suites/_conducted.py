"""What checks have in common that conduct several processes."""

from prism_suites._judging import broken
from prism_testkit.returned import Returned, Told

__all__ = ["done"]


def done(told: Told, promise: str, beside: str = "") -> Returned:
    """Return what stands for the result of a call that may not raise; ``beside``: when it was made, for the verdict."""
    if told.error is not None:
        broken(promise, f"{told.op}{beside} raised", expected="no error", got=told.error)
    return Returned(told.step)
