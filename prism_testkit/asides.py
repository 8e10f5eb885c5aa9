"""What a story tells beside the calls that passed the tap: what a check asked of a pattern, and what a process did that was killed.

No coverage counts it; a check may look at what was asked of a pattern, of which a call is a part.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, get_args, get_type_hints

from prism_testkit.keeping import kept
from prism_testkit.signatures import methods_of

__all__ = ["SCALE", "WRITER", "Aside", "Said", "asking", "overheard"]

SCALE = 1 << 20
"""An event of a history stands at this much times its number, so that there is room for asides before it."""
WRITER = 1_000_000
"""The process that was killed, as a client."""
_MOST_KEPT = 4096
"""Longer data are not kept: a check may be about what is held in memory."""

asking: ContextVar["Aside | None"] = ContextVar("prism_asking", default=None)
"""What was asked of a pattern, in what is done for it: its tasks inherit it."""


@dataclass(slots=True, eq=False)
class Aside:
    """One call that passed no tap. ``call`` and ``ret`` are places among the events of a history, see `SCALE`."""

    client: int
    label: str
    op: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    call: int
    called_s: float
    ret: int | None = None
    returned_s: float | None = None
    result: Any = None
    error: BaseException | None = None
    within: int | None = None
    """The ``call`` of what entered the context whose method this is."""


Begin = Callable[[str, tuple[Any, ...], Mapping[str, Any]], Aside]
End = Callable[[Aside, Any, BaseException | None], None]


def overheard(target: Any, protocol: type, begin: Begin, end: End, prefix: str = "") -> Any:
    """Return what behaves as ``target``, and tells of each call of a method of ``protocol`` when it begins and ends."""
    return _Overheard(target, methods_of(protocol), protocol, begin, end, prefix)


class _Overheard:
    """Whatever is no coroutine, iterator or context of the protocol is the target's own."""

    def __init__(self, target: Any, kinds: Mapping[str, str], protocol: type, begin: Begin, end: End, prefix: str) -> None:
        self._target, self._kinds, self._protocol = target, kinds, protocol
        self._begin, self._end, self._prefix = begin, end, prefix

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._target, name)
        kind = self._kinds.get(name, "") if name[0] != "_" else ""
        if kind == "coroutine":
            return self._coroutine(self._prefix + name, found)
        if kind == "iterator":
            return self._iterator(self._prefix + name, found)
        if kind == "context":
            return self._context(self._prefix + name, found, _entered(self._protocol, name))
        return found

    def _coroutine(self, op: str, method: Callable[..., Any]) -> Callable[..., Any]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            aside = self._begin(op, _told(args), kwargs)
            token = asking.set(aside)
            try:
                result = await method(*args, **kwargs)
            except BaseException as error:
                self._end(aside, None, error)
                raise
            finally:
                asking.reset(token)
            self._end(aside, _told((result,))[0], None)
            return result

        return call

    def _iterator(self, op: str, method: Callable[..., Any]) -> Callable[..., AsyncIterator[Any]]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # Only that it begins: nothing stands between whoever iterates and what he iterates over.
            self._end(self._begin(op, _told(args), kwargs), Said("an iterator"), None)
            return method(*args, **kwargs)

        return call

    def _context(self, op: str, method: Callable[..., Any], inner: Any) -> Callable[..., AbstractAsyncContextManager[Any]]:
        def call(*args: Any, **kwargs: Any) -> Any:
            def entering(entered: Any, aside: Aside) -> Any:
                def begin(op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Aside:
                    begun = self._begin(op, args, kwargs)
                    begun.within = aside.call
                    return begun

                return overheard(entered, inner, begin, self._end, f"{op}.") if isinstance(inner, type) else entered

            return _Entered(method(*args, **kwargs), lambda: self._begin(op, _told(args), kwargs), self._end, entering)

        return call


@cache
def _entered(protocol: type, name: str) -> Any:
    """Return the annotation of what a context gives."""
    returned = get_args(get_type_hints(getattr(protocol, name))["return"])
    return returned[0] if returned else object


class _Entered(AbstractAsyncContextManager[Any]):
    """A context whose entry is told; its exit is not."""

    def __init__(self, manager: Any, begin: Callable[[], Aside], end: End, entering: Callable[[Any, Aside], Any]) -> None:
        self._manager, self._begin, self._end, self._entering = manager, begin, end, entering

    async def __aenter__(self) -> Any:
        aside = self._begin()
        token = asking.set(aside)
        try:
            entered = await self._manager.__aenter__()
        except BaseException as error:
            self._end(aside, None, error)
            raise
        finally:
            asking.reset(token)
        self._end(aside, Said(f"<{type(entered).__name__}>"), None)
        return self._entering(entered, aside)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        ended: bool | None = await self._manager.__aexit__(kind, error, trace)
        return ended


class Said:
    """Stands in a story for what is not kept."""

    def __init__(self, words: str) -> None:
        self._words = words

    def __repr__(self) -> str:
        return self._words


def _told(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(Said(f"<{len(value):,} bytes>") if _is_long(value) else kept(value) for value in values)


def _is_long(value: Any) -> bool:
    return isinstance(value, bytes | bytearray) and len(value) > _MOST_KEPT
