"""What a call does that is cancelled while something it began goes on."""

import asyncio
from contextlib import suppress
from typing import Any

__all__ = ["ended"]


async def ended(future: "asyncio.Future[Any]") -> None:
    """Wait whatever happens: a further cancellation must not leave undecided what the first one has to undo.

    Only for what ends by itself soon, and only inside of a call that then raises the cancellation.
    """
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])
