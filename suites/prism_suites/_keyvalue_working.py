"""One call after another of every interface that a driver offers, each judged: whether all of it works, after something else."""

from collections.abc import Awaitable, Callable
from typing import Any

from prism_suites._judging import same
from prism_suites._keyvalue_looks import seconds_left
from prism_suites._keyvalue_retrying import transacted
from prism_testkit.interfaces import KeyValueBatch, KeyValueCas, KeyValueScan, KeyValueTransactional, KeyValueTtl
from prism_testkit.tap import offers

__all__ = ["works"]

_ONE, _TWO = "works one", "works two"


async def _in_transaction(kv: Any) -> object:
    async def body(transaction: Any) -> bool:
        await transaction.set(_ONE, b"set in a transaction")
        deleted: bool = await transaction.delete(_TWO)
        return deleted

    return await transacted(kv, body)


async def _expires(kv: Any) -> object:
    return await kv.expire(_ONE, 1e6), await kv.persist(_ONE), await seconds_left(kv, _ONE)


_Call = tuple[str, Callable[[Any], Awaitable[object]], object, bytes | None, bytes | None]
"""What it is called, the call, what it answers, and what the two keys hold afterwards."""
_BASIC: list[_Call] = [
    ("set", lambda kv: kv.set(_ONE, b"set"), None, b"set", None),
    ("delete", lambda kv: kv.delete(_ONE), True, None, None),
]
_MORE: tuple[tuple[type, list[_Call]], ...] = (
    (
        KeyValueBatch,
        [
            ("batch_set", lambda kv: kv.batch_set({_ONE: b"1", _TWO: b"2"}), None, b"1", b"2"),
            ("batch_get", lambda kv: kv.batch_get([_ONE, _TWO]), {_ONE: b"1", _TWO: b"2"}, b"1", b"2"),
            ("batch_delete", lambda kv: kv.batch_delete([_ONE, _TWO]), 2, None, None),
        ],
    ),
    (
        KeyValueCas,
        [
            ("compare_and_swap", lambda kv: kv.compare_and_swap(_ONE, None, b"swapped"), True, b"swapped", None),
            ("compare_and_delete", lambda kv: kv.compare_and_delete(_ONE, b"swapped"), True, None, None),
        ],
    ),
    (
        KeyValueTransactional,
        [
            ("set", lambda kv: kv.set(_TWO, b"before"), None, None, b"before"),
            ("a transaction", _in_transaction, True, b"set in a transaction", None),
            ("delete", lambda kv: kv.delete(_ONE), True, None, None),
        ],
    ),
    (
        KeyValueTtl,
        [
            ("set_with_ttl", lambda kv: kv.set_with_ttl(_ONE, b"lives", 1e6), None, b"lives", None),
            ("expire and persist", _expires, (True, True, None), b"lives", None),
            ("expire at once", lambda kv: kv.expire(_ONE, 0), True, None, None),
        ],
    ),
    (KeyValueScan, [("count", lambda kv: kv.count("works "), 0, None, None)]),
)


async def works(promise: str, kv: Any, after: str) -> None:
    """Judge that every call of every interface of a driver, whole, answers and does what it should; leaves nothing behind."""
    calls = [*_BASIC]
    for interface, more in _MORE:
        calls += more if offers(kv, interface) else []
    for name, call, answer, *held in calls:
        got = await call(kv)
        if answer is not None:
            same(promise, got, answer, f"{after}, {name} is answered wrongly")
        for key, expected in zip((_ONE, _TWO), held, strict=True):
            same(promise, await kv.get(key), expected, f"{after}, {name} has not the effect that it should have, on {key!r}")
