"""Every way to write a value that a driver may offer, so that what holds of `set` is asked of all of them."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._keyvalue_retrying import TRIES
from prism_testkit.interfaces import Bytes, Conflict, KeyValueBatch, KeyValueCas, KeyValueTransactional, KeyValueTtl
from prism_testkit.outcomes import Violation
from prism_testkit.tap import offers

__all__ = ["WAYS", "write"]

Way = Callable[[Any, str, Bytes, Callable[[], None]], Awaitable[None]]
"""(store, key, value, what to do between the call and its effect, where there is a between)."""


async def _set(kv: Any, key: str, value: Bytes, between: Callable[[], None]) -> None:
    await kv.set(key, value)


async def _with_ttl(kv: Any, key: str, value: Bytes, between: Callable[[], None]) -> None:
    await kv.set_with_ttl(key, value, 3600.0)


async def _batch(kv: Any, key: str, value: Bytes, between: Callable[[], None]) -> None:
    await kv.batch_set({key: value})


async def _create(kv: Any, key: str, value: Bytes, between: Callable[[], None]) -> None:
    await kv.delete(key)
    if not await kv.compare_and_swap(key, None, value):
        raise Violation.of("keyvalue_cas.2", "a missing key could not be created", expected=True, got=False)


async def _swap(kv: Any, key: str, value: Bytes, between: Callable[[], None]) -> None:
    await kv.set(key, b"before")
    if not await kv.compare_and_swap(key, b"before", value):
        raise Violation.of("keyvalue_cas.1", "a swap from the value that the key holds failed", expected=True, got=False)


async def _transaction(kv: Any, key: str, value: Bytes, between: Callable[[], None]) -> None:
    original = bytes(value)
    for _ in range(TRIES):
        try:
            async with kv.transaction() as transaction:
                await transaction.set(key, value)
                between()
        except Conflict:
            # A needless one is legal; retried alone the transaction succeeds, with the value as it was.
            if isinstance(value, bytearray):
                value[:] = original
            continue
        return
    raise Violation.of(
        "keyvalue_transactional.6", f"retried alone, a transaction raised Conflict {TRIES} times", expected="a commit"
    )


WAYS: dict[str, tuple[type | None, Way]] = {
    "set": (None, _set),
    "set_with_ttl": (KeyValueTtl, _with_ttl),
    "batch_set": (KeyValueBatch, _batch),
    "compare_and_swap of a missing key": (KeyValueCas, _create),
    "compare_and_swap": (KeyValueCas, _swap),
    "transaction": (KeyValueTransactional, _transaction),
}


async def write(kv: Any, way: str, key: str, value: Bytes, between: Callable[[], None] = lambda: None) -> bool:
    """Write by a way of `WAYS`; False if the driver does not offer it."""
    protocol, call = WAYS[way]
    if protocol is not None and not offers(kv, protocol):
        return False
    await call(kv, key, value, between)
    return True
