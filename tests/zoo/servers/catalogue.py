"""Every change of a driver over a real server, and those that leave it right."""

from . import changes_valkey_keyvalue, changes_valkey_keyvalue_calls, changes_valkey_queue
from .change import Change

__all__ = ["CHANGES", "UNUSUAL"]

CHANGES: list[Change] = [
    *changes_valkey_keyvalue.CHANGES,
    *changes_valkey_keyvalue_calls.CHANGES,
    *changes_valkey_queue.CHANGES,
]

UNUSUAL: list[tuple[Change, str, str]] = [
    (
        Change(
            name="nats_subscribes_again_late",
            backend="nats",
            module="prism_backends.nats.listening",
            before="        wait_s = _FIRST_RETRY_S\n",
            after="        wait_s = _FIRST_RETRY_S\n        await asyncio.sleep(0.3 if id(self) % 32 else 0.6)\n",
            why="whoever connects again takes his time; what is published before passes by, and gaps tells it",
        ),
        "pubsub_*",
        "subscriptions_outlive_their_server",
    ),
]
"""Right drivers, the suites that they are run against, and the checks, as pytest's ``-k``."""
