"""The writing process of a kill: re-imports a backend's registration, makes calls, says after each that it returned.

Started with the number of a descriptor it forks such processes (see `forking`); else it is one. Directory and URL come over
standard input, never by argv, where other users of the machine could read them.
"""

import asyncio
import importlib
import importlib.util
import inspect
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from random import Random
from types import ModuleType
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.clock import Clock, RealClock, VirtualClock
from prism_testkit.forking import serve
from prism_testkit.fuse import Fuse
from prism_testkit.halts import Halts
from prism_testkit.interfaces import Conflict
from prism_testkit.registry import Registry
from prism_testkit.returned import TELL, filled_in, portable, referred_to
from prism_testkit.schedules import LoopError, VirtualLoop
from prism_testkit.signatures import promised
from prism_testkit.witness import decode, encode

__all__ = ["main"]

Steps = Sequence[tuple[str, tuple[Any, ...]]]
_TRIES = 8
"""A needless conflict is legal, but a transaction retried alone succeeds."""


def main() -> None:
    """Read one order from standard input and carry it out; two numbers on standard output: a call that returned, and when.

    Behind them, of a step that tells, what it tells.
    """
    if sys.argv[1:]:
        serve(int(sys.argv[1]))
    order = json.loads(sys.stdin.readline())
    sys.path[:] = order["path"]
    os.environ.update(order["environment"])
    kind, where = order["origin"]
    if not where:
        sys.exit(
            f"prism: {order['backend']} was registered by an object, not a module or a conftest: a process cannot import it again"
        )
    module = importlib.import_module(where) if kind == "module" else _load(Path(where))
    registry = Registry(adding=where, refused={})  # others may be refused, as they were in the run
    module.prism_register_backends(registry)
    backend = registry.backends[order["backend"]]
    if order["manner"] == "writer":
        _say("imported")
    clock: Clock = VirtualClock(order["now_ns"]) if order["clock"] == "virtual" else RealClock()
    place = Place(url=order["url"], directory=Path(order["directory"]), shared={}, clock=clock)
    driver = registry.offers[backend.name][order["interface"]].driver
    factory = (lambda: VirtualLoop(clock)) if isinstance(clock, VirtualClock) else None
    work = _work(order, [(method, decode(arguments)) for method, arguments in order["steps"]], clock)
    part = _Part()
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            if runner.run(_play(part, backend.connect(place), driver, order["namespace"], work)) and order["manner"] != "writer":
                _say("done")
        except LoopError as error:
            _say(f"! {part.doing}() never returned: {error}".replace("\n", " "))
        except (SystemExit, GeneratorExit) as error:
            _say(f"! {part.doing}() raised {type(error).__name__}")


