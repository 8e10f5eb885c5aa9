"""object_storage: a stream of any size passes through a few chunks of memory, in both directions.

Asked of stores that claim to keep objects outside of the process: one in memory holds them there.
"""

import gc
import hashlib
import tracemalloc
from collections.abc import AsyncIterator
from typing import Annotated

from prism_suites._judging import broken, same
from prism_suites._objects_asking import BUCKET, LONGEST_CHUNK
from prism_suites._tracing import Resident, traced
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import ObjectStorage
from prism_testkit.traits import Traits

_PROMISE = "object_storage.18"
_Durable = Annotated[ObjectStorage, Traits(durability="process")]
_MIB = 1 << 20
_FEW = 3 * LONGEST_CHUNK
_COUNT = 52
"""Chunks of a mebibyte: well over the few that may be held, and over ten parts of the least length that S3 takes, 5 MiB."""
_BESIDES = 20 * _MIB
"""By so much a process may grow for other reasons meanwhile."""


class _Gauge:
    """How many bytes were allocated at most since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self._start = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()

    def judge(self, sentence: str, known: int = 0) -> None:
        """``known``: bytes that others than the store hold, such as a history of what was given."""
        held = tracemalloc.get_traced_memory()[1] - self._start - known
        tracemalloc.reset_peak()
        if held > _FEW:
            told = f"{sentence} {held // _MIB} MiB are held in memory"
            broken(_PROMISE, told, expected=f"a few chunks of 8 MiB, as {_FEW // _MIB} MiB", got=f"{held} bytes")


def _chunk(number: int) -> bytes:
    return number.to_bytes(4, "big") * (_MIB // 4)


async def _source(count: int, gauge: _Gauge, resident: Resident, said: "hashlib._Hash") -> AsyncIterator[bytes]:
    for number in range(count):
        chunk = _chunk(number)
        said.update(chunk)
        yield chunk
        del chunk
        gauge.judge(f"when {number + 1} of {count} MiB of a stream were put,")
        resident.look()


@check(_PROMISE)
@gauntlet(lambda limits: [{"sized": False}, {"sized": True}])
async def a_long_stream_is_not_held(store: _Durable, case: Case, sized: bool) -> None:
    """However long a stream is, neither the one that puts it nor the one that reads it holds more than a few chunks (OB-14)."""
    count = min(_COUNT, case.limits.max_payload // _MIB)
    if count * _MIB <= _FEW:
        case.inconclusive(f"no object may be over {case.limits.max_payload} bytes here, which is less than a few chunks")
    await store.create_bucket(BUCKET)
    with traced():
        gauge, said, resident = _Gauge(), hashlib.sha256(), Resident()
        await store.put_stream(BUCKET, "k", _source(count, gauge, resident, said), size=count * _MIB if sized else None)
        gauge.judge(f"at the end of a stream of {count} MiB that was put,")
        resident.look()
        if resident.grown > _FEW + _BESIDES:
            grown = f"the process grew by {resident.grown // _MIB} MiB, in part outside of Python"
            told = f"while a stream of {count} MiB was put {grown}"
            broken(_PROMISE, told, expected=f"a few chunks of 8 MiB, as {_FEW // _MIB} MiB", got=f"{resident.grown} bytes")
        gauge, got, given = _Gauge(), hashlib.sha256(), 0
        async for chunk in store.get_stream(BUCKET, "k"):
            got.update(chunk)
            given += len(chunk)
            gauge.judge(f"when {given // _MIB} of {count} MiB of a stream were read,", known=given)
        gauge.judge(f"at the end of a stream of {count} MiB that was read,", known=given)
    same(_PROMISE, got.hexdigest(), said.hexdigest(), "a long stream is not read as it was put: SHA-256")
