"""Gathers results in the controller, and turns them into an exit code and the reports. Everything that prints is a consumer."""

import datetime
import os
import platform
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import fields
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import pytest

from prism_testkit.bindings import UNCLAIMED
from prism_testkit.fleet import Fleet
from prism_testkit.floors import Judged, covered, judge, load
from prism_testkit.interfaces import BESIDE, interface_model
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.json_file import JsonFile
from prism_testkit.reports.progress import Progress
from prism_testkit.reports.story import Told
from prism_testkit.reports.terminal import header_lines, write_summary
from prism_testkit.results import BackendReport, CheckResult, NotRun, Report
from prism_testkit.traits import Limits, Traits

if TYPE_CHECKING:
    from prism_testkit.acceptance import Acceptance

__all__ = ["Reporting"]

_STATUS = {
    Outcome.PASSED: ("passed", ".", "PASSED"),
    Outcome.FAILED: ("failed", "F", "FAILED"),
    Outcome.WAIVED: ("xfailed", "w", "WAIVED"),
    # One word for both: pytest takes the word of the first skip for all of them, and the reason says which it is.
    Outcome.INCONCLUSIVE: ("skipped", "?", "SKIPPED"),
    Outcome.ERROR: ("error", "E", "ERROR"),
    Outcome.UNAVAILABLE: ("skipped", "-", "SKIPPED"),
}


