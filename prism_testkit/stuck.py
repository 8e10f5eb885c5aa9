"""What a loop of virtual time reports that cannot go on, or does not come to an end: who waits, and where."""

import asyncio
from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

__all__ = [
    "Deadlock",
    "Livelock",
    "LoopError",
    "NoInputOutput",
    "awaits_others",
    "deadlock",
    "hopeless",
    "livelock",
    "place_of",
]


class LoopError(RuntimeError):
    """What a virtual loop reports instead of hanging or reaching out of the process."""


class Deadlock(LoopError):
    """Nothing is ready and no timer is set, yet the loop was asked to go on: nothing can ever happen again."""


class Livelock(LoopError):
    """A run took more steps than `VirtualLoop.step_limit`; ``wakings`` is how often it had let time pass until then."""

    wakings = 0


class NoInputOutput(LoopError):
    """Sockets, pipes, subprocesses, signals or threads were asked of a loop that has none."""


def deadlock(tasks: Iterable[asyncio.Task[Any]]) -> Deadlock:
    return Deadlock(
        f"nothing is ready and no timer is set, so nothing can happen any more: {_describe_all(tasks) or 'no task is left'}. "
        "(Threads are not waited for: use run_in_executor, or give the backend clock='real'.)"
    )


def awaits_others(task: asyncio.Task[Any]) -> bool:
    """Say whether a task waits for several others, each of which may have a time of its own."""
    coroutine: Any = task.get_coro()
    while (below := getattr(coroutine, "cr_await", None)) is not None and hasattr(below, "cr_code"):
        coroutine = below
    return getattr(coroutine, "cr_code", None) is asyncio.tasks._wait.__code__  # type: ignore[attr-defined]


def hopeless(tasks: Iterable[asyncio.Task[Any]], wakings: int) -> Livelock:
    error = Livelock(
        f"time was let pass {wakings:,} times, and nothing else happened; waiting: {_describe_all(tasks) or 'no task'}"
    )
    error.wakings = wakings
    return error


def livelock(tasks: set[asyncio.Task[Any]], ready: Iterable[Any], limit: int, wakings: int) -> Livelock:
    running = {handle._callback.__self__ for handle in ready if getattr(handle._callback, "__self__", None) in tasks}
    error = Livelock(
        f"no end after {limit} steps; ready to run: {_describe_all(running) or 'no task'}; "
        f"waiting: {_describe_all(tasks - running) or 'no task'}"
    )
    error.wakings = wakings
    return error


def _describe_all(tasks: Iterable[asyncio.Task[Any]]) -> str:
    """Describe each task, but of those that stand at one place the first, with their number; and of many places some."""
    places: dict[str, list[str]] = {}
    for task in tasks:
        places.setdefault(place_of(task), []).append(repr(task.get_name()))
    told = []
    for place, names in places.items():
        first = min(names, key=lambda name: (len(name), name))
        told.append(f"{first} in {place}" if len(names) == 1 else f"{first} and {len(names) - 1:,} more in {place}")
    told.sort(key=lambda text: (len(text), text))
    left = len(told) - _MOST_PLACES
    return "; ".join(told if left <= 0 else [*told[:_MOST_PLACES], f"and tasks at {left:,} more places"])


_MOST_PLACES = 8


def place_of(task: asyncio.Task[Any]) -> str:
    """Name the functions that a task is in, down to the innermost: ``main > Queue.get (queues.py:158)``."""
    names, place = [], ""
    inner: Any = task.get_coro()
    while hasattr(inner, "__qualname__"):
        names.append(inner.__qualname__.replace(".<locals>", ""))
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None) or getattr(inner, "ag_frame", None)
        if frame is not None:
            place = f" ({PurePath(frame.f_code.co_filename).name}:{frame.f_lineno})"
        after = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None) or getattr(inner, "ag_await", None)
        if type(after).__name__ == "async_generator_asend" and frame is not None:
            # It does not say whose step it is; a context manager that is made of a generator does.
            after = getattr(frame.f_locals.get("self"), "gen", after)
        inner = after
    return f"{' > '.join(names)}{place}"
