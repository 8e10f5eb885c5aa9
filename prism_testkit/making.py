"""Makes calls that are data (see `killing.Step`): by name, with results of earlier ones as arguments, also of what was entered."""

import asyncio
import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

from prism_testkit.interfaces import Conflict
from prism_testkit.signatures import promised

__all__ = ["Part"]

_TRIES = 8
"""A needless conflict is legal, but a transaction retried alone succeeds."""


class Part:
    """What one process does its steps with; ``doing`` tells what is under way, for whoever has to say what failed."""

    def __init__(self) -> None:
        self.doing = "connect"
        self.driver: Any = None
        self.entered = _Entered()
        self.results: dict[int, Any] = {}

    async def call(self, method: str, arguments: Sequence[Any]) -> Any:
        """Make a call of the driver, or of what an earlier one entered."""
        if "." in method:
            return await self.entered.call(method, *arguments)
        return await _call(self.driver, method, tuple(arguments), self.entered)


class _Entered:
    """Contexts that steps entered, by what was entered; they stay so until a step leaves them, or all steps are made."""

    def __init__(self) -> None:
        self._contexts: dict[int, tuple[Any, Any]] = {}

    async def enter(self, manager: Any) -> Any:
        inner = await manager.__aenter__()
        self._contexts[id(inner)] = inner, manager
        return inner

    def left_out(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return values with None for what was entered, which stays here: others know it by the number of its step."""
        return tuple(None if id(value) in self._contexts else value for value in values)

    async def call(self, what: str, inner: Any, *arguments: Any) -> Any:
        """Make a call of what was entered, or leave it; lists are given item by item, a dict at the end as keywords."""
        method = what.rpartition(".")[2]
        if method == "exit":
            return await self._contexts.pop(id(inner))[1].__aexit__(None, None, None)
        keywords = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
        places = arguments[: len(arguments) - bool(keywords)]
        spread = [each for place in places for each in (place if isinstance(place, list) else [place])]
        return await getattr(inner, method)(*spread, **keywords)

    async def leave(self) -> None:
        while self._contexts:
            _, (_, manager) = self._contexts.popitem()
            await manager.__aexit__(None, None, None)


async def _call(driver: Any, method: str, arguments: tuple[Any, ...], entered: _Entered) -> Any:
    if method != "transaction":
        function = getattr(driver, method)
        places, keywords = _split(promised(type(driver), method), arguments)
        made = function(*places, **keywords)
        if isinstance(made, AsyncIterator):
            return [item async for item in made]
        return await (entered.enter(made) if isinstance(made, AbstractAsyncContextManager) else made)
    for tried in range(_TRIES):
        try:
            async with driver.transaction() as transaction:
                told = [await getattr(transaction, inner)(*values) for inner, values in arguments]
        except Conflict:
            if tried + 1 == _TRIES:
                raise
        else:
            return told
    return None


def _split(function: Any, arguments: tuple[Any, ...]) -> tuple[list[Any], dict[str, Any]]:
    """Take keyword arguments off the end (see `killing.Step`), and make a stream of what is to be one."""
    parameters = list(inspect.signature(function).parameters.values())[1:]
    by_place = [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    keywords = arguments[-1] if len(arguments) == len(by_place) + 1 and isinstance(arguments[-1], dict) else {}
    places = [_stream(value) if name == "chunks" else value for name, value in zip(by_place, arguments, strict=False)]
    return places, keywords


async def _stream(chunks: list[Any]) -> AsyncIterator[Any]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk
