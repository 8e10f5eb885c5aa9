"""What every driver here has in common: it is asked how it is, drained and closed, and knows its calls in hand."""

import asyncio
import functools
import typing
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, suppress
from typing import Any, ClassVar, Self

import prism_testkit as prism
from prism_backends.cancellation import begun, ended
from prism_backends.inhand import CLOSED, DRAINING, OPEN, PATIENCE_S, Calls
from prism_testkit.interfaces import BESIDE, INTERFACES
from prism_testkit.interfaces.errors import Closed
from prism_testkit.interfaces.keyvalue import KeyValueTransaction
from prism_testkit.interfaces.lifecycle import Drained, Health, Lifecycle
from prism_testkit.signatures import claimed, methods_of

__all__ = ["HEALTH_S", "Living", "within"]

HEALTH_S = 1.0
"""How long a store may take to answer `Living.health` before it counts as away."""

_FINISHING = frozenset({"ack", "nack", "extend", "release"})
"""Calls that finish what was begun before: they are taken until the driver is closed."""
_TAKING = frozenset({"receive", "__anext__"})
"""Calls of what was entered that are new work all the same."""


class Living(Lifecycle):
    """A base for driver classes: each method of an interface is counted while it is in hand, without a line of the driver's own.

    It need not be opened: connections are made when they are needed. A driver that has something to end overrides `_end`, one
    whose store may be away `_ask`. What a call raises when it is cancelled by `drain` or `close` is `Closed`.
    """

    _whose: ClassVar[str] = ""
    """The name of the backend, for messages: the package below `prism_backends` that the class, or its base, is in."""
    _calls: Calls
    _closing: "asyncio.Task[None] | None"
    _transactions: "dict[_Entered, None]"
    """Those that are open."""

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        made = super().__new__(cls)  # not in __init__, so that no driver has to call it
        made._calls, made._closing, made._transactions = Calls(cls._whose), None, {}
        return made

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        package, _, rest = cls.__module__.partition(".")
        cls._whose = rest.partition(".")[0] if package == __name__.partition(".")[0] else cls._whose or cls.__name__
        for identifier in claimed(cls):
            protocol = INTERFACES[identifier]
            for name, kind in methods_of(protocol).items() if identifier not in BESIDE else ():
                function = cls.__dict__.get(name)
                if callable(function) and not hasattr(function, "__prism_counted__"):
                    counted = _MAKERS[kind](name, function, getattr(protocol, name))
                    counted.__prism_counted__ = True
                    setattr(cls, name, counted)

    async def _end(self) -> None:
        """End what the driver holds. Called once, when no call is in hand any more."""

    async def _ask(self) -> None:
        """Ask the store for as little as there is; raise if it does not answer as it should."""

    async def open(self) -> None:
        """Do nothing; raise `Closed` if it is closed."""
        if self._calls.state == CLOSED:
            self._calls.refuse("open")

    async def health(self) -> Health:
        """Ask the store, for at most `HEALTH_S`."""
        state = self._calls.state
        if state == CLOSED:
            return Health("unhealthy", "the driver is closed")
        try:
            async with asyncio.timeout(HEALTH_S):
                await self._ask()
        except TimeoutError:
            return Health("unhealthy", f"no answer within {HEALTH_S:g} s")
        except Exception as error:
            return Health("unhealthy", str(error) or type(error).__name__)
        return Health("degraded", "the driver is drained and takes no new work") if state == DRAINING else Health("healthy")

    async def drain(self, timeout_s: float) -> Drained:
        """Take no new work, wait for the calls in hand, and abort what is left. A call counts as what became of it."""
        wait_s = prism.check_timeout(timeout_s, "drain", self._calls.name)
        self._calls.state = max(self._calls.state, DRAINING)
        watch = self._calls.watch()
        try:
            await watch.over(wait_s)
            self._calls.abort(watch)
            await watch.over(PATIENCE_S)
        finally:
            self._calls.unwatch(watch)
        return Drained(watch.completed, watch.aborted + len(watch.left))

    async def close(self) -> None:
        """Abort the calls in hand, leave what is entered, and end what it holds. A cancelled close is a close too."""
        self._calls.state = CLOSED
        if self._closing is None:
            if self._calls.idle and not self._transactions and type(self)._end is Living._end:
                return
            self._closing = begun(self._close())
        elif self._closing.done():
            return
        try:
            await asyncio.wait([self._closing])
        except asyncio.CancelledError:
            await ended(self._closing)
            raise
        self._closing.result()

    async def _close(self) -> None:
        watch = self._calls.watch()
        try:
            self._calls.abort(watch)
            await watch.over(PATIENCE_S)
        finally:
            self._calls.unwatch(watch)
        for entered in list(self._transactions):
            await entered.end()
        await self._end()


