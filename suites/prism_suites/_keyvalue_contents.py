"""A few keys in every state, what a transaction makes of them, and how to see which of the two is there."""

from collections.abc import Mapping
from typing import Any

from prism_suites._judging import truth, value

__all__ = ["NEW", "OLD", "expect", "prepare", "write"]

Contents = Mapping[str, bytes | None]
"""What each key holds; None is missing."""

OLD: dict[str, bytes | None] = {"a": b"old a", "b": b"old b", "empty": b"", "missing": None}
NEW: Mapping[str, dict[str, bytes | None]] = {
    "one": {"a": b"new"},
    "two": {"a": b"new a", "b": b"new b"},
    "to empty": {"a": b"", "missing": b""},
    "a deletion": {"a": None},
    "a creation": {"missing": b"new"},
    "all kinds": {"a": b"new", "b": None, "empty": None, "missing": b"new", "other": b"new"},
    "deletions": {"a": None, "b": None, "empty": None, "missing": None},
    "the same value": {"a": b"old a", "b": b"new"},
    "nothing": {},
}


async def prepare(kv: Any) -> None:
    """Write what is there before."""
    for key, held in OLD.items():
        if held is not None:
            await kv.set(key, held)


async def write(transaction: Any, writes: Contents) -> None:
    """Set and delete inside a transaction."""
    for key, held in writes.items():
        await (transaction.delete(key) if held is None else transaction.set(key, held))


async def expect(promise: str, kv: Any, expected: Contents, sentence: str) -> None:
    """Judge what a client reads of each key."""
    for key, held in expected.items():
        value(promise, await kv.get(key), held, f"{sentence}, the key {key}")
        truth(promise, await kv.exists(key), held is not None, f"{sentence}, the key {key}")
