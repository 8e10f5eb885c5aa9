"""Every form in which bytes may be handed over, and checks that a payload is its bytes, whatever the form."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from prism_suites._judging import refused, same, value
from prism_testkit.interfaces import PayloadTooLarge
from prism_testkit.outcomes import law
from prism_testkit.strategies import current_limits, patterned
from prism_testkit.traits import Limits

__all__ = ["ANY_BUFFERS", "BUFFERS", "lengthened", "payloads_are_their_bytes"]


class _Blob(bytes):
    """A value of a type of its own, as applications have."""


BUFFERS: Mapping[str, Callable[[bytes], Any]] = {
    "bytes": lambda data: data,
    "subclass of bytes": _Blob,
    "bytearray": bytearray,
    "memoryview": memoryview,
    "memoryview of a bytearray": lambda data: memoryview(bytearray(data)),
    "read-only memoryview of a bytearray": lambda data: memoryview(bytearray(data)).toreadonly(),
    "slice of a memoryview": lambda data: memoryview(b"<<" + data + b">>")[2 : 2 + len(data)],
    "memoryview of characters": lambda data: memoryview(data).cast("c"),
    "memoryview of signed bytes": lambda data: memoryview(bytearray(data)).cast("b"),
    "memoryview of words": lambda data: memoryview(data).cast("H") if len(data) % 2 == 0 else memoryview(data),
}
"""Ways to hand over the same bytes; all are C-contiguous, and the length of the last is not its number of bytes."""

ANY_BUFFERS: Mapping[str, Callable[[bytes], Any]] = {
    **BUFFERS,
    "every other byte": lambda data: memoryview(bytes(byte for pair in zip(data, data, strict=True) for byte in pair))[::2],
    "backwards": lambda data: memoryview(data[::-1])[::-1],
}
"""Also views of single bytes in a step."""

_SAMPLES = (b"", b"ab", b"\x00\xff", bytes(range(256)), patterned(5000), patterned(65_538), patterned(1_048_578))


async def payloads_are_their_bytes(
    kind: str, limits: Limits, give: Callable[[Any], Awaitable[Any]], take: Callable[[], Awaitable[Any]], kept: str, refusal: str
) -> None:
    """Judge that what is taken is the bytes of what was given, and that their number, not that of items, is limited.

    ``kept`` and ``refusal`` are the promises; ``take`` returns the next payload.
    """
    for data in _SAMPLES:
        if len(data) <= limits.max_payload:
            with law(kept):
                given = ANY_BUFFERS[kind](data)
                await give(given)
                if isinstance(given, bytearray):
                    given[:] = bytes(len(given))  # it is the caller's again
                got = await take()
            what = (
                f"a payload given as {kind} does not come"
                if got is None
                else f"the bytes of a payload given as {kind} are not what comes"
            )
            value(kept, got, data, what)
    if kind != "memoryview of words" or limits.max_payload > 2_000_000:
        return
    room = limits.max_payload // 8 * 8
    with law(refusal):
        await give(memoryview(bytearray(room)).cast("Q"))
        same(refusal, len(await take()), room, "a payload at the limit, given in words, is not what comes")
    await refused(refusal, give(memoryview(bytearray(room + 8)).cast("Q")), PayloadTooLarge, "too large a payload, given in words,")


def lengthened(payload: bytes) -> bytes:
    """Return the payload and a zero byte, which may be taken for its end; the payload itself where that is as long as may be."""
    return (payload + b"\x00")[: current_limits.get().max_payload]
