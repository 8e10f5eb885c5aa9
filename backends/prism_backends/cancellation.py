"""What a call does that is cancelled while something it began goes on."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

__all__ = ["begun", "ended", "whole"]

T = TypeVar("T")


def begun(call: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
    """Begin what goes on when the caller is cancelled, even by who cancels all tasks of the loop, as `asyncio.run` does at its end.

    The caller must await its end (`ended`), for nobody else knows of it. That a task may be taken from those that
    ``asyncio.all_tasks`` lists is documented under https://docs.python.org/3/library/asyncio-extending.html.
    """
    task = asyncio.get_running_loop().create_task(call)
    asyncio.tasks._unregister_task(task)
    return task


async def whole(call: Coroutine[Any, Any, T]) -> T:
    """Make a call to its end: cancelled, it goes on, and the cancellation is raised behind it. As `ended`, for what ends soon."""
    making = begun(call)
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        await ended(making)
        making.exception()  # it is the cancellation that is told
        raise


async def ended(future: "asyncio.Future[Any]") -> None:
    """Wait whatever happens: a further cancellation must not leave undecided what the first one has to undo.

    Only for what ends by itself soon, and only inside of a call that then raises the cancellation.
    """
    while not future.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait([future])
