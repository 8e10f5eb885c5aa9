"""One acceptance run in one pytest process: from options to items to results. `session` holds the hooks that report."""

import difflib
import fnmatch
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.backend import Backend
from prism_testkit.bindings import Bound, bindings_for
from prism_testkit.checks import Check
from prism_testkit.discovery import Discovered, Discovery, has_hooks
from prism_testkit.engine import EXAMPLES, Settings, run_check
from prism_testkit.fleet import Fleet
from prism_testkit.items import CheckItem, SuiteModule
from prism_testkit.namespaces import Namespaces, new_run_id
from prism_testkit.options import Options, whole_run
from prism_testkit.reaper import hold
from prism_testkit.reports.causes import Told
from prism_testkit.reports.text import clip
from prism_testkit.results import CheckResult
from prism_testkit.runs import unwritable
from prism_testkit.selection import SelectionError, matching
from prism_testkit.servers.images import with_images
from prism_testkit.session import Session
from prism_testkit.suites import SHIPPED, import_shipped, suite_modules
from prism_testkit.waiving import Waiving
from prism_testkit.witness import Witness, WitnessError
from prism_testkit.worker import Endpoint, Worker

__all__ = ["Acceptance"]


class Acceptance:
    """Everything one process knows of the run. Made once a pytest session, by `plugin.acceptance_of`."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.options = Options.read(config)
        self.sent: dict[str, Any] = getattr(config, "workerinput", {}).get("prism", {})
        self.is_worker = hasattr(config, "workerinput")
        self.state = config.rootpath / ".prism"
        self.run_id: str = self.sent.get("run_id") or new_run_id()
        self.witness = self._load_witness()
        self.replay: dict[str, Any] | None = None
        self.replay_problem = ""
        self.found: Discovered
        self.modules: dict[Path, str] = {}
        self._known: dict[Any, Bound] = {}
        self.refused: dict[tuple[str, str], list[str]] = {}
        """(backend, why it does not fit) -> the checks that it was not run against."""
        self.too_low: list[str] = []
        self.collected: dict[str, set[str]] = {}
        """The checks of each module that was collected, by its id."""
        self.round = 0
        """How often everything has run before, under ``soak``; each round has a seed of its own."""
        self.told = Told()
        """Which causes of failures were told whole."""
        self.bound = 0
        """Items made, before anything was deselected."""
        self.worker: Worker | None = None
        self.fleet: Fleet | None = None
        self.waiving: Waiving
        self.acceptance_run = False
        self._directory: Path | None = None

    def start(self) -> None:
        """Find backends and suites, choose what to collect; raise ``pytest.UsageError`` for what cannot be meant."""
        if self.options.level == "soak" and (self.is_worker or getattr(self.config.option, "numprocesses", None)):
            raise pytest.UsageError("--prism-level=soak runs in one process until it is stopped: leave -n out")
        problem = "" if self.is_worker or self.config.option.collectonly else unwritable(self.state)
        if problem:
            raise pytest.UsageError(
                f"a run keeps its files beside the ini file, and cannot: {problem} (--rootdir=FOLDER is another)"
            )
        try:
            self.found = self._discover()
            self.modules = suite_modules(self.found.registry)
            self._choose_arguments()
        except SelectionError as error:
            raise pytest.UsageError(f"{error}{self._unread()}") from error
        for package in {name.partition(".")[0] for name in self.modules.values()} - {SHIPPED}:
            if package not in sys.modules:
                pytest.register_assert_rewrite(package)
        if self.is_worker or not getattr(self.config.option, "numprocesses", None):
            import_shipped(self.modules, self.config.args)
        self.waiving = Waiving(self.found.registry, self.found.selected)
        self.config.addinivalue_line("markers", "prism: a check of prism-testkit")
        # A check that fails leaves calls that it made beforehand: no mistake of whoever reads the failure.
        self.config.addinivalue_line("filterwarnings", "ignore:coroutine '_coroutine.*method' was never awaited:RuntimeWarning")
        self.config.pluginmanager.register(Session(self), "prism-session")

    # -- what there is ---------------------------------------------------------------------------------------------------------

    def _discover(self) -> Discovered:
        discovery = Discovery()
        for name, plugin in self.config.pluginmanager.list_name_plugin():
            if plugin is not None and plugin is not sys.modules["prism_testkit.plugin"] and has_hooks(plugin):
                discovery.take(_plain(name, self.config.rootpath), plugin)
        selection = self.options.backends
        if self.witness is not None and self.config.getoption("prism_backend") is None:
            selection = type(selection)(self.witness.backends)
        found = discovery.find(selection)
        images = (self.options.images, self.options.ini_images)
        found.registry.backends = with_images(found.registry.backends, *images, others=discovery.backend_points)
        if not found.selected:
            raise SelectionError("--prism-backend: nothing is left to run on")
        return found

    def _unread(self) -> str:
        """Say which conftest of a folder above pytest did not look at."""
        root = self.config.rootpath
        above = next((folder for folder in root.parents if (folder / "conftest.py").is_file()), None)
        if above is None:
            return ""
        return f" ({above / 'conftest.py'} was not read, for it is above {root}: call pytest there, or put a pytest.ini beside it)"

    def _load_witness(self) -> Witness | None:
        if self.options.replay is None:
            return None
        try:
            return Witness.load(self.options.replay)
        except WitnessError as error:
            raise pytest.UsageError(f"--prism-replay: {error}") from error

    def _choose_arguments(self) -> None:
        config = self.config
        by_module = {name: path for path, name in self.modules.items()}
        if config.args_source is pytest.Config.ArgsSource.ARGS:
            config.args[:] = [self._installed(argument, by_module) for argument in config.args]
            return
        self.acceptance_run = True
        if self.witness is not None:
            config.args[:] = [self._saved(self.witness.check.partition("::")[0], by_module)]
        else:
            config.args[:] = [str(path) for path in self._selected_modules()]
        # Files, not their folder: an ini of the user's (python_files) would hide what is in a folder.
        config.args_source = pytest.Config.ArgsSource.ARGS

    def _selected_modules(self) -> list[Path]:
        of_patterns = {path: name for path, name in self.modules.items() if ".patterns." in name}
        others = {name.rpartition(".")[2]: path for path, name in self.modules.items() if path not in of_patterns}
        options = self.options
        if not options.patterns and not options.suites:
            return list(self.modules)
        chosen: set[Path] = set()
        if options.patterns:
            known = sorted({text for name in self.found.registry.patterns for text in (name, name.partition(":")[0])})
            try:
                kinds = {name.partition(":")[0] for name in matching(options.patterns, known, "--prism-pattern")}
            except SelectionError as error:
                perhaps = [f"; perhaps because of this: {reason}" for reason in self.found.refused.values()]
                raise SelectionError("".join([str(error), *perhaps])) from error
            chosen |= {path for path, name in of_patterns.items() if any(_judges(name, kind) for kind in kinds)}
            if not chosen:
                raise SelectionError(_no_suite(kinds, list(self.modules.values())))
        if options.suites:
            try:
                chosen |= {others[name] for name in matching(options.suites, list(others), "--prism-suite")}
            except SelectionError as error:
                theirs = [name.rpartition(".")[2] for name in of_patterns.values()]
                if not any(fnmatch.filter(theirs, glob) for glob in options.suites):
                    raise
                raise SelectionError(f"{error}; suites of patterns are chosen by --prism-pattern, one of them with -k") from error
        return [path for path in self.modules if path in chosen]

    def _installed(self, argument: str, by_module: dict[str, Path]) -> str:
        """Rewrite ``prism_suites/x/y.py::check`` (also after ``../``) to the installed file, ids behind it kept."""
        path, colons, rest = argument.partition("::")
        plain = path.replace("\\", "/")
        while plain.startswith(("../", "./")):
            plain = plain.partition("/")[2]
        found = by_module.get(plain.removesuffix(".py").replace("/", "."))
        if found is not None:
            return f"{found}{colons}{rest}"
        packages = {name.partition(".")[0] for name in by_module}
        top = plain.partition("/")[0]
        if top in packages and not (self.config.invocation_params.dir / path).exists():
            raise SelectionError(f"{argument}: there is no such suite; {_nearest(plain, sorted(by_module))}")
        return argument

    def _saved(self, module: str, by_module: dict[str, Path]) -> str:
        """Return the argument for the module of a witness, whose id counts from the root, wherever pytest was called."""
        found = self._installed(module, by_module)
        return found if found != module else str(self.config.rootpath / module)

    # -- items -----------------------------------------------------------------------------------------------------------------

    def module(self, parent: Any, path: Path) -> SuiteModule | None:
        """Return the node for a file of a registered suite."""
        name = self.modules.get(path)
        return SuiteModule.of(parent, path, name) if name is not None else None

    def items(self, parent: Any, check: Check) -> Iterator[CheckItem]:
        """Yield an item for each binding of a check; remember what does not fit, and why."""
        self.collected.setdefault(parent.nodeid, set()).add(check.name)
        registry = self.found.registry
        usable = [name for name in self.found.selected if name in registry.backends]
        bindings, refused = bindings_for(check, registry, usable, self.options.combine, self.options.patterns, self._known)
        for backend, why in refused.items():
            self.refused.setdefault((backend, why), []).append(check.name)
        if not self._runs_at_level(check):
            self.too_low.append(check.name)
            return
        for binding in bindings:
            item: CheckItem = CheckItem.from_parent(
                parent, name=f"{check.name}[{binding.name}]", check=check, binding=binding, acceptance=self
            )
            if self._is_wanted(item):
                self.bound += 1
                yield item

    def _is_wanted(self, item: CheckItem) -> bool:
        if self.witness is None:
            return True
        if item.nodeid != f"{self.witness.check}[{self.witness.binding}]":
            return False
        try:
            self.replay = self.witness.decoded(item.check.data)
        except WitnessError as error:
            self.replay_problem = f"{self.options.replay}: {error}"
        return self.replay is not None

    def _runs_at_level(self, check: Check) -> bool:
        if self.witness is not None:
            return True
        levels = list(EXAMPLES)
        generated_only = check.given is not None and check.gauntlet is None
        lowest = max(levels.index(check.level), levels.index("standard") if generated_only else 0)
        return levels.index(self.options.level) >= lowest

    # -- running ---------------------------------------------------------------------------------------------------------------

    @property
    def directory(self) -> Path:
        """This process's private directory, on memory where there is some: nothing in it outlives the run."""
        if self._directory is None:
            base = self.sent.get("directory")
            if base is None:
                shm = Path("/dev/shm")  # made private by mkdtemp
                where = shm if shm.is_dir() and _room(shm) > 512 * 2**20 else None
                base = tempfile.mkdtemp(prefix=f"prism-{self.run_id}-", dir=where)
            self._directory = Path(base)
            hold(self._directory)
        return self._directory

    def remove_directory(self) -> None:
        """Remove that directory, if it was made here: an xdist worker has the controller's, unless it alone came upon checks."""
        if self._directory is not None and "directory" not in self.sent:
            shutil.rmtree(self._directory, ignore_errors=True)

    def make_worker(self, number: int) -> Worker:
        """Make the worker of this process; ``number`` tells its namespaces from those of others."""
        endpoints = self.fleet.endpoints if self.fleet is not None else _received(self.sent.get("endpoints", {}))
        return Worker(
            namespaces=Namespaces(self.run_id, number),
            directory=self.directory / f"worker{number}",
            state=self.state,
            endpoints=endpoints,
            origins=self.found.registry.origins,
            hang_s=self.options.hang_s,
        )

    def run(self, item: CheckItem) -> CheckResult:
        """Run one item and return its result; a waived promise replays its witness instead."""
        if self.worker is None:
            self.worker = self.make_worker(self.sent.get("number", 0))
        options = self.options
        seed = options.seed + self.round
        settings = Settings(
            level=options.level, seed=seed, state=self.state, replay=self.replay, command=whole_run(self.config, options.seed)
        )
        worker = self.worker
        return self.waiving.judge(
            item.check,
            item.binding,
            item.identifier,
            settings,
            lambda chosen: run_check(worker, item.check, item.binding, item.identifier, chosen),
        )

    def selected_backends(self) -> list[Backend[Any]]:
        """Return the selected backends that are registered."""
        return [self.found.registry.backends[name] for name in self.found.selected if name in self.found.registry.backends]