class Reporting:
    """The results of one run, in the process that reports."""

    def __init__(self, acceptance: "Acceptance") -> None:
        self.acceptance = acceptance
        self.config = acceptance.config
        self.problems: list[str] = []
        self.cleaned: list[str] = []
        self.usage = ""
        self._report = Report(
            started=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            seed=acceptance.options.seed,
            level=acceptance.options.level,
            versions=_versions(),
        )
        self._began = time.perf_counter()
        self._expected: dict[str, None] = {}
        self._finished: set[str] = set()
        self._failures = 0
        self._reached: dict[str, dict[str, dict[str, int]]] = {}
        self._judged: Judged | None = None
        self._crashed = False
        self._interrupted = False
        self._progress: Progress | None = None
        self.live = False
        self._json = self._json_file()

    def _json_file(self) -> JsonFile | None:
        path = self.acceptance.options.json
        if path is None or self.acceptance.is_worker:
            return None
        file = JsonFile(path)
        try:
            file.check_writable()
        except ValueError as error:
            raise pytest.UsageError(f"--prism-json: {error}") from error
        return file

    # -- before ----------------------------------------------------------------------------------------------------------------

    def begin(self, fleet: Fleet) -> None:
        """Note what is available; called once servers are up."""
        found, options = self.acceptance.found, self.acceptance.options
        required = set(options.backends.explicit) | set(options.require)
        for name in found.selected:
            reported = self._backend(name, fleet)
            must = name in required or "all" in options.require
            self._report.backends.append(reported.model_copy(update={"required": must}))
        unknown = set(options.require) - {"all"} - set(found.selected)
        self.problems += [f"--prism-require: {name} is not among the selected backends" for name in sorted(unknown)]
        self.problems += [text for name, text in found.refused.items() if name not in found.selected]
        self._report.not_run += [NotRun(what=text, reason="warning") for text in found.registry.warnings]

    def _backend(self, name: str, fleet: Fleet) -> BackendReport:
        found = self.acceptance.found
        if name not in found.registry.backends:
            refused = found.refused.get(name, "")
            reason = refused or found.missing.get(name, "it was not registered")
            return BackendReport(name=name, kind="unknown", status="refused" if refused else "unavailable", reason=reason)
        backend = found.registry.backends[name]
        offers = found.registry.offers[name]
        endpoint, server = fleet.endpoints.get(name), fleet.running.get(name)
        reason = endpoint.reason if endpoint is not None else ""
        first = next(iter(offers.values()))
        return BackendReport(
            name=name,
            kind="fake" if backend.fake else "embedded" if backend.server is None else "real server",
            status="unavailable" if reason else "available",
            reason=reason,
            origin=server.origin if server is not None else "",
            version=server.version if server is not None else "",
            interfaces=list(offers),
            traits=_claims(first.traits),
        )

    def expect(self, ids: Sequence[str]) -> None:
        """Note which items are to have a result."""
        self._expected.update(dict.fromkeys(ids))
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        if self._progress is not None or reporter is None or self.config.option.collectonly:
            return
        self._progress = Progress(sys.stdout, len(self._expected), self.config.get_verbosity() == 0 and bool(self._expected))
        self.live = self._progress.enabled
        if self.live:
            # pytest's own lines pass through the guard, which takes the status line away first.
            writer = reporter._tw
            writer._file = self._progress.guard(writer._file)
            # Without letters, a line for each file would stand empty.
            reporter.showfspath = False

    def unbound(self) -> str:
        """Return why nothing at all is left to run, or the empty string."""
        acceptance = self.acceptance
        registered = [name for name in acceptance.found.selected if name in acceptance.found.registry.backends]
        if acceptance.bound or not registered:
            return ""
        if acceptance.witness is not None:
            gone = f"no check {acceptance.witness.check}[{acceptance.witness.binding}] here any more"
            return f"--prism-replay: {acceptance.replay_problem or gone}"
        if not acceptance.acceptance_run:
            return ""
        why = [f"{backend} {reason} ({len(checks)} checks)" for (backend, reason), checks in acceptance.refused.items()]
        return f"no binding: nothing that was selected fits any selected backend: {'; '.join(why) or 'no suite is selected'}"

    # -- during ----------------------------------------------------------------------------------------------------------------

    def started(self, identifier: str) -> None:
        """Show what is running now."""
        if self._progress is not None and identifier in self._expected:
            self._show(identifier)

    def take(self, report: Any) -> None:
        """Take a result off a pytest report."""
        data = getattr(report, "prism_result", None)
        if data is None:
            return
        result = CheckResult.model_validate(data)
        if isinstance(report.longrepr, str):
            # Not earlier: over the way from an xdist worker only a string stays what it is.
            path, line, _ = report.location
            report.longrepr = Told(report.longrepr, result, path, (line or 0) + 1)
        self._keep(result)
        self._show(result.id)
        if self._json is not None and self._json.is_due:
            # A run that is killed cannot say any more what it did not come to.
            self._json.offer(self._snapshot().model_copy(update={"unfinished": self._unfinished()}))

    def _unfinished(self) -> list[str]:
        return [identifier for identifier in self._expected if identifier not in self._finished]

    def _keep(self, result: CheckResult) -> None:
        """Keep one result an id: under ``soak`` the newest, but a failure stays."""
        if result.id in self._finished:
            before = next(r for r in self._report.results if r.id == result.id)
            if before.outcome is Outcome.FAILED:
                return
            self._report.results.remove(before)
        self._cover(result)
        self._report.results.append(result)
        self._finished.add(result.id)
        self._failures += result.outcome in (Outcome.FAILED, Outcome.ERROR)

    def _cover(self, result: CheckResult) -> None:
        """Add what a check reached to the coverage table."""
        of_it = self._reached.setdefault(result.pattern or result.backends[0], {})
        for interface, cells in result.reached.items():
            total = of_it.setdefault(interface, {})
            for cell, count in cells.items():
                total[cell] = total.get(cell, 0) + count
        result.reached = {}

    def _floors(self) -> Judged:
        """Hold what ran against the floors of its suites; once, when all is known."""
        if self._judged is None and self._narrowed():
            self._judged = Judged()  # a suite may have run on some of its bindings only
        elif self._judged is None:
            acceptance = self.acceptance
            registry = acceptance.found.registry
            options = acceptance.options
            whole = acceptance.acceptance_run and not (options.patterns or options.suites or options.replay)
            ordinary = {n for n, offers in registry.offers.items() if all(o.limits == Limits() for o in offers.values())}
            try:
                floors = load(registry.suites)
            except ValueError as error:
                self._judged = Judged(falls=[str(error)])
                return self._judged
            incomplete = self._interrupted or self._crashed or bool(self._expected.keys() - self._finished)
            origins = {name: where for name, (_, where) in registry.origins.items()}
            self._judged = judge(
                self._report, self._reached, floors, origins=origins, ordinary=ordinary, whole=whole and not incomplete
            )
        return self._judged

    def _show(self, current: str) -> None:
        if self._progress is not None:
            self._progress.update(len(self._finished), self._failures, current)

    def status(self, report: Any) -> tuple[str, str, str] | None:
        """Tell pytest how to count and show a result of ours."""
        data = getattr(report, "prism_result", None)
        if data is None:
            return None
        category, letter, word = _STATUS[Outcome(data["outcome"])]
        return category, "" if self.live else letter, word

    def node_down(self, usage: str, problems: Sequence[str], error: object) -> None:
        """Take the last words of an xdist worker."""
        self.usage = self.usage or usage
        self.problems += problems
        self._crashed = self._crashed or bool(error)

    # -- after -----------------------------------------------------------------------------------------------------------------

    def exit_code(self, pytest_code: int) -> int:
        """Return the exit code of the run, given pytest's own; see the table in the documentation."""
        self._interrupted = pytest_code == pytest.ExitCode.INTERRUPTED
        if self._progress is not None:
            self._progress.close()
        if self.config.option.collectonly or pytest_code not in (0, 1, pytest.ExitCode.NO_TESTS_COLLECTED):
            return pytest_code
        if self.usage:
            return int(pytest.ExitCode.USAGE_ERROR)
        return int(bool(pytest_code == 1 or list(self._wrong())))

    def _wrong(self) -> list[str]:
        """Return what makes the run fail beside failed checks, in words."""
        options, results = self.acceptance.options, self._report.results
        wrong = list(self.problems)
        for backend in self._report.backends:
            if backend.status == "refused" or (backend.status == "unavailable" and (backend.required or options.strict)):
                wrong.append(f"{backend.name} is {backend.status}: {backend.reason}")
        if options.strict:
            wrong += [f"--prism-strict: {r.id} is inconclusive" for r in results if r.outcome is Outcome.INCONCLUSIVE]
        if self.acceptance.acceptance_run and not any(r.outcome is not Outcome.UNAVAILABLE for r in results):
            wrong.append("nothing was executed: no check ran on any backend")
        if self.acceptance.witness is not None:
            return wrong
        return wrong + self._idle() + [f"coverage fell: {fall}" for fall in self._floors().falls]

    def _idle(self) -> list[str]:
        """Return the suites of which no check ran on an available backend that claims what they need."""
        if not self.acceptance.acceptance_run or self._interrupted or self._narrowed():
            return []
        ran = {(r.suite, name) for r in self._report.results if r.outcome is not Outcome.UNAVAILABLE for name in r.backends}
        due = {(r.suite, name) for r in self._report.results for name in r.backends}
        up = {b.name for b in self._report.backends if b.status == "available"}
        return [f"no check of {suite} ran on {name}" for suite, name in sorted(due - ran) if name in up]

    def _narrowed(self) -> bool:
        """Say whether the user asked for less than whole suites."""
        option = self.config.option
        return bool(option.keyword or option.markexpr or option.maxfail or getattr(option, "lf", False) or option.deselect)

    def _snapshot(self) -> Report:
        report = self._report
        report.duration_s = time.perf_counter() - self._began
        report.problems = [*self.problems, *([self._json.problem] if self._json is not None and self._json.problem else [])]
        return report

    def header(self) -> list[str]:
        if self.acceptance.is_worker or self.config.get_verbosity() < 0:
            return []
        report = self._report
        return [*header_lines(report.backends, report.level, report.seed), *(f"prism: {text}" for text in self.cleaned)]

    def summary(self, terminalreporter: Any) -> None:
        """Write the matrix and what belongs to it."""
        if self.config.option.collectonly:
            return
        if self.usage:
            terminalreporter.write_line(f"ERROR: {self.usage}", red=True)
        report = self._final()
        report.problems = list(dict.fromkeys([*self.problems, *self._wrong()]))
        verbose = self.config.get_verbosity() > 0
        writer = terminalreporter._tw
        write_summary(
            terminalreporter,
            report,
            verbose=verbose,
            json_path=str(self.acceptance.options.json or ""),
            width=max(writer.fullwidth, 60),
            encoding=getattr(writer._file, "encoding", None),
            stopped=self._stopped_by(),
        )

    def _stopped_by(self) -> str:
        """Return the option that ended the run at so many failures; empty if none did."""
        most = self.config.option.maxfail
        if not most or self._failures < most or self._crashed:  # under xdist pytest counts the end as an interruption
            return ""
        return "-x" if most == 1 else f"--maxfail={most}"

    def _final(self) -> Report:
        report = self._snapshot()
        report.unfinished = self._unfinished()
        report.coverage = covered(self._reached, self._floors().missing)
        seen = {(entry.what, entry.reason) for entry in report.not_run}
        for what, why in self._unfit():
            if (what, why) not in seen:
                report.not_run.append(NotRun(what=what, reason=why))
        if self.acceptance.too_low:
            what = _checks(len(self.acceptance.too_low))
            why = _TOO_LOW if len(self.acceptance.too_low) > 1 else _ONE_TOO_LOW
            if (what, why) not in seen:
                report.not_run.append(NotRun(what=what, reason=why))
        return report

    def _unfit(self) -> Iterator[tuple[str, str]]:
        """Yield what was not run on which backend, and why; all that only lacks claims in one line a backend."""
        lacking: dict[str, tuple[int, set[str]]] = {}
        for (backend, why), checks in self.acceptance.refused.items():
            reasons = why.split("; ")
            if all(reason.startswith(UNCLAIMED) for reason in reasons):
                count, missing = lacking.get(backend, (0, set()))
                named = {name for reason in reasons for name in reason.removeprefix(UNCLAIMED).partition(" for ")[0].split(", ")}
                lacking[backend] = (count + len(checks), missing | named)
            else:
                yield f"{_checks(len(checks))} on {backend}", why
        for backend, (count, missing) in lacking.items():
            yield f"{_checks(count)} on {backend}", UNCLAIMED + _briefly(missing, self._claimed(backend))

    def _claimed(self, backend: str) -> set[str]:
        """Return the data models of which a backend claims something."""
        return {interface_model(name) for name in self.acceptance.found.registry.offers.get(backend, {})}

    def finish(self, exit_code: int) -> None:
        """Write the last of every report."""
        if self._json is None:
            return
        report = self._final()
        report.exit_code = exit_code
        report.complete = not (self._interrupted or self._crashed or report.unfinished or exit_code in (2, 3, 4))
        report.problems = list(dict.fromkeys([*self.problems, *self._wrong()]))
        try:
            self._json.finish(report)
        except OSError as error:
            self.config.get_terminal_writer().line(f"ERROR: --prism-json: the report could not be written: {error}", red=True)


_ONE_TOO_LOW = "it runs from a higher --prism-level: it generates its data, or takes long"
_TOO_LOW = "they run from a higher --prism-level: they generate their data, or take long"


def _checks(number: int) -> str:
    return "1 check" if number == 1 else f"{number:,} checks"


def _briefly(interfaces: set[str], models: set[str]) -> str:
    """Name interfaces, those of a model of which nothing is claimed by the model."""
    beside = {name for name in interfaces if interface_model(name) in models or name in BESIDE}
    whole = sorted({interface_model(name) for name in interfaces - beside})
    named = ", ".join(sorted(beside))
    if not whole:
        return named
    return f"{named}; nor anything of {', '.join(whole)}" if named else f"anything of {', '.join(whole)}"


def _claims(traits: Traits) -> dict[str, str | float | None]:
    return {f.name: getattr(traits, f.name) for f in fields(traits) if getattr(traits, f.name) != f.default}


def _versions() -> dict[str, str]:
    names = ("prism-testkit", "pytest", "hypothesis", "pluggy")
    return {"python": platform.python_version(), "platform": f"{platform.system()} {os.uname().machine}"} | {
        n: version(n) for n in names
    }
