"""Several processes at work on one place at once, each a client of its own, and the one history of what all were told.

Whoever keeps in its own memory what others must see, or holds a lock that other processes do not know, is right alone and wrong
here. The processes wait for each other, then make their calls as fast as they can; each takes the times of its calls from the
system's monotonic clock, which all share, and tells them at the end, so that telling does not keep them apart.
"""

import builtins
import contextlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from prism_testkit.backend import Place
from prism_testkit.bindings import Candidate
from prism_testkit.forking import Writer
from prism_testkit.histories import History
from prism_testkit.interfaces import errors
from prism_testkit.killing import Step, early, order
from prism_testkit.outcomes import Inconclusive
from prism_testkit.returned import Told, decoded
from prism_testkit.worker import Worker

__all__ = ["PROCESS", "heard", "run_processes", "shared_place", "started_with"]

PROCESS = 1000
"""The first process stands under this client number in a history; the others follow."""
_HEAD_START_NS = 1_000_000
"""Until the first step: the last process is told by then."""


def shared_place(worker: Worker, candidate: Candidate) -> Place:
    """Return where the processes of one case meet: on the backend's server, or in a directory of their own."""
    endpoint = worker.endpoints.get(candidate.backend.name)
    return worker.new_place(endpoint.url if endpoint is not None else "", "real", f"{candidate.backend.name}-together")


def run_processes(
    worker: Worker,
    candidate: Candidate,
    place: Place,
    plans: Sequence[Sequence[Step]],
    namespace: str,
    history: History,
    *,
    pace_s: float = 0.0,
) -> list[Told]:
    """Let each plan be made by a process of its own, all at once; return every call, and put it into ``history``.

    With ``pace_s`` a step begins no sooner than so long after the one before it should have begun: they meet at every step, and by
    turns one of them stands still for a moment in the middle of it, while the others go on.
    Raise `Inconclusive` if the calls of no two of several overlapped, and what a kill raises if a process ends early.
    """
    backend = candidate.backend
    told: list[Told] = []
    with contextlib.ExitStack() as stack:
        orders = [order(worker, candidate, place, namespace, plan) for plan in plans]
        each_ns, count = round(pace_s * 1e9), len(plans)
        asked = [{**each, "manner": "together", "pace_ns": each_ns, "turn": (turn, count)} for turn, each in enumerate(orders)]
        started = [writer for writer, _ in started_with(asked, stack, worker, place, backend.name)]
        begin_ns = time.monotonic_ns() + _HEAD_START_NS
        for writer in started:
            writer.orders.write(b"%d\n" % begin_ns)
            writer.orders.flush()
        for number, (writer, plan) in enumerate(zip(started, plans, strict=True)):
            told += _heard(number, writer, plan)
            _expect("done", writer, backend.name, _log(place, number))
    if len(plans) > 1 and not _overlapping(told):
        raise Inconclusive(f"the calls of no two of {len(plans)} processes overlapped")
    return _written(told, history)


def started_with(
    asked: Sequence[dict[str, Any]], stack: contextlib.ExitStack, worker: Worker, place: Place, backend: str
) -> list[tuple[Writer, int]]:
    """Start a process for each order; return them with their numbers when all are ready. They are killed when ``stack`` ends."""
    writers = []
    with worker.watchdog.at_work():  # they are forked, and import the registration again, which may take its time
        for number, (server, each) in enumerate(zip(worker.crew(len(asked)), asked, strict=True)):
            writer = server.start(place.directory, _log(place, number))
            stack.callback(writer.close)
            writers.append(writer)
            writer.orders.write(json.dumps(each).encode() + b"\n")
            writer.orders.flush()
        return [(writer, int(_expect("ready", writer, backend, _log(place, number)))) for number, writer in enumerate(writers)]


def _log(place: Place, number: int) -> Path:
    """Return where a process of a place writes its standard error."""
    return place.directory.parent / f"{place.directory.name}.{number}.stderr"


def _expect(word: str, writer: Writer, backend: str, log: Path) -> str:
    """Return what a process says behind a word; raise what a kill raises if it says something else."""
    said = writer.said.readline().decode(errors="replace").strip()
    found, _, rest = said.partition(" ")
    if found != word:
        raise early(backend, [said[1:].strip()] if said.startswith("!") else [], log.read_text(errors="replace"))
    return rest


def _heard(process: int, writer: Writer, plan: Sequence[Step]) -> Iterator[Told]:
    """Yield what a process tells; steps whose arguments were not there, as no message was, are left out."""
    for line in iter(writer.said.readline, b""):
        if line == b"told\n":
            return
        yield heard(process, line, [method for method, _ in plan])


def heard(process: int, line: bytes, methods: Sequence[str]) -> Told:
    """Return what a process told of one step; raise what a kill raises if it told that it could not go on."""
    if line.startswith(b"!"):
        raise early("", [line[1:].decode(errors="replace").strip()], "")
    step, began_ns, ended_ns, arguments, result, failed = json.loads(line)
    error = _raised(*failed) if failed is not None else None
    return Told(process, step, methods[step], decoded(arguments), began_ns, ended_ns, decoded(result), error)


def _raised(name: str, message: str) -> Exception:
    """Return an error of the interfaces, or of Python, by its name; any other is told as a ``RuntimeError``."""
    found = getattr(errors, name, None) or getattr(builtins, name, None)
    if isinstance(found, type) and issubclass(found, Exception):
        with contextlib.suppress(TypeError):  # it is not made of a message alone
            return found(message)
    return RuntimeError(f"{name}: {message}")


def _overlapping(told: Sequence[Told]) -> bool:
    """Say whether a call of one process began before one of another had ended."""
    latest: dict[int, int] = {}
    for call in sorted(told, key=attrgetter("began_ns")):
        if any(ended_ns > call.began_ns for process, ended_ns in latest.items() if process != call.process):
            return True
        latest[call.process] = max(call.ended_ns, latest.get(call.process, 0))
    return False


def _written(told: Sequence[Told], history: History) -> list[Told]:
    """Put all calls into the history in the order of their times; where two are the same, a call comes before a return."""
    moments = [(call.began_ns, 0, number) for number, call in enumerate(told)]
    moments += [(call.ended_ns, 1, number) for number, call in enumerate(told)]
    began: dict[int, int] = {}
    ended: dict[int, int] = {}
    for _, is_end, number in sorted(moments):
        call = told[number]
        client = PROCESS + call.process
        history.labels[client] = f"process {call.process + 1}"
        if not is_end:
            began[number] = history.invoke(client, call.op, call.arguments, {})
            continue
        ended[number] = len(history)
        if call.error is not None:
            history.fail(began[number], call.error)
        else:
            history.respond(began[number], call.result)
    return [replace(call, call=began[number], ret=ended[number]) for number, call in enumerate(told)]
