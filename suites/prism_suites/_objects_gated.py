"""Streams into a store that wait before their last chunk, and calls that are made meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from prism_testkit.case import Case

__all__ = ["Gated", "meanwhile_of", "reached"]


class Gated:
    """A source that waits before its last chunk until it is let go."""

    def __init__(self, chunks: list[bytes]) -> None:
        self.waits = asyncio.Event()
        self.go_on = asyncio.Event()
        self._chunks = chunks

    def __repr__(self) -> str:
        """Tell in the steps of a story what a store is given, and that other calls come before its end."""
        sizes = ", ".join(f"{len(chunk):,}" for chunk in self._chunks)
        return f"<chunks of {sizes} bytes, the last of which waits>"

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks[:-1]:
            yield chunk
        self.waits.set()
        await self.go_on.wait()
        yield self._chunks[-1]


async def reached(gated: Gated, task: "asyncio.Future[Any]") -> None:
    """Wait until the source waits, or the call ended."""
    waiting = asyncio.ensure_future(gated.waits.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if task.done():
        task.result()


_PATIENCE_S = 5.0


async def meanwhile_of(case: Case, gated: Gated, stream: "asyncio.Future[Any]", call: Awaitable[Any]) -> Any:
    """Await a call while a stream waits. A store may let writes of one key wait for each other: then there is nothing to judge."""
    task = asyncio.ensure_future(call)
    done, _ = await asyncio.wait({task}, timeout=_PATIENCE_S * (1000 if case.clock.virtual else 1))
    if not done:
        gated.go_on.set()
        await asyncio.gather(stream, task, return_exceptions=True)
        case.inconclusive("a write waits until the stream of the same key is over")
    return task.result()
