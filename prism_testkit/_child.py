"""The writing process of a kill: re-imports a backend's registration, makes calls, says after each that it returned.

Started with the number of a descriptor it forks such processes (see `forking`); else it is one. Directory and URL come over
standard input, never by argv, where other users of the machine could read them.
"""

import asyncio
import importlib
import importlib.util
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
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
from prism_testkit.making import Part
from prism_testkit.registry import Registry
from prism_testkit.returned import TELL, filled_in, portable, referred_to
from prism_testkit.schedules import VirtualLoop
from prism_testkit.stuck import LoopError
from prism_testkit.witness import decode, encode

__all__ = ["main"]

Steps = Sequence[tuple[str, tuple[Any, ...]]]


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
    part = Part()
    with asyncio.Runner(loop_factory=factory) as runner:
        try:
            if runner.run(_play(part, backend.connect(place), driver, order["namespace"], work)) and order["manner"] != "writer":
                _say("done")
        except LoopError as error:
            _say(f"! {part.doing}() never returned: {error}".replace("\n", " "))
        except (SystemExit, GeneratorExit) as error:
            _say(f"! {part.doing}() raised {type(error).__name__}")


def _work(order: dict[str, Any], steps: Steps, clock: Clock) -> "Callable[[Part], Awaitable[None]]":
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


async def _play(part: Part, connection: Any, make: Any, namespace: str, steps: Callable[[Part], Awaitable[None]]) -> bool:
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


async def _write(part: Part, *, steps: Steps, clock: Clock, fuse: Fuse) -> None:
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


async def _take_part(part: Part, *, steps: Steps, pace_ns: int, pauses: "_Pauses | None") -> None:
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


async def _obey(part: Part, *, halts: Halts) -> None:
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


async def _step(part: Part, number: int, method: str, arguments: tuple[Any, ...]) -> _Told:
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


if __name__ == "__main__":
    main()
