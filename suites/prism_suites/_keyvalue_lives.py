"""How a key comes to a deadline, loses it, is touched, and ends: tables, so that every way meets every look.

Each entry names the interface it needs beside `KeyValueTtl`. A way that cannot tell what came of it, because a call took longer
than a deadline on the way, gives None: there is nothing certain to judge.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from prism_suites._judging import truth
from prism_suites._keyvalue_deadlines import Times
from prism_suites._keyvalue_model import Window
from prism_suites._keyvalue_retrying import transacted

__all__ = ["CLEARS", "ENDS", "MAKES", "REWRITES", "Way", "names_of"]

Make = Callable[[Any, Times, str, bytes, float], Awaitable[Window | None]]
"""(store, times, key, value, ttl_s) -> the deadline."""
Clear = Callable[[Any, str, bytes, bytes], Awaitable[object]]
"""(store, key, old value, new value): leaves the new value, or the old one if it writes none, without a deadline."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way, the interface that it needs, and the promise that breaks if the deadline is then another, or there still."""

    interface: str
    run: Any
    promise: str = ""


async def _set_with_ttl(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    _, now = await times.during(kv.set_with_ttl(key, value, ttl_s))
    return now.after(ttl_s)


async def _expire(kv: Any, times: Times, key: str, ttl_s: float, before: Window | None = None) -> Window | None:
    done, now = await times.during(kv.expire(key, ttl_s))
    if not done and not times.is_present(before, now):
        return None
    truth("keyvalue_ttl.7", done, True, "expire says False of a key that is present")
    return now.after(ttl_s)


async def _set_expire(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set(key, value)
    return await _expire(kv, times, key, ttl_s)


async def _over_a_value(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set(key, b"before" + value)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _over_the_same_value(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set_with_ttl(key, value, ttl_s * 2)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _over_a_longer(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set_with_ttl(key, b"before", ttl_s + 5000)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _over_a_shorter(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set_with_ttl(key, b"before", ttl_s / 2)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _expire_shorter(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    before = await _set_with_ttl(kv, times, key, value, ttl_s + 5000)
    return await _expire(kv, times, key, ttl_s, before)


async def _expire_longer(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    before = await _set_with_ttl(kv, times, key, value, ttl_s / 2)
    return await _expire(kv, times, key, ttl_s, before)


async def _expire_later(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    """The same seconds again when half of them are gone: the deadline counts from now, not from the write or the old one."""
    before = await _set_with_ttl(kv, times, key, value, ttl_s)
    await times.move(round(ttl_s * 500) / 1000)
    return await _expire(kv, times, key, ttl_s, before)


async def _set_again_later(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set_with_ttl(key, value, ttl_s)
    await times.move(round(ttl_s * 500) / 1000)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _expire_thrice(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    deadline: Window | None = None
    await kv.set(key, value)
    for seconds in (ttl_s * 3, ttl_s * 2, ttl_s):
        deadline = await _expire(kv, times, key, seconds, deadline)
        if deadline is None:
            return None
    return deadline


async def _persist_expire(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    before = await _set_with_ttl(kv, times, key, value, ttl_s * 2)
    assert before is not None
    done, now = await times.during(kv.persist(key))
    if not times.is_present(before, now):
        return None
    truth("keyvalue_ttl.8", done, True, "persist says False of a key that has a deadline")
    return await _expire(kv, times, key, ttl_s)


async def _deleted_before(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set_with_ttl(key, b"before", ttl_s / 2)
    await kv.delete(key)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _at_once_before(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.set_with_ttl(key, b"before", 0)
    return await _set_with_ttl(kv, times, key, value, ttl_s)


async def _batch_expire(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.batch_set({key: value, "beside": value})
    return await _expire(kv, times, key, ttl_s)


async def _swap_expire(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await kv.delete(key)
    await kv.compare_and_swap(key, None, value)
    return await _expire(kv, times, key, ttl_s)


async def _transaction_expire(kv: Any, times: Times, key: str, value: bytes, ttl_s: float) -> Window | None:
    await transacted(kv, lambda transaction: transaction.set(key, value))
    return await _expire(kv, times, key, ttl_s)


MAKES: dict[str, Way] = {
    "set_with_ttl": Way("keyvalue_ttl", _set_with_ttl),
    "set, expire": Way("keyvalue_ttl", _set_expire, "keyvalue_ttl.7"),
    "set, set_with_ttl": Way("keyvalue_ttl", _over_a_value, "keyvalue_ttl.3"),
    "set_with_ttl twice, the same value": Way("keyvalue_ttl", _over_the_same_value, "keyvalue_ttl.3"),
    "set_with_ttl over a longer one": Way("keyvalue_ttl", _over_a_longer, "keyvalue_ttl.3"),
    "set_with_ttl over a shorter one": Way("keyvalue_ttl", _over_a_shorter, "keyvalue_ttl.3"),
    "set_with_ttl, half of it later again": Way("keyvalue_ttl", _set_again_later, "keyvalue_ttl.3"),
    "expire, shorter": Way("keyvalue_ttl", _expire_shorter, "keyvalue_ttl.7"),
    "expire, longer": Way("keyvalue_ttl", _expire_longer, "keyvalue_ttl.7"),
    "expire, half of it later": Way("keyvalue_ttl", _expire_later, "keyvalue_ttl.7"),
    "expire three times": Way("keyvalue_ttl", _expire_thrice, "keyvalue_ttl.7"),
    "persist, expire": Way("keyvalue_ttl", _persist_expire, "keyvalue_ttl.7"),
    "delete, set_with_ttl": Way("keyvalue_ttl", _deleted_before, "keyvalue_ttl.10"),
    "no time to live, set_with_ttl": Way("keyvalue_ttl", _at_once_before, "keyvalue_ttl.10"),
    "batch_set, expire": Way("keyvalue_batch", _batch_expire, "keyvalue_ttl.7"),
    "compare_and_swap, expire": Way("keyvalue_cas", _swap_expire, "keyvalue_ttl.7"),
    "transaction, expire": Way("keyvalue_transactional", _transaction_expire, "keyvalue_ttl.7"),
}


async def _set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await kv.set(key, new)


async def _batch_set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await kv.batch_set({"beside": b"x", key: new, "behind": b"y"})


async def _batch_set_first(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await kv.batch_set({key: new, "behind": b"y"})


async def _batch_set_last(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await kv.batch_set({"beside": b"x", key: new})


async def _batch_set_one(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await kv.batch_set({key: new})


async def _transaction_set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await transacted(kv, lambda transaction: transaction.set(key, new))


async def _transaction_read_set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    async def body(transaction: Any) -> None:
        await transaction.get(key)
        await transaction.set("beside", b"x")
        await transaction.set(key, new)

    await transacted(kv, body)


async def _transaction_delete_set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    async def body(transaction: Any) -> None:
        await transaction.delete(key)
        await transaction.set(key, new)

    await transacted(kv, body)


async def _transaction_set_delete_set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    async def body(transaction: Any) -> None:
        await transaction.set(key, old)
        await transaction.delete(key)
        await transaction.set(key, new)

    await transacted(kv, body)


async def _swap(kv: Any, key: str, old: bytes, new: bytes) -> None:
    truth("keyvalue_cas.1", await kv.compare_and_swap(key, old, new), True, "compare_and_swap refuses the value that the key holds")


async def _delete_set(kv: Any, key: str, old: bytes, new: bytes) -> None:
    await kv.delete(key)
    await kv.set(key, new)


async def _persist(kv: Any, key: str, old: bytes, new: bytes) -> None:
    truth("keyvalue_ttl.8", await kv.persist(key), True, "persist says False of a key that has a deadline")


CLEARS: dict[str, Way] = {
    "set": Way("keyvalue_ttl", _set, "keyvalue_ttl.3"),
    "persist": Way("keyvalue_ttl", _persist, "keyvalue_ttl.8"),
    "delete, set": Way("keyvalue_ttl", _delete_set, "keyvalue_ttl.10"),
    "batch_set": Way("keyvalue_batch", _batch_set, "keyvalue_ttl.3"),
    "batch_set of one": Way("keyvalue_batch", _batch_set_one, "keyvalue_ttl.3"),
    "batch_set, first": Way("keyvalue_batch", _batch_set_first, "keyvalue_ttl.3"),
    "batch_set, last": Way("keyvalue_batch", _batch_set_last, "keyvalue_ttl.3"),
    "transaction": Way("keyvalue_transactional", _transaction_set, "keyvalue_ttl.3"),
    "transaction that read it": Way("keyvalue_transactional", _transaction_read_set, "keyvalue_ttl.3"),
    "transaction, deleted first": Way("keyvalue_transactional", _transaction_delete_set, "keyvalue_ttl.3"),
    "transaction, written, deleted, written": Way("keyvalue_transactional", _transaction_set_delete_set, "keyvalue_ttl.3"),
    "compare_and_swap": Way("keyvalue_cas", _swap, "keyvalue_ttl.4"),
}


async def _ended_by_delete(kv: Any, key: str, value: bytes) -> None:
    await kv.delete(key)


async def _ended_at_once(kv: Any, key: str, value: bytes) -> None:
    await kv.set_with_ttl(key, value, -1.5)


async def _ended_by_expire(kv: Any, key: str, value: bytes) -> None:
    await kv.expire(key, 0)


async def _ended_by_batch(kv: Any, key: str, value: bytes) -> None:
    await kv.batch_delete(["another", key])


async def _ended_by_comparing(kv: Any, key: str, value: bytes) -> None:
    await kv.compare_and_delete(key, value)


async def _ended_by_transaction(kv: Any, key: str, value: bytes) -> None:
    await transacted(kv, lambda transaction: transaction.delete(key))


async def _created(kv: Any, key: str, old: bytes, new: bytes) -> None:
    truth("keyvalue_cas.2", await kv.compare_and_swap(key, None, new), True, "compare_and_swap from None refuses a missing key")


REWRITES: dict[str, Way] = {
    "set": CLEARS["set"],
    "batch_set": CLEARS["batch_set"],
    "transaction": CLEARS["transaction"],
    "transaction that read it": CLEARS["transaction that read it"],
    "compare_and_swap from nothing": Way("keyvalue_cas", _created),
}
"""How a key that is missing is written without a deadline."""

ENDS: dict[str, Way] = {
    "delete": Way("keyvalue_ttl", _ended_by_delete),
    "set_with_ttl below 0": Way("keyvalue_ttl", _ended_at_once),
    "expire at once": Way("keyvalue_ttl", _ended_by_expire),
    "batch_delete": Way("keyvalue_batch", _ended_by_batch),
    "compare_and_delete": Way("keyvalue_cas", _ended_by_comparing),
    "transaction": Way("keyvalue_transactional", _ended_by_transaction),
}
"""How a key that is there goes away, other than by its deadline."""


def names_of(table: dict[str, Way], *interfaces: str) -> list[str]:
    """Return the names of the ways that need one of ``interfaces``."""
    return [name for name, way in table.items() if way.interface in interfaces]