def _no_suite(kinds: set[str], modules: list[str]) -> str:
    """Say how a kind of pattern gets a suite: none of those that were asked for has one."""
    kind = min(kinds)
    name = kind.replace("-", "_")
    misplaced = next((module for module in modules if _judges(module, kind)), "")
    found = f", found {misplaced}, which is in none" if misplaced else ", found none"
    return (
        f"--prism-pattern: no suite judges {' or '.join(sorted(kinds))}: expected a module {name}_*.py in a package `patterns` of "
        f"a registered suite{found}; or name a file of checks beside the option: `pytest --prism-pattern={kind} test_{name}.py`"
    )


def _nearest(path: str, modules: list[str]) -> str:
    """Name the few suites that are most like a path, a folder of theirs too, and say which command lists them all."""
    name = path.removesuffix("/").removesuffix(".py").replace("/", ".")
    within = [module for module in modules if module.startswith(f"{name}.")]
    if within:
        packages = sorted({module.rpartition(".")[0] for module in within})
        say = f"{name} is a package of {len(within)} of them ({clip(', '.join(packages), 200)})"
        all_of_them = "without a path all run; " if "." not in name else ""
        return f"{say}: {all_of_them}--prism-suite=GLOBS chooses by name, `prism list suites` lists them all"
    last = name.rpartition(".")[2]
    by_name = {module.rpartition(".")[2]: module for module in modules}
    close = [by_name[each] for each in difflib.get_close_matches(last, list(by_name), n=3, cutoff=0.5)]
    closest = f"the closest {'are' if len(close) > 1 else 'is'} {', '.join(close)}; " if close else ""
    return f"{closest}`prism list suites` lists all {len(modules)}"


def _judges(module: str, kind: str) -> bool:
    """Say whether a module of a package ``patterns`` judges a kind: its name begins with the kind's."""
    return module.rpartition(".")[2].startswith(kind.replace("-", "_"))


def _plain(name: str, root: Path) -> str:
    """Show a conftest's plugin name, which is its path, relative to the root."""
    path = Path(name)
    return path.relative_to(root).as_posix() if path.is_absolute() and path.is_relative_to(root) else name


def _received(endpoints: dict[str, list[Any]]) -> dict[str, Endpoint]:
    return {name: Endpoint(*fields) for name, fields in endpoints.items()}


def _room(path: Path) -> int:
    return shutil.disk_usage(path).free
