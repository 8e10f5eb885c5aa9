"""Calls of a queue that come to nothing, as a table: what stands behind them is as if they had not been."""

import math

from prism_suites._behind import Refusal
from prism_testkit.interfaces import QueueBasic, QueueDeadLetter, QueueDelayed, QueuePriority, QueueVisibility

__all__ = ["REFUSALS"]

_TOO_MANY = {"h": "v" * 9000}
REFUSALS: dict[str, Refusal] = {
    "enqueue under no name": Refusal(object, "queue_basic.7", lambda q, held: q.enqueue("", b"refused", {"r": "1"})),
    "enqueue with too many headers": Refusal(object, "queue_basic.7", lambda q, held: q.enqueue("scene", b"refused", _TOO_MANY)),
    "dequeue without an end": Refusal(QueueBasic, "queue_basic.4", lambda q, held: q.dequeue("scene", math.nan)),
    "dequeue under no name": Refusal(QueueBasic, "queue_basic.7", lambda q, held: q.dequeue("")),
    "receive for no time": Refusal(QueueVisibility, "queue_visibility.10", lambda q, held: q.receive("scene", 0)),
    "receive for NaN": Refusal(QueueVisibility, "queue_visibility.10", lambda q, held: q.receive("scene", math.nan)),
    "receive under no name": Refusal(QueueVisibility, "queue_visibility.15", lambda q, held: q.receive("", 60.0)),
    "extend by NaN": Refusal(QueueVisibility, "queue_visibility.10", lambda q, held: q.extend(held["valid"], math.nan)),
    "extend by no time": Refusal(QueueVisibility, "queue_visibility.10", lambda q, held: q.extend(held["valid"], 0)),
    "ack of what ended": Refusal(QueueVisibility, "queue_visibility.5", lambda q, held: q.ack(held["ended"])),
    "extend of what ended": Refusal(QueueVisibility, "queue_visibility.5", lambda q, held: q.extend(held["ended"], 60.0)),
    "release of what ended": Refusal(QueueVisibility, "queue_visibility.5", lambda q, held: q.release(held["ended"])),
    "configure itself": Refusal(
        QueueDeadLetter, "queue_dead_letter.6", lambda q, held: q.configure_dead_letter("dying", "dying", 5)
    ),
    "configure no attempts": Refusal(
        QueueDeadLetter, "queue_dead_letter.6", lambda q, held: q.configure_dead_letter("dying", "other", 0)
    ),
    "configure no name": Refusal(QueueDeadLetter, "queue_dead_letter.10", lambda q, held: q.configure_dead_letter("dying", "", 5)),
    "redrive under no name": Refusal(QueueDeadLetter, "queue_dead_letter.10", lambda q, held: q.redrive("")),
    "a priority of 10": Refusal(
        QueuePriority, "queue_priority.2", lambda q, held: q.enqueue_with_priority("scene", b"refused", priority=10)
    ),
    "a priority of -1": Refusal(
        QueuePriority, "queue_priority.2", lambda q, held: q.enqueue_with_priority("scene", b"refused", priority=-1)
    ),
    "a delay of NaN": Refusal(
        QueueDelayed, "queue_delayed.3", lambda q, held: q.enqueue_delayed("scene", b"refused", delay_s=math.nan)
    ),
    "a delay without end": Refusal(
        QueueDelayed, "queue_delayed.3", lambda q, held: q.enqueue_delayed("scene", b"refused", delay_s=math.inf)
    ),
}
