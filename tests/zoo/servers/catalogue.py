"""Every change of a driver over a real server."""

from . import changes_valkey_keyvalue
from .change import Change

__all__ = ["CHANGES"]

CHANGES: list[Change] = [
    *changes_valkey_keyvalue.CHANGES,
]
