"""The event loop of virtual time: one thread, no I/O, the same order on every run.

``asyncio.sleep``, ``asyncio.timeout`` and `VirtualClock.advance` follow the loop's clock, which moves when nothing is ready,
straight to the next timer, and creeps while tasks are busy for very long and others wait for time to pass. Ready callbacks run
first come, first served, unless a `Chooser` decides who goes next.

It builds on `asyncio.BaseEventLoop`, as asyncio's own loops do, and replaces what touches time, threads and descriptors.
"""

import asyncio
import contextvars
import functools
import heapq
import itertools
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from typing import Any, Protocol, TypeVar, TypeVarTuple

from prism_testkit.clock import VirtualClock
from prism_testkit.stuck import NoInputOutput, awaits_others, deadlock, hopeless, livelock

__all__ = ["Chooser", "VirtualLoop"]

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Chooser(Protocol):
    """Decides which of the handles that are ready runs next."""

    def next(self, ready: deque[Any], /) -> Any:
        """Take one out of ``ready``, which is not empty, and return it; the others may be reordered."""


class _Handle(asyncio.Handle):
    """One of a loop that is not in debug mode: that is not asked again for each of millions."""

    __slots__ = ()

    def __init__(
        self,
        callback: Callable[..., object],
        args: tuple[Any, ...],
        loop: asyncio.AbstractEventLoop,
        context: contextvars.Context | None,
    ) -> None:
        self._context = contextvars.copy_context() if context is None else context
        self._loop = loop
        self._callback = callback
        self._args = args
        self._cancelled = False
        self._repr = None
        self._source_traceback = None


