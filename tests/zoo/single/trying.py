"""Runs a module, changed or probed, against the checks of its family, in a forked child: nobody else imports what is changed."""

import importlib
import importlib.util
import json
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .changes import PROBE

__all__ = ["Subject", "Tried", "checks_of", "family_of", "is_elsewhere", "source_of", "tried"]

_FORKING = threading.Lock()
"""Else a child holds the pipe of another."""
_HOOK = Path(__file__).parents[1] / "servers" / "hook"
_PREFIXES = {
    "keyvalue": "keyvalue_",
    "queues": "queue_",
    "streams": "stream_",
    "pubsubs": "pubsub_",
    "objects": "object_storage",
    "lifecycle": "lifecycle.",
    "claims": "",
}
"""The families, and what the promises of each begin with; those of a pattern are found by the pattern."""
_SHIPPED = {
    "keyvalue": ("keyvalue",),
    "queues": ("queue", "messages", "takers", "waiting"),
    "streams": ("stream",),
    "pubsubs": ("pubsub", "members", "listening"),
    "objects": ("object", "buckets", "drafts", "names", "versions", "client"),
}
"""By what the names of shipped modules begin with."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """Whose module is changed: a family, and the driver by name; "" is the first unusual one that has a class of the module."""

    module: str
    family: str
    driver: str = ""


@dataclass(kw_only=True)
class Tried:
    """What became of one run. ``outcome``: "survived", "caught", "hangs", or "not reached" where no check runs what is changed.

    ``spent``: for each check the seconds; ``reached``: for each the lines of statements that it ran, None if in another process.
    """

    outcome: str
    check: str = ""
    promise: str = ""
    said: str = ""
    driver: str = ""
    seconds: float = 0.0
    spent: dict[str, float] = field(default_factory=dict)
    reached: dict[str, list[int] | None] = field(default_factory=dict)


def source_of(module: str) -> str:
    """Return the text of a module, which is not imported for it."""
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no text of {module}")
    return Path(spec.origin).read_text(encoding="utf-8")


def family_of(module: str) -> str:
    """Return the family that judges a module, or ""."""
    parts = module.split(".")
    if parts[:2] == ["tests", "zoo"]:
        return parts[2] if parts[2] in _PREFIXES else "keyvalue"
    if parts[0] == "prism_patterns":
        return "claims"
    found = [family for family, words in _SHIPPED.items() if parts[-1].startswith(words)]
    return found[0] if found else ""


def tried(subject: Subject, text: str, *, checks: Sequence[str] | None = None, here: bool = False, limit_s: float = 300.0) -> Tried:
    """Run the checks over a changed text until one fails; ``checks``: only these, in this order. None: all, and who reaches what.

    ``here``: of all, none that kills another process. Whoever takes longer than ``limit_s`` is killed, with its children.
    """
    started = time.monotonic()
    folder = tempfile.mkdtemp(prefix="prism-single-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    with _FORKING:
        reading, writing = os.pipe()
        child = os.fork()
        if not child:
            _be_the_child(lambda: _run(subject, text, checks, here, folder), writing)
        os.close(writing)
    said = b""
    try:
        while select.select([reading], [], [], max(0.0, started + limit_s - time.monotonic()))[0]:
            piece = os.read(reading, 65536)
            if not piece:
                break
            said += piece
    finally:
        os.close(reading)
        try:
            os.killpg(child, signal.SIGKILL)
        except ProcessLookupError:
            os.kill(child, signal.SIGKILL)  # it had no time to become the first of its group
        os.waitpid(child, 0)
        shutil.rmtree(folder, ignore_errors=True)
    try:
        found = Tried(**json.loads(said))
    except ValueError:
        late = time.monotonic() - started >= limit_s
        found = Tried(outcome="hangs" if late else "caught", said=f"no end after {limit_s} s" if late else "the process died")
    found.seconds = round(time.monotonic() - started, 1)
    return found


def _be_the_child(what: Callable[[], Tried], writing: int) -> None:
    """Do it, tell it, and be gone, whatever it raises."""
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(nothing, standard)
        try:
            found = what()
        except BaseException as error:
            trace = "".join(traceback.format_exception(error))[-600:]
            found = Tried(outcome="caught", check="at import or in the runner", said=f"{type(error).__name__}: {error}\n{trace}")
        with os.fdopen(writing, "w", encoding="utf-8") as file:
            json.dump(asdict(found), file)
    finally:
        os._exit(0)


def _run(subject: Subject, text: str, checks: Sequence[str] | None, here: bool, folder: str) -> Tried:
    _install(subject.module, text)
    tempfile.tempdir = folder  # removed by the parent, however this process ends
    return _judge(subject, checks, here)


def _install(module: str, text: str) -> None:
    """Have Python import this text for the module from now on, here and in processes that are started from here."""
    os.environ["PYTHONPATH"] = os.pathsep.join([str(_HOOK), *filter(None, [os.environ.get("PYTHONPATH")])])
    os.environ["PRISM_CHANGE"] = json.dumps({"module": module, "texts": [[source_of(module), text]]})
    if module in sys.modules:
        # The suites know its classes: they are imported anew with all else that may.
        for name in list(sys.modules):
            if name.partition(".")[0] in ("prism_backends", "prism_patterns", "prism_suites") or (
                name.startswith("tests.zoo") and not name.startswith(__package__ or "")
            ):
                del sys.modules[name]
    spec = importlib.util.spec_from_file_location("_prism_single_hook", _HOOK / "sitecustomize.py")
    assert spec is not None
    assert spec.loader is not None
    spec.loader.exec_module(importlib.util.module_from_spec(spec))


def _judge(subject: Subject, asked: Sequence[str] | None, here: bool) -> Tried:
    import builtins

    from prism_testkit.forking import ForkServer
    from prism_testkit.outcomes import Outcome

    kill = importlib.import_module("tests.zoo.kill")
    reached: set[int] = set()
    setattr(builtins, PROBE, reached.add)
    name, runner = _runner(subject, kill)
    if subject.module not in sys.modules:
        raise LookupError(f"{name} has no use for {subject.module}")
    apart = _watched(ForkServer)
    checks = _checks(subject.family, kill)
    if asked is not None:
        known = dict(checks)
        checks = [(each, known[each]) for each in asked]
    found = Tried(outcome="survived", driver=name)
    for identifier, check in checks:
        if here and is_elsewhere(identifier):
            continue
        reached.clear()
        apart.clear()
        started, ran = time.perf_counter(), False
        for result in runner.run(identifier, check):
            ran = True
            if result.outcome not in (Outcome.PASSED, Outcome.INCONCLUSIVE):
                failure = result.failure
                found.outcome, found.check = "caught", result.id
                found.promise = failure.promise if failure is not None else str(result.outcome)
                found.said = failure.message if failure is not None else result.reason
                return found
        if ran:
            found.spent[identifier] = round(time.perf_counter() - started, 4)
            found.reached[identifier] = None if apart or is_elsewhere(identifier) else sorted(reached)
    problems = runner.close()
    if problems:
        found.outcome, found.check, found.said = "caught", "what is left behind at the end", "; ".join(problems)
    return found


def _watched(server: Any) -> list[Any]:
    """Return a list that grows whenever a process is started; what that reaches is not told here."""
    starts: list[Any] = []
    start = server.start

    def watched(*arguments: Any) -> Any:
        starts.append(arguments)
        return start(*arguments)

    server.start = watched
    return starts


def checks_of(family: str) -> list[str]:
    """Return all checks that judge a family."""
    return [identifier for identifier, _ in _checks(family, importlib.import_module("tests.zoo.kill"))]


def is_elsewhere(identifier: str) -> bool:
    """Say whether a check runs what it judges in another process, which it kills."""
    return "/durability/" in identifier


def _checks(family: str, kill: Any) -> list[tuple[str, Any]]:
    if family == "claims":
        return [pair for pair in kill.all_checks() if pair[1].pattern is not None]
    prefix = _PREFIXES[family]
    return [(i, c) for i, c in kill.all_checks() if c.pattern is None and any(p.startswith(prefix) for p in c.promises)]


def _runner(subject: Subject, kill: Any) -> tuple[str, Any]:
    """Return the driver's name, and what runs checks over it."""
    if subject.module.startswith("prism_backends."):
        home = ".".join(subject.module.split(".")[:2]) if not subject.driver else f"prism_backends.{subject.driver}"
        shipped = getattr(importlib.import_module(home), home.rpartition(".")[2])
        return shipped.name, kill.Runner(shipped, home=home, folder=tempfile.tempdir)
    home = "tests.zoo.catalogue" if subject.family == "keyvalue" else f"tests.zoo.{subject.family}.catalogue"
    if subject.family == "claims":
        return _claims_runner(subject, home, kill)
    backends = importlib.import_module(home).UNUSUAL
    fits = [b for b in backends if subject.driver in ("", b.name) and (subject.driver or _uses(b.drivers, subject.module))]
    if not fits:
        raise LookupError(f"no unusual driver of {subject.family} has a class of {subject.module}; name one")
    return fits[0].name, kill.Runner(fits[0], home=home, folder=tempfile.tempdir)


def _claims_runner(subject: Subject, home: str, kill: Any) -> tuple[str, Any]:
    from prism_backends.memory import memory

    catalogue = importlib.import_module(home)
    if subject.module.startswith("prism_patterns."):
        from prism_patterns.claim_check import PrismClaimCheck
        from prism_testkit.pattern import Pattern

        ours = Pattern(kind="claim-check", name="prism", implementation=PrismClaimCheck)
        return "prism", kill.Runner(memory, pattern=ours, home=home, folder=tempfile.tempdir)
    named, module = subject.driver, subject.module
    fits = [p for p in catalogue.UNUSUAL if named in ("", p.name) and (named or _uses([p.implementation], module))]
    if not fits:
        raise LookupError(f"no unusual claim check has a class of {module}; name one")
    return str(fits[0].name), kill.Runner(memory, pattern=fits[0], home=home, folder=tempfile.tempdir)


def _uses(classes: Sequence[Any], module: str) -> bool:
    return any(base.__module__ == module for each in classes for base in getattr(each, "__mro__", ()))
