"""keyvalue_scan: what is written while a scan is open is there when the scan has been left, and everything can still be changed."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from itertools import product
from typing import Any, cast

from prism_suites._judging import truth, value
from prism_suites._keyvalue_bulk import lists, numbered, store
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueScan
from prism_testkit.outcomes import law

_SIZE = 6
_TURNS = 8
"""What is left by ``break`` is closed by the event loop; in so many turns, where nothing has to be waited for."""

Body = Callable[[list[str]], Awaitable[None]]


class _LeftError(LookupError):
    """Raised in the body of a scan."""


async def _scan(kv: KeyValueScan, keys_only: bool, taken: int, body: Body) -> None:
    """Take some keys, run the body at the last of them, and leave by ``break``, so that nobody closes the scan but the loop."""
    given: list[str] = []
    async for item in kv.scan_keys() if keys_only else kv.scan():
        given.append(item if isinstance(item, str) else item[0])
        if len(given) == taken:
            await body(given)
            break


async def _close(kv: KeyValueScan, keys_only: bool, taken: int, body: Body) -> None:
    scan = cast("AsyncGenerator[Any, None]", kv.scan_keys() if keys_only else kv.scan())
    async with aclosing(scan):
        given: list[str] = []
        async for item in scan:
            given.append(item if isinstance(item, str) else item[0])
            if len(given) == taken:
                await body(given)
                return


async def _raise(kv: KeyValueScan, keys_only: bool, taken: int, body: Body) -> None:
    async def raising(given: list[str]) -> None:
        await body(given)
        raise _LeftError

    with contextlib.suppress(_LeftError):
        await _scan(kv, keys_only, taken, raising)


async def _cancel(kv: KeyValueScan, keys_only: bool, taken: int, body: Body) -> None:
    reached = asyncio.Event()

    async def waiting(given: list[str]) -> None:
        try:
            await body(given)
        finally:
            reached.set()
        await asyncio.Event().wait()

    task = asyncio.ensure_future(_scan(kv, keys_only, taken, waiting))
    task.add_done_callback(lambda _: reached.set())
    await reached.wait()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _end(kv: KeyValueScan, keys_only: bool, taken: int, body: Body) -> None:
    """Not left: it comes to its end, so that the same is seen of one that does."""
    given: list[str] = []
    async for item in kv.scan_keys() if keys_only else kv.scan():
        given.append(item if isinstance(item, str) else item[0])
        if len(given) == taken:
            await body(given)


_ENDS = {"break": _scan, "close": _close, "error": _raise, "cancel": _cancel, "end": _end}


@check("keyvalue_scan.7", "keyvalue_scan.3")
@gauntlet(
    lambda limits: [
        {"end": end, "taken": taken, "keys_only": bool(number % 2), "other": number % 4 > 1}
        for number, (end, taken) in enumerate(product(_ENDS, (1, 3, _SIZE)))
    ]
)
async def what_is_written_during_a_scan_stays_when_it_is_left(
    kv: KeyValueScan, case: Case, end: str, taken: int, keys_only: bool, other: bool
) -> None:
    """Overwrites, deletes and new keys, by whomever, before, at and behind the place where a scan was left, are kept; and
    afterwards each key can be overwritten and deleted as if there had been none."""
    rival = await case.client()
    writer = rival if other else kv
    items = numbered(f"k{number}" for number in range(_SIZE))
    await store(case, kv, items)

    async def write(given: list[str]) -> None:
        ahead = [name for name in sorted(items) if name not in given]
        for key in (given[0], *ahead[:1], "new"):
            await writer.set(key, b"written meanwhile")
            items[key] = b"written meanwhile"
        for key in {given[-1], *ahead[-1:]}:
            await writer.delete(key)
            del items[key]

    with law("keyvalue_scan.7"):
        await _ENDS[end](kv, keys_only, taken, write)
        for _ in range(_TURNS):
            await asyncio.sleep(0)
        for client in (kv, rival):
            await lists(client, items, promise="keyvalue_scan.7")
        for number, key in enumerate(f"k{number}" for number in range(_SIZE)):
            client = (kv, rival)[number % 2]
            if number % 2:
                value("keyvalue_scan.7", await kv.get(key), items.get(key), "what was written during a scan is not there after it")
            there = await client.delete(key)
            truth("keyvalue_scan.7", there, key in items, "after a scan was left delete does not say whether the key was there")
            value("keyvalue_scan.7", await client.get(key), None, "after a scan was left a key cannot be deleted")
            if number % 3:
                await client.set(key, b"again")
                value("keyvalue_scan.7", await kv.get(key), b"again", "after a scan was left a key cannot be written")
