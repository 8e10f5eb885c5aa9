"""The limits of the backend that runs the present check, read by the strategies when they draw."""

from contextvars import ContextVar

from prism_testkit.traits import Limits

__all__ = ["current_limits"]

current_limits: ContextVar[Limits] = ContextVar("current_limits", default=Limits())  # noqa: B039  Limits is frozen
"""Set by the harness around a check, so that a strategy built at import time keeps to the backend that it runs on."""
