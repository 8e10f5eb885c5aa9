"""Time as a check of queues knows it."""

from prism_suites._keyvalue_deadlines import Times as _Times

__all__ = ["Times"]


class Times(_Times):
    """As for keys; what lies behind a deadline is left to another ladder where time cannot be moved."""

    ladder = "queue_visibility_real"