class _Entered(AbstractAsyncContextManager[Any]):
    """What a method returns that is to be entered: its entry and its exit are calls, and what it offers makes calls."""

    def __init__(self, driver: Living, operation: str, inner: type, manager: AbstractAsyncContextManager[Any]) -> None:
        self._driver, self._operation, self._inner, self._manager = driver, operation, inner, manager
        self._commits = inner is KeyValueTransaction
        self._ended = False

    async def __aenter__(self) -> Any:
        calls = self._driver._calls
        entered = await calls.made(self._operation, OPEN, self._manager.__aenter__)
        if self._commits:
            self._driver._transactions[self] = None
        return _offer_class(self._inner)(entered, calls, f"{self._operation} ")

    async def __aexit__(self, *raised: Any) -> bool | None:
        calls = self._driver._calls
        if self._commits:
            if not self._ended and calls.state == CLOSED:
                await self.end()
            if self._ended:
                return None if raised[0] is not None else calls.refuse(f"{self._operation} commit")
            del self._driver._transactions[self]
        suppresses: bool | None = await calls.made(f"{self._operation} exit", CLOSED, self._manager.__aexit__, *raised)
        return suppresses

    async def end(self) -> None:
        """End a transaction without effect, before its block does."""
        self._ended = True
        self._driver._transactions.pop(self, None)
        error = Closed(f"{self._driver._calls.name}: {self._operation}: the driver is closed")
        with suppress(Closed):
            await self._manager.__aexit__(Closed, error, None)


class _Offer:
    """What was entered, its calls counted."""

    def __init__(self, target: Any, calls: Calls, prefix: str) -> None:
        self._target, self._calls, self._prefix = target, calls, prefix


def within(entered: object) -> object:
    """Return the driver's own object within what a context gave, whose calls are counted."""
    return entered._target if isinstance(entered, _Offer) else entered


@functools.cache
def _offer_class(inner: type) -> type[Any]:
    return type("Living" + inner.__name__, (_Offer, inner), {name: _OFFERS[kind](name) for name, kind in methods_of(inner).items()})


def _offered_call(name: str) -> Callable[..., Any]:
    taken = OPEN if name in _TAKING else DRAINING

    async def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._calls.made(self._prefix + name, taken, getattr(self._target, name), *args, **kwargs)

    async def step(self: Any) -> Any:
        try:
            return await call(self)
        except Closed as error:
            raise StopAsyncIteration from error

    return step if name == "__anext__" else call


def _offered_property(name: str) -> property:
    return property(lambda self: getattr(self._target, name))


_OFFERS: dict[str, Callable[[str], Any]] = {"coroutine": _offered_call, "property": _offered_property}


def _coroutine(name: str, function: Any, wanted: Any) -> Any:
    taken = DRAINING if name in _FINISHING else OPEN

    @functools.wraps(function)
    async def call(self: Living, *args: Any, **kwargs: Any) -> Any:
        return await self._calls.made(name, taken, function, self, *args, **kwargs)

    return call


def _iterator(name: str, function: Any, wanted: Any) -> Any:
    @functools.wraps(function)
    async def iterate(self: Living, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        steps = function(self, *args, **kwargs)
        taken, made = OPEN, self._calls.made
        try:
            while True:
                try:
                    item = await made(name, taken, steps.__anext__)
                except StopAsyncIteration:
                    return
                taken = DRAINING
                yield item
        finally:
            await steps.aclose()

    return iterate


def _context(name: str, function: Any, wanted: Any) -> Any:
    (inner,) = typing.get_args(typing.get_type_hints(wanted)["return"])[:1]

    @functools.wraps(function)
    def enter(self: Living, *args: Any, **kwargs: Any) -> AbstractAsyncContextManager[Any]:
        return _Entered(self, name, inner, function(self, *args, **kwargs))

    return enter


_MAKERS: dict[str, Callable[[str, Any, Any], Any]] = {"coroutine": _coroutine, "iterator": _iterator, "context": _context}
