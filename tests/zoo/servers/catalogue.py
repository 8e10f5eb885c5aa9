"""Every change of a driver over a real server."""

from . import changes_valkey_keyvalue, changes_valkey_keyvalue_calls, changes_valkey_queue
from .change import Change

__all__ = ["CHANGES"]

CHANGES: list[Change] = [
    *changes_valkey_keyvalue.CHANGES,
    *changes_valkey_keyvalue_calls.CHANGES,
    *changes_valkey_queue.CHANGES,
]
