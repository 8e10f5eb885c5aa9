"""The hooks of an acceptance run: servers before, results during, reports and exit code after."""

import gc
from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from prism_testkit.fleet import Fleet
from prism_testkit.items import CheckItem, SuiteModule
from prism_testkit.reaper import Reaper
from prism_testkit.reporting import Reporting
from prism_testkit.runs import RunRecord, clean_namespaces, record_run, sweep_directories
from prism_testkit.worker import Worker

if TYPE_CHECKING:
    from prism_testkit.acceptance import Acceptance

__all__ = ["Session"]


class Session:
    """One process's hooks. Under xdist the controller starts servers and reports; workers run checks."""

    def __init__(self, acceptance: "Acceptance") -> None:
        self.acceptance = acceptance
        self.config = acceptance.config
        self.is_worker = acceptance.is_worker
        self.reporting = Reporting(acceptance)
        self._record: RunRecord | None = None
        self._reaper: Reaper | None = None
        self._workers = 0
        self._gone: list[str] = []
        """What became of waivers whose check is gone; known where the checks are collected."""
        self._closed = False

    # -- before ----------------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        if self.is_worker or self.config.option.collectonly:
            return
        acceptance = self.acceptance
        options = acceptance.options
        self.reporting.problems += acceptance.waiving.problems
        self.reporting.cleaned = sweep_directories(acceptance.state)
        fleet = acceptance.fleet = Fleet(acceptance.state, acceptance.run_id, options.server, options.keep_servers)
        self._record = record_run(acceptance.state, acceptance.run_id, acceptance.directory, ())
        with self._uncaptured():
            self._reaper = Reaper(acceptance.config.rootpath, acceptance.directory, kept=options.keep_servers)
        backends = acceptance.selected_backends()
        fleet.start(backends)
        by_url = [name for name, endpoint in fleet.endpoints.items() if endpoint.by_url]
        if by_url:
            self._record = record_run(acceptance.state, acceptance.run_id, acceptance.directory, by_url)
        worker = acceptance.worker = acceptance.make_worker(0)
        fleet.probe(backends, worker)
        for name in by_url:
            self._clean_after_killed_runs(worker, name)
        if self._distributed():
            self.reporting.problems += worker.close()
            acceptance.worker = None
        self.reporting.begin(fleet)

    def _uncaptured(self) -> AbstractContextManager[None]:
        """Give a process that is started meanwhile pytest's own standard error, and not the file that catches what tests print."""
        capturing: Any = self.config.pluginmanager.getplugin("capturemanager")
        return capturing.global_and_fixture_disabled() if capturing is not None else nullcontext()

    def _clean_after_killed_runs(self, worker: Worker, name: str) -> None:
        backend = self.acceptance.found.registry.backends[name]
        if worker.endpoints[name].reason:
            return
        site = worker.site(backend, backend.clock_kind)

        async def clean() -> list[str]:
            return await clean_namespaces(self.acceptance.state, backend, await site.client(0))

        self.reporting.cleaned += worker.run(backend.clock_kind, clean())

    def _distributed(self) -> bool:
        return bool(getattr(self.config.option, "tx", None)) or getattr(self.config.option, "dist", "no") != "no"

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        """Tell an xdist worker what the controller knows; it numbers its namespaces after ours."""
        self._workers += 1
        fleet = self.acceptance.fleet
        endpoints = fleet.endpoints if fleet is not None else {}
        node.workerinput["prism"] = {
            "run_id": self.acceptance.run_id,
            "seed": self.acceptance.options.seed,
            "number": self._workers,
            "directory": str(self.acceptance.directory),
            "endpoints": {name: [e.url, e.reason, e.by_url, e.in_container] for name, e in endpoints.items()},
        }

    # -- collection ------------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_collection(self) -> Generator[None, Any, Any]:
        """Spare the garbage collector what is collected: thousands of items, none of them garbage before the end."""
        if not self.acceptance.acceptance_run or not gc.isenabled():
            return (yield)
        gc.disable()
        try:
            return (yield)
        finally:
            gc.freeze()
            gc.enable()

    @pytest.hookimpl(tryfirst=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> None:
        """Let a folder of suites be read once: pytest would read it, and make every node in it, for each suite that is named."""
        if self.acceptance.acceptance_run and isinstance(collector, pytest.Directory) and "collect" not in vars(collector):
            read = collector.collect
            nodes: list[pytest.Item | pytest.Collector] = []

            def collect() -> list[pytest.Item | pytest.Collector]:
                if not nodes:
                    nodes.extend(read())
                return nodes

            collector.collect = collect  # type: ignore[method-assign]

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(self, module_path: Path, parent: Any) -> SuiteModule | None:
        return self.acceptance.module(parent, module_path)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self.acceptance.acceptance_run and self.acceptance.witness is not None:
            # A module may hold ordinary tests too, which nobody asked for.
            items[:] = [item for item in items if isinstance(item, CheckItem)]
        message = self.reporting.unbound()
        if not message:
            return
        if self.is_worker:
            # A worker's usage error would look like a crash; the controller says it.
            self.config.workeroutput["prism_usage"] = message  # type: ignore[attr-defined]
            return
        raise pytest.UsageError(message)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._gone = list(self.acceptance.waiving.gone(self.acceptance.collected))
        if not self._distributed():
            self.reporting.expect([item.nodeid for item in session.items if isinstance(item, CheckItem)])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: list[str]) -> None:
        self.reporting.expect([i for i in ids if i.endswith("]")])

    # -- running ---------------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, Any, Any]:
        result = yield
        while (
            self.acceptance.options.level == "soak" and not self._distributed() and not (session.shouldstop or session.shouldfail)
        ):
            self.acceptance.round += 1
            for item, following in zip(session.items, [*session.items[1:], None], strict=True):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if session.shouldfail:
                    raise session.Failed(session.shouldfail)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
        report: Any = yield
        if isinstance(item, CheckItem) and call.when == "call" and item.result is not None:
            # Plain data on the report: it survives the way from an xdist worker, and a worker that crashes later.
            report.prism_result = item.result.model_dump(mode="json") | {"reached": item.result.reached}
            if report.skipped and isinstance(report.longrepr, tuple):
                # Where the check is, and not where the harness says so.
                path, line, _ = item.reportinfo()
                report.longrepr = (str(path), line + 1, report.longrepr[2])
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        if not self.is_worker:
            self.reporting.take(report)

    def pytest_report_teststatus(self, report: Any) -> tuple[str, str, str] | None:
        return self.reporting.status(report)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if not self.is_worker:
            self.reporting.started(nodeid)
            if self._reaper is not None and not self._distributed():
                self._reaper.at(nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        output = getattr(node, "workeroutput", None) or {}
        self.reporting.node_down(output.get("prism_usage", ""), output.get("prism_problems", []), error)

    # -- after -----------------------------------------------------------------------------------------------------------------

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        problems = self._gone + self._close()
        if self.is_worker:
            if hasattr(self.config, "workeroutput"):
                self.config.workeroutput["prism_problems"] = problems
            self.acceptance.remove_directory()
            yield
            return
        self.reporting.problems += problems
        session.exitstatus = self.reporting.exit_code(int(session.exitstatus))
        yield
        # After the others: under xdist the workers end in there, and their last words count.
        session.exitstatus = self.reporting.exit_code(int(session.exitstatus))
        self._tear_down()
        self.reporting.finish(int(session.exitstatus))

    def pytest_report_header(self) -> list[str]:
        return self.reporting.header()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> Generator[None, None, None]:
        yield
        # After the others: pytest lists every failure, and where to begin is what the last screen has to say.
        if not self.is_worker:
            self.reporting.summary(terminalreporter)

    def pytest_unconfigure(self) -> None:
        # Reached also when the session never finished, such as after a usage error.
        self._close()
        if not self.is_worker:
            self._tear_down()

    def _close(self) -> list[str]:
        worker, self.acceptance.worker = self.acceptance.worker, None
        return worker.close() if worker is not None else []

    def _tear_down(self) -> None:
        if self._closed:
            return
        self._closed = True
        fleet = self.acceptance.fleet
        if fleet is not None:
            fleet.stop()
        self.acceptance.remove_directory()
        if self._record is not None:
            self._record.remove()
        if self._reaper is not None:
            self._reaper.dismiss()