def _work(order: dict[str, Any], steps: Steps, clock: Clock) -> "Callable[[_Part], Awaitable[None]]":
    """Return what a process does with its driver."""
    match order["manner"]:
        case "together":
            turn, pace_ns = order["turn"], order["pace_ns"]
            pauses = _Pauses(pace_ns / 2e9, turn) if pace_ns and turn[1] > 1 else None
            return partial(_take_part, steps=steps, pace_ns=pace_ns, pauses=pauses)
        case "conducted":
            return partial(_obey, halts=Halts(_stand_still))
        case _:
            return partial(_write, steps=steps, clock=clock, fuse=Fuse(*order["fuse"]))


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        sys.exit(f"prism: {path} cannot be imported again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


class _Part:
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


async def _play(part: _Part, connection: Any, make: Any, namespace: str, steps: Callable[[_Part], Awaitable[None]]) -> bool:
    """Open a driver, make its steps and leave everything; say what failed, and return whether nothing did."""
    try:
        async with connection as client:
            part.doing = "open"
            part.driver = make(client, namespace)
            opener = getattr(part.driver, "open", None)
            if opener is not None:
                await opener()
            await steps(part)
            part.doing = "leaving what was entered"
            await part.entered.leave()
            part.doing = "leaving connect"
    except Exception as error:
        _say(f"! {part.doing}() raised {type(error).__name__}: {error}".replace("\n", " "))
        return False
    return True


async def _write(part: _Part, *, steps: Steps, clock: Clock, fuse: Fuse) -> None:
    """Make the calls one after another, and say after each that it returned."""
    wanted = referred_to(steps)
    for number, (method, arguments) in enumerate(steps):
        part.doing = method
        fuse.before(number)
        given = filled_in(arguments, part.results)
        told = ""
        if method == TELL:
            told = f" {json.dumps(encode(portable(given)))}"
        else:
            result = await part.call(method, given)
            if number in wanted:
                part.results[number] = result
        fuse.after(number)
        _say(f"{number} {clock.now_ns() if isinstance(clock, VirtualClock) else round(clock.now_s() * 1e9)}{told}")


_Told = tuple[int, int, int, tuple[Any, ...], Any, tuple[str, str] | None]
"""A step: its number, when it began and ended, its arguments, its result, the name and the text of what it raised."""


async def _take_part(part: _Part, *, steps: Steps, pace_ns: int, pauses: "_Pauses | None") -> None:
    """Make the calls once all are ready, go on after one that raises, and say at the end what each was told, and when."""
    told: list[_Told] = []
    _say(f"ready {os.getpid()}")
    begin_ns = int(sys.stdin.readline())
    for number, (method, arguments) in enumerate(steps):
        await asyncio.sleep(0)
        if pace_ns:
            _wait_until(begin_ns + number * pace_ns)
        references = referred_to([(method, arguments)])
        if any(part.results.get(step) is None for step in references):
            continue  # there was no message, or no value
        if pauses is not None:
            pauses.begins(method, number)
        told.append(await _step(part, number, method, arguments))
        if pauses is not None:
            pauses.returned(method)
    for each in told:
        _tell(each)
    _say("told")


class _Pauses:
    """Where all meet at every step one of them, by turns, stands still for a moment at a point in the middle of it.

    ``turn``: which process this is, and of how many. How many points a call has is known from earlier ones of its kind.
    """

    def __init__(self, still_s: float, turn: tuple[int, int]) -> None:
        self._halts = Halts(lambda where: time.sleep(still_s))
        self._turn = turn
        self._points: dict[str, int] = {}
        self._random = Random(0)

    def begins(self, method: str, number: int) -> None:
        points = self._points.get(method, 0) if number % self._turn[1] == self._turn[0] else 0
        self._halts.begins(method, self._random.randint(1, points) if points else 0)

    def returned(self, method: str) -> None:
        self._points[method] = max(self._points.get(method, 0), self._halts.returned(method))


def _stand_still(where: str) -> None:
    """Say so, and wait for a line."""
    _say(f"halted {where}")
    sys.stdin.readline()


async def _obey(part: _Part, *, halts: Halts) -> None:
    """Make one call after another as they are asked for, and say at once what each was told. In between the loop runs on."""
    _say(f"ready {os.getpid()}")
    loop, number = asyncio.get_running_loop(), 0
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        method, arguments, at = json.loads(line)
        halts.begins(method, at)
        told = await _step(part, number, method, decode(arguments))
        halts.returned(method)
        _tell(told)
        number += 1


async def _step(part: _Part, number: int, method: str, arguments: tuple[Any, ...]) -> _Told:
    given = filled_in(arguments, part.results)
    plain = part.entered.left_out(given)
    result, failed = None, None
    began_ns = time.monotonic_ns()
    try:
        result = part.results[number] = await part.call(method, given)
    except Exception as error:
        failed = (type(error).__name__, str(error))
    ended_ns = time.monotonic_ns()
    (result,) = part.entered.left_out((result,))
    return number, began_ns, ended_ns, plain, result, failed


def _tell(told: _Told) -> None:
    number, began_ns, ended_ns, given, result, failed = told
    plain = encode(tuple(map(portable, given)))
    _say(json.dumps([number, began_ns, ended_ns, plain, encode(portable(result)), failed]))


def _wait_until(instant_ns: int) -> None:
    """Wait for an instant of the monotonic clock; not by the loop, whose timers are good to a millisecond."""
    time.sleep(max(0, instant_ns - time.monotonic_ns()) / 1e9)


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


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


if __name__ == "__main__":
    main()
