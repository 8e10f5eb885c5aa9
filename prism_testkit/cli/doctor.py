"""``prism doctor``: everything that keeps a run from happening, each with the one command or edit that cures it."""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

from prism_testkit.cli import _environment as environment
from prism_testkit.cli._console import Parser, say
from prism_testkit.cli._findings import Finding

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism doctor``."""
    made = Parser("doctor", "Say what is missing, and the one command that cures it. Exit code 0 if nothing is, else 1.")
    made.add_argument("backends", nargs="*", help="look only at these backends, and at the environment; all if left out")
    return made


def run(options: argparse.Namespace) -> int:
    """Print every finding with its cure; 1 if there is one that is no mere remark."""
    findings = list(dict.fromkeys(_examine(options.backends)))
    for finding in findings:
        say(f"{'remark' if finding.remark else 'missing'}: {finding.what}\n    {finding.cure}")
    wrong = sum(not finding.remark for finding in findings)
    if wrong:
        say(f"{wrong} to mend; `prism doctor` again tells whether it is gone")
        return 1
    say("all is well: pytest --prism-backend=" + (",".join(options.backends) or "embedded"))
    return 0


def _examine(names: Sequence[str]) -> Iterator[Finding]:
    basics = [*environment.python(), *environment.packages()]
    yield from basics
    yield from environment.speed()
    if not basics:  # else importing what registers would fail for the same reason, less clearly
        yield from _examine_project(names)


def _examine_project(names: Sequence[str]) -> Iterator[Finding]:
    from prism_testkit.cli import _registrations as registrations
    from prism_testkit.cli._project import Project, project_root

    state = project_root(Path.cwd()) / ".prism"
    unwritable = list(environment.writable(state))
    yield from unwritable
    if not unwritable:
        yield from environment.leftovers_of_runs(state)
    project = Project.here(*names)
    without_backend = registrations.servers_alone(project, names)
    for name in names:
        if name not in project.backends and name not in without_backend:
            raise project.unknown(name)
    yield from registrations.conftest(project)
    yield from registrations.each_backend(project, [name for name in names or project.backends if name in project.backends])
    for name, server in without_backend.items():
        yield from registrations.server(name, server, project)
    yield from registrations.others(project)
