"""``prism check NAME``: what a backend lacks for each interface, also where the registry refuses it; opened and closed once."""

import argparse
from collections.abc import Iterator
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.cli._console import Parser, say
from prism_testkit.cli._drivers import Line, driver_lines, edit, loose_problems
from prism_testkit.cli._opening import connect_lines
from prism_testkit.cli._project import Project
from prism_testkit.registry import Registry

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism check``."""
    made = Parser("check", "Say what a backend lacks for each interface, and the edit that adds it. Exit code 1 if it is wrong.")
    made.add_argument("name", metavar="NAME", help="the backend")
    made.add_argument("--deadline", type=float, default=10.0, metavar="SECONDS", help="for opening it once; default 10")
    made.add_argument("--no-connect", action="store_true", help="look at the classes only; start and open nothing")
    return made


def run(options: argparse.Namespace) -> int:
    """Print the lines, those that are wrong with their cure; 1 if there is one."""
    name = options.name
    project = Project.here(name)
    if name not in project.backends:
        raise project.unknown(name)
    backend = project.found.registry.seen.get(name)
    if backend is None:
        reason = project.found.missing.get(name) or project.found.refused.get(name, "it was not registered")
        say(f"{name} cannot be looked at: {reason}")
        return 1
    say(f"{name}, registered by {project.found.registry.origins.get(name, ('', ''))[1] or 'an object without a file'}")
    wrong = 0
    for line in _lines(backend, project, options):
        wrong += line.mark == "wrong"
        say(f"  {line.mark:6} {line.text}" + (f"\n         {line.cure}" if line.cure else ""))
    say(f"{wrong} to mend" if wrong else f"nothing is wrong with what it claims: pytest --prism-backend={name}")
    return 1 if wrong else 0


def _lines(backend: Backend[Any], project: Project, options: argparse.Namespace) -> Iterator[Line]:
    _, problems = Registry(adding="prism check").examine(backend)
    for driver in backend.drivers:
        if isinstance(driver, type):
            yield from driver_lines(backend, driver, problems)
    yield from loose_problems(backend, problems)
    refused = project.found.refused.get(backend.name, "")
    if refused and not problems:
        yield Line("wrong", refused, "edit its registration: as that says")
    yield _clean(backend)
    if not options.no_connect and callable(backend.connect) and not any(p.startswith(("server:", "clock:")) for p in problems):
        yield from connect_lines(backend, project.state, options.deadline)


def _clean(backend: Backend[Any]) -> Line:
    if backend.clean is not None:
        return Line("ok", "clean is given")
    where = "the server keeps what every run wrote" if backend.server is not None else "what a case wrote stays until the run ends"
    cure = f"{edit(backend.connect)}: async def clean(client, prefix), which removes every namespace that begins with prefix; "
    return Line("wrong" if backend.server is not None else "note", f"clean is not given: {where}", f"{cure}Backend(clean=clean)")
