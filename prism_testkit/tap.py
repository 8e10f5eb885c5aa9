"""The one place where every call between a pattern, or a check, and a driver passes.

`tapped` gives a proxy narrowed to the bound interface. What is attached sees each call: a history records it, a fault plan
fails it, ``suspend`` lets others run between its start and its effect. With nothing attached the proxy's methods *are* the
driver's bound methods, so that a call costs nothing more.
"""

import asyncio
import typing
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from prism_testkit.faults import Faults, Incarnation
from prism_testkit.histories import History
from prism_testkit.interfaces import INTERFACES
from prism_testkit.interfaces.errors import PrismError
from prism_testkit.outcomes import Hung
from prism_testkit.pattern import offers
from prism_testkit.scheduling import Moment, Scheduler
from prism_testkit.signatures import methods_of

__all__ = ["Tap", "offers", "tapped"]


_TAKES = frozenset(("receive", "dequeue", "__anext__"))
"""Behind these nothing is awaited: a cancellation there would lose what the driver has given for good."""


@dataclass(slots=True)
class Tap:
    """What watches the calls of one client. Attach before `tapped` is called; one tap may serve several proxies."""

    client: int = 0
    history: History | None = None
    faults: Faults | None = None
    incarnation: Incarnation | None = None
    suspend: bool = False
    scheduler: Scheduler | None = None
    """Says who goes next where ``suspend`` lets others run; without one it is first come, first served."""
    settle: Callable[[], Awaitable[None]] | None = None
    """Awaited before a call returns: a store that needs it makes its writes visible to all there."""

    @property
    def attached(self) -> bool:
        watching = (self.history, self.faults, self.incarnation, self.settle)
        return self.suspend or any(each is not None for each in watching)

    def _busy(self, operation: str) -> bool:
        """Say whether more is to be done at a point of a call than to ask whether the incarnation is dead, as is done here."""
        if self.suspend or self.faults is not None:
            return True
        if self.incarnation is not None:
            self.incarnation.check(operation)
        return False

    async def _before(self, operation: str) -> str:
        """Pass the point before an effect; return the fault that is planned for the call."""
        if self.incarnation is not None:
            self.incarnation.check(operation)
        try:
            planned = await self.faults.before(self.client, operation, self.incarnation) if self.faults is not None else ""
        except PrismError:
            if self.suspend:  # an answer takes its time, a refusal too
                await self._point(operation, "before")
            raise
        if self.suspend:
            await self._point(operation, "before")
        return planned

    async def _after(self, operation: str, planned: str) -> None:
        """Pass the point after an effect."""
        if self.settle is not None and operation.rpartition(".")[2] not in _TAKES:
            await self.settle()
        if self.suspend:
            await self._point(operation, "after")
        if planned and self.faults is not None:
            self.faults.after(operation, planned, self.incarnation)
        if self.incarnation is not None:
            self.incarnation.check(operation)

    async def _point(self, operation: str, moment: Moment) -> None:
        if self.scheduler is None:
            await asyncio.sleep(0)
        else:
            await self.scheduler.point(self.client, operation, moment)

    async def call(
        self,
        operation: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        within: int | None = None,
        number: Callable[[int], object] | None = None,
    ) -> Any:
        """Make one call, seen by whatever is attached; ``number`` is told under which number the history has it."""
        history = self.history
        event = history.invoke(self.client, operation, args, kwargs, within) if history is not None else 0
        if number is not None:
            number(event)
        try:
            planned = await self._before(operation) if self._busy(operation) else ""
            result = await function(*args, **kwargs)
            if planned == "duplicate":
                result = await function(*args, **kwargs)
            if self._busy(operation) or self.settle is not None:
                await self._after(operation, planned)
        except Hung:
            raise  # it never returned, and so it stands in the history
        except BaseException as error:
            if history is not None:
                history.fail(event, error)
            raise
        finally:
            if self.scheduler is not None:
                self.scheduler.returned()
        if history is not None:
            history.respond(event, result)
        return result

    async def _step(self, operation: str) -> None:
        """Pass the point between two steps of an iterator."""
        if self.faults is not None or self.incarnation is not None:
            planned = await self._before(operation)
            if planned and self.faults is not None:
                self.faults.after(operation, planned, self.incarnation)
        elif self.suspend:
            await self._point(operation, "after")

    async def iterate(
        self,
        operation: str,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        within: int | None = None,
    ) -> AsyncIterator[Any]:
        """Iterate once; the history sees one call whose result is the list of what was given."""
        history = self.history
        event = history.invoke(self.client, operation, args, kwargs, within) if history is not None else 0
        given: list[Any] = []
        try:
            planned = await self._before(operation)
            iterator = function(*args, **kwargs)
            try:
                async for item in iterator:
                    given.append(item)
                    yield item
                    await self._step(f"{operation}.next")
            finally:
                # `async for` leaves an abandoned generator to the collector; a driver's cursor is to be closed at once.
                close = getattr(iterator, "aclose", None)
                if close is not None:
                    await close()
            if planned and self.faults is not None:
                self.faults.after(operation, planned, self.incarnation)
        except GeneratorExit:
            if history is not None:
                history.respond(event, given)
            raise
        except Hung:
            raise  # it never returned, and so it stands in the history
        except BaseException as error:
            if history is not None:
                history.fail(event, error)
            raise
        finally:
            if self.scheduler is not None:
                self.scheduler.returned()
        if history is not None:
            history.respond(event, given)

    @asynccontextmanager
    async def enter(
        self, operation: str, inner: type | None, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> AsyncIterator[Any]:
        """Enter and leave as two calls, with a tapped proxy of what was entered in between."""

        managers: list[AbstractAsyncContextManager[Any]] = []
        held: list[bool] = []
        numbers: list[int] = []

        async def begin(*args: Any, **kwargs: Any) -> Any:
            managers.append(function(*args, **kwargs))
            entered = await managers[0].__aenter__()
            held.append(True)
            if self.incarnation is not None:
                self.incarnation.entered.append(managers[0])
            return entered

        async def end(*raised: Any) -> Any:
            held.clear()
            if self.incarnation is not None and managers[0] in self.incarnation.entered:
                self.incarnation.entered.remove(managers[0])
            return await managers[0].__aexit__(*raised)

        leave = f"{operation}.exit"
        try:
            entered = await self.call(operation, begin, args, kwargs, number=numbers.append)
            (within,) = numbers
            try:
                yield entered if inner is None else _proxy(entered, (inner,), self, f"{operation}.", within)
            except BaseException as error:
                if isinstance(error, GeneratorExit) and self.incarnation is not None and self.incarnation.dead:
                    raise  # whoever buried it has left this for it
                raised = (type(error), error, error.__traceback__)
                left_by = partial(self.history.left_by, error=error) if self.history is not None else None
                if not await self.call(leave, lambda: end(*raised), (), {}, within, number=left_by):
                    raise
            else:
                await self.call(leave, lambda: end(None, None, None), (), {}, within)
        except asyncio.CancelledError as error:
            # The points behind an entry and before an exit are ours: without them this had come inside of the block, which is left.
            if held and not (self.incarnation is not None and self.incarnation.dead):
                await end(type(error), error, error.__traceback__)
            raise


def tapped(driver: object, interfaces: tuple[str, ...], tap: Tap, slot: str = "") -> Any:
    """Return a proxy of ``driver`` that has the methods of ``interfaces`` (ids) and no others, and inherits their Protocols.

    ``slot`` stands before the names of its operations (``store.put``), where several slots are told apart.
    """
    return _proxy(driver, tuple(INTERFACES[name] for name in interfaces), tap, f"{slot}." if slot else "")


def _proxy(target: object, protocols: tuple[type, ...], tap: Tap, prefix: str = "", within: int | None = None) -> Any:
    proxy = _proxy_class(protocols)()
    # The prefix keeps the calls of what was entered apart from plain calls of the same name.
    proxy._target, proxy._tap, proxy._prefix, proxy._within = target, tap, prefix, within
    if not tap.attached:
        for name, kind in _kinds(protocols).items():
            if kind != "property":
                setattr(proxy, name, getattr(target, name))
    return proxy


@cache
def _kinds(protocols: tuple[type, ...]) -> dict[str, str]:
    return {name: kind for protocol in protocols for name, kind in methods_of(protocol).items()}


@cache
def _proxy_class(protocols: tuple[type, ...]) -> type[Any]:
    # A Protocol that another of the list inherits would make the order of bases inconsistent.
    bases = tuple(p for p in protocols if not any(p is not q and p in q.__mro__ for q in protocols))
    body: dict[str, Any] = {}
    for name, kind in _kinds(protocols).items():
        owner = next(p for p in protocols if hasattr(p, name))
        body[name] = _MAKERS[kind](name, owner)
    if "__anext__" in body:
        body["__aiter__"] = _begin
    return type("Tapped" + "".join(p.__name__ for p in bases), bases, body)


def _coroutine(name: str, owner: type) -> Callable[..., Any]:
    async def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return await self._tap.call(self._prefix + name, getattr(self._target, name), args, kwargs, self._within)

    return method


def _asked(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Callable[..., Any]:
    """Ask a driver for an iterator or a context now, as a caller does; return a function that gives it, and then further ones.

    What is refused here is raised there, at the first step or the entry, where every driver may refuse it.
    """
    made: list[Any] = []
    refusals: list[Exception] = []
    try:
        made.append(function(*args, **kwargs))
    except Exception as error:
        refusals.append(error)

    def give(*args: Any, **kwargs: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return made.pop() if made else function(*args, **kwargs)

    return give


def _iterator(name: str, owner: type) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        asked = _asked(getattr(self._target, name), args, kwargs)
        return self._tap.iterate(self._prefix + name, asked, args, kwargs, self._within)

    return method


def _context(name: str, owner: type) -> Callable[..., Any]:
    returned = typing.get_args(typing.get_type_hints(getattr(owner, name))["return"])
    inner = returned[0] if returned and isinstance(returned[0], type) else None

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self._tap.enter(self._prefix + name, inner, _asked(getattr(self._target, name), args, kwargs), args, kwargs)

    return method


def _begin(self: Any) -> AsyncIterator[Any]:
    """Begin an iteration as the driver does: what is not the thing itself is another iterator, each step of which is a call."""
    begun = aiter(self._target)
    return self if begun is self._target else _Steps(begun, self._tap, f"{self._prefix}__anext__", self._within)


@dataclass(slots=True)
class _Steps(AsyncIterator[Any]):
    """An iteration that a driver began."""

    begun: AsyncIterator[Any]
    tap: Tap
    operation: str
    within: int | None

    async def __anext__(self) -> Any:
        return await self.tap.call(self.operation, self.begun.__anext__, (), {}, self.within)


def _property(name: str, owner: type) -> property:
    """Look through: what is known without a call is no call."""
    return property(lambda self: getattr(self._target, name), doc=getattr(owner, name).__doc__)


_MAKERS: dict[str, Callable[[str, type], Any]] = {
    "coroutine": _coroutine,
    "iterator": _iterator,
    "context": _context,
    "property": _property,
}