class VirtualLoop(asyncio.BaseEventLoop):
    """An event loop whose time is ``clock``'s. Two runs of the same program take the same steps in the same order.

    * ``time()`` is seconds since the loop was made. Delays are rounded to whole nanoseconds and added as such, so that ten
      sleeps of 0.1 s are 1 s. Instants given to ``call_at``, hence timeouts, are as exact as a float is: to the nanosecond for
      the first hundred days. What is ahead at all is ahead by a nanosecond at least: who waits for the rest of a span until none
      is left, as drivers do, comes to its end. What is more than 1e12 s away never comes due.
    * After a thousand rounds in each of which something was ready while a timer was ahead, time creeps towards it, as it would
      anywhere else: who looks over and over until somebody is done does not keep that one from its sleep.
    * Timers run in the order of their instant, then of their creation, before what else is ready at the loop's next step; so
      do those that `VirtualClock.jump` passed over. An instant that is not ahead queues as ``call_soon`` does.
    * ``run_in_executor`` calls the function at once, in this thread; its future is done at the loop's next step.
    * Nothing ready and no timer raises `Deadlock`; more than ``step_limit`` callbacks in one run raise `Livelock`. The loop
      stays usable after either, the tasks left as they are.
    * What a callback raises is reported as asyncio does, but a ``BaseException`` (``KeyboardInterrupt``, pytest's outcomes, what
      a signal handler raises) leaves ``run_until_complete`` at once. Inside a task it becomes, as always, the task's outcome.
    """

    step_limit = 2_000_000
    """Callbacks that one run may take; may be set on a loop, for the runs that begin afterwards."""

    hopeless: Callable[[object], bool] | None = None
    """Asked now and then, while time alone goes on, whether what is waited for will never come: then a run ends as at the limit.

    It is given what the run waits for, unless that has a time of its own, or cannot be told: then None.
    """

    chooser: Chooser | None = None
    """Set while a plan is carried out."""

    # Private parts of asyncio.BaseEventLoop, unchanged from Python 3.7 to 3.14, that typeshed leaves out.
    _ready: deque[Any]
    _asyncgens: set[AsyncGenerator[Any, Any]]
    _closed: bool
    _debug: bool
    _stopping: bool
    _thread_id: int | None

    def __init__(self, clock: VirtualClock) -> None:
        super().__init__()
        self._clock = clock
        self._start_ns = clock.now_ns()
        self._timers: list[tuple[int, int, asyncio.TimerHandle]] = []
        self._sequence = itertools.count()
        self._cancelled_timers = 0
        self._steps_left = 0
        self._busy_rounds = 0
        self._wakings = 0
        self._run: asyncio.Future[Any] | None = None

    def time(self) -> float:
        """Return virtual seconds since the loop was made."""
        return (self._clock.now_ns() - self._start_ns) / 1_000_000_000

    # What runs next

    def run_until_complete(self, future: Any) -> Any:
        """Run until it is done."""
        task = asyncio.ensure_future(future, loop=self)
        before, self._run = self._run, task
        try:
            return super().run_until_complete(task)
        finally:
            self._run = before

    def run_forever(self) -> None:
        """Run until ``stop()``; every run may take ``step_limit`` steps anew."""
        self._steps_left = self.step_limit
        self._busy_rounds = self._wakings = 0
        super().run_forever()

    def _run_once(self) -> None:
        """Run what is ready now, as asyncio does: what gets ready meanwhile waits for the next round."""
        ready = self._ready
        if self._timers:
            self._wake_timers()
        count = min(len(ready), self._steps_left)
        if not count and not self._stopping:
            tasks = asyncio.all_tasks(self)
            raise livelock(tasks, ready, self.step_limit, self._wakings) if ready else deadlock(tasks)
        self._steps_left -= count
        for _ in range(count):
            handle = ready.popleft() if self.chooser is None else self.chooser.next(ready)
            if handle._cancelled:
                continue
            try:
                handle._context.run(handle._callback, *handle._args)
            except (Exception, asyncio.CancelledError) as error:
                self._report(handle, error)

    def _wake_timers(self) -> None:
        """Put the timers that are due before what is ready; if nothing is ready, move time to the first one."""
        timers = self._timers
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not timers:
            return
        ahead = timers[0][0] - self._clock.now_ns()
        if ahead > 0:
            if self._stopping:
                return
            if self._ready:
                self._creep(ahead)
            else:
                self._busy_rounds = 0
                self._wakings += 1
                if self._wakings % _WAKINGS_BETWEEN_QUESTIONS == 0 and self.hopeless is not None and self.hopeless(self._waiter()):
                    raise hopeless(asyncio.all_tasks(self), self._wakings)
                self._clock.jump(ahead)
        now = self._clock.now_ns()
        due = []
        while timers and timers[0][0] <= now:
            due.append(heapq.heappop(timers)[2])
        self._ready.extendleft(reversed(due))

    def wake_next(self, until_ns: int) -> bool:
        """For a chooser that lets nothing that is ready run: move time to the next timer, if due until then, and put it first."""
        while self._timers and self._timers[0][2].cancelled():
            heapq.heappop(self._timers)
        if not self._timers or self._timers[0][0] > until_ns:
            return False
        due_ns, _, timer = heapq.heappop(self._timers)
        self._clock.jump(max(0, due_ns - self._clock.now_ns()))
        self._ready.appendleft(timer)
        return True

    def _waiter(self) -> object:
        task: Any = self._run
        chain = []
        while isinstance(task, asyncio.Task):
            chain.append(task)
            task = getattr(task, "_fut_waiter", None)
        if task is None or not chain or type(task) is not asyncio.Future:
            return None
        if awaits_others(chain[-1]):
            return None
        timer: Any
        for _, _, timer in self._timers:
            if not timer.cancelled():
                owner = getattr(timer._callback, "__self__", None)
                if task in (timer._args or ()) or getattr(owner, "_task", None) in chain:
                    return None
        return task

    def _creep(self, ahead_ns: int) -> None:
        """Let a busy loop's time pass: nothing for the first rounds, then ever more, for a sleep may be of any length."""
        self._busy_rounds += 1
        if self._busy_rounds >= _ROUNDS_OF_NO_TIME and not self._busy_rounds % _ROUNDS_OF_A_CREEP:
            self._clock.jump(min(ahead_ns, self._busy_rounds * _CREEP_NS))

    def _report(self, handle: Any, error: BaseException) -> None:
        context = {"message": f"Exception in callback {handle!r}", "exception": error, "handle": handle}
        if handle._source_traceback:
            context["source_traceback"] = handle._source_traceback
        self.call_exception_handler(context)

    # Callbacks and timers

    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Queue ``callback`` behind what is ready."""
        if self._debug or self._closed:
            return super().call_soon(callback, *args, context=context)  # with asyncio's checks
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_soon_threadsafe(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Like ``call_soon``. From another thread while the loop runs it raises `NoInputOutput`: no order could be promised."""
        if self._thread_id is not None and self._thread_id != threading.get_ident():
            raise NoInputOutput(
                f"thread {threading.current_thread().name!r} called back into a virtual loop, which has no place in its order for "
                "threads: call the function through run_in_executor, or give the backend clock='real'"
            )
        return self.call_soon(callback, *args, context=context)

    def call_later(
        self, delay: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` when ``delay`` seconds, rounded to nanoseconds, have passed. Negative is 0."""
        timer = asyncio.TimerHandle(self.time() + delay, callback, args, self, context)
        return self._schedule(self._clock.now_ns() + (_nanoseconds(delay) or int(delay > 0)), timer)

    def call_at(
        self, when: float, callback: Callable[[*Ts], object], *args: *Ts, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Run ``callback`` when ``time()`` reaches ``when``, rounded to nanoseconds."""
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        when_ns = self._start_ns + _nanoseconds(when)
        return self._schedule(max(when_ns, self._clock.now_ns() + 1) if when > self.time() else when_ns, timer)

    def _schedule(self, when_ns: int, timer: asyncio.TimerHandle) -> asyncio.TimerHandle:
        if self._closed:
            raise RuntimeError("Event loop is closed")
        if when_ns <= self._clock.now_ns():
            self._ready.append(timer)
        elif timer.when() < _NEVER_S:
            heapq.heappush(self._timers, (when_ns, next(self._sequence), timer))
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Drop cancelled timers when they may be the greater part: virtual time may stand still while timeouts come and go."""
        self._cancelled_timers += 1
        if self._cancelled_timers > 64 and self._cancelled_timers * 2 > len(self._timers):
            self._timers[:] = [timer for timer in self._timers if not timer[2].cancelled()]
            heapq.heapify(self._timers)
            self._cancelled_timers = 0

    # Threads, and what else lies outside

    def run_in_executor(self, executor: Executor | None, func: Callable[[*Ts], T], *args: *Ts) -> asyncio.Future[T]:
        """Call ``func`` now, whatever the executor; the future is done at the loop's next step, so that others get their turn.

        As in a thread of its own, ``func`` sees no running loop and no context variables of the caller. It must not wait for the
        loop: nothing else runs until it returns. What it raises reaches the future; a ``BaseException`` is raised here.
        """
        if self._closed:
            raise RuntimeError("Event loop is closed")
        future: asyncio.Future[T] = self.create_future()
        self.call_soon(_settle, future, *_call_outside(func, *args))
        return future

    def set_default_executor(self, executor: object) -> None:
        """Accept any executor and leave it alone: nothing is ever submitted to one."""

    def _asyncgen_finalizer_hook(self, agen: AsyncGenerator[Any, Any]) -> None:
        """Close a lost generator. The garbage collector may come by in any thread, so this is not ``call_soon_threadsafe``."""
        self._asyncgens.discard(agen)
        if not self._closed:
            self._ready.append(asyncio.Handle(self.create_task, (agen.aclose(),), self))

    def close(self) -> None:
        """Forget what is queued. There is nothing else to release; a repeat does nothing."""
        super().close()
        self._timers.clear()


_WAKINGS_BETWEEN_QUESTIONS = 1024
_ROUNDS_OF_NO_TIME = 1_000
_ROUNDS_OF_A_CREEP = 100
_CREEP_NS = 1_000
"""For each round so far: 1 ms after the first thousand, 10 ms after ten thousand. A second takes some 14,000 rounds."""

_NEVER_S = 1e12
"""Timers further away are never due: 30,000 years, a hundred times the longest time to live that a driver must accept."""


def _nanoseconds(seconds: float) -> int:
    return round(min(max(seconds, 0.0), _NEVER_S) * 1e9)


def _call_outside(func: Callable[[*Ts], T], *args: *Ts) -> tuple[Any, Exception | None]:
    """Call as a thread would, and return the result or the error; apart from the future, so that no error refers to itself."""
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        return contextvars.Context().run(_in_sight, func, *args), None
    except StopIteration as error:
        # A future cannot hold one: Python 3.12 turns it into this, and in 3.11 the caller would wait for ever.
        refusal = RuntimeError(f"{func!r} raised StopIteration, which no future can hold")
        refusal.__cause__ = error
        return None, refusal
    except Exception as error:
        return None, error
    finally:
        asyncio._set_running_loop(running)


def _in_sight(func: Any, *args: Any, **named: Any) -> Any:
    """Call ``func`` from a frame of Python's: what C calls no profile sees, so neither would `Mortal` and `Fuse` see its writes.

    Libraries hand a ``functools.partial`` to an executor, and ``asyncio.to_thread`` one of the ``run`` of a context.
    """
    if isinstance(func, functools.partial):
        return _in_sight(func.func, *func.args, *args, **{**func.keywords, **named})
    if args and isinstance(getattr(func, "__self__", None), contextvars.Context) and func.__name__ == "run":
        return func(_in_sight, *args, **named)
    return func(*args, **named)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():  # cancelled meanwhile; the effect stays, as a thread's would
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)


def _refusal(name: str) -> Callable[..., Any]:
    def refuse(self: VirtualLoop, *args: object, **kwargs: object) -> Any:
        raise NoInputOutput(f"{name}: this loop has no I/O: give the backend clock='real'")

    refuse.__name__ = name
    refuse.__doc__ = "Raise `NoInputOutput`."
    return refuse


_REACHES_OUT = (
    "add_",
    "remove_",
    "create_",
    "connect_",
    "sock_",
    "subprocess_",
    "getaddrinfo",
    "getnameinfo",
    "sendfile",
    "start_tls",
)

for _name in dir(asyncio.BaseEventLoop):
    if _name.startswith(_REACHES_OUT) and _name not in ("create_future", "create_task"):
        setattr(VirtualLoop, _name, _refusal(_name))
