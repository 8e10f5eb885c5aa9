"""The pytest plugin: options, and nothing else until one of them is used.

Every pytest run of an environment imports this module, so it imports pytest and the standard library only; what a run needs
is in `acceptance`, registered when an option selects it or a collected module holds a check.
"""

from typing import TYPE_CHECKING, Any

import pytest

import prism_testkit

if TYPE_CHECKING:
    from prism_testkit.acceptance import Acceptance

__all__ = ["acceptance_of"]

_KEY: "pytest.StashKey[Acceptance]" = pytest.StashKey()

LEVELS = ("smoke", "standard", "thorough", "soak")
COMBINE = ("diagonal", "pairwise", "all")
SERVERS = ("url", "native", "container")

_LISTS = {
    "backend": ("NAMES", "Backends to run on: names, embedded, all, -name to take one out; repeatable"),
    "pattern": ("GLOBS", "Pattern suites to run, by kind or kind:name; repeatable"),
    "suite": ("GLOBS", "Interface suites to run, such as keyvalue_*; repeatable"),
    "image": ("NAME=IMAGE", "Image that a server's container is made from, such as valkey=valkey/valkey:9; repeatable"),
    "require": ("NAMES", "Backends that must be available, or all; repeatable"),
}
_CHOICES = {
    "combine": (COMBINE, "pairwise", "Which combinations of backends a pattern of several slots runs on"),
    "level": (LEVELS, "standard", "How much is tried: fixed traps only, 25 generated cases, 300, or until stopped"),
    "server": (SERVERS, "", "Preferred way to a server; without it url, native, container are tried in that order"),
}


_ROOTS = ("prism_testkit", "prism_patterns", "prism_backends", "prism_suites")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    prism_testkit._refresh()
    _leave_compiled(pluginmanager)
    group = parser.getgroup("prism", "prism acceptance testing")
    for name, (metavar, text) in _LISTS.items():
        group.addoption(f"--prism-{name}", action="append", default=None, metavar=metavar, help=text)
        parser.addini(f"prism_{name}", f"Default of --prism-{name}", type="args", default=[])
    for name, (choices, default, text) in _CHOICES.items():
        group.addoption(f"--prism-{name}", choices=choices, default=None, help=text)
        parser.addini(f"prism_{name}", f"Default of --prism-{name}", default=default)
    group.addoption("--prism-strict", action="store_true", default=None, help="Fail on an unavailable or inconclusive check")
    parser.addini("prism_strict", "Default of --prism-strict", type="bool", default=False)
    group.addoption("--prism-keep-servers", action="store_true", default=None, help="Leave servers up for the next run to adopt")
    parser.addini("prism_keep_servers", "Default of --prism-keep-servers", type="bool", default=False)
    group.addoption("--prism-seed", type=int, default=None, metavar="N", help="Seed of the generated data; drawn unless given")
    parser.addini("prism_seed", "Default of --prism-seed", default="")
    group.addoption("--prism-json", default=None, metavar="FILE", help="Write the results as JSON, as they come")
    parser.addini("prism_json", "Default of --prism-json", default="")
    group.addoption("--prism-replay", default=None, metavar="FILE", help="Run exactly the failing case saved in FILE")
    parser.addini("prism_hang_s", "Seconds of real time without progress after which a call has failed", default="30")


def _leave_compiled(pluginmanager: pytest.PytestPluginManager) -> None:
    """Have pytest import our modules as they were compiled when they were installed.

    It rewrites the assertions of every module of a distribution that brings a plugin. Ours give their own words, and rewriting
    them takes two seconds: once, or in every process where PYTHONDONTWRITEBYTECODE is set. There is no public way to say so.
    """
    marked = getattr(getattr(pluginmanager, "rewrite_hook", None), "_must_rewrite", None)
    if isinstance(marked, set):
        marked.difference_update(_ROOTS)


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    selecting = ("prism_backend", "prism_pattern", "prism_suite", "prism_replay")
    if any(config.getoption(name) is not None for name in selecting) or any("prism_suites/" in arg for arg in config.args):
        acceptance_of(config)


def acceptance_of(config: pytest.Config) -> "Acceptance":
    """Return this run's acceptance, made and registered on first use."""
    found = config.stash.get(_KEY, None)
    if found is None:
        from prism_testkit.acceptance import Acceptance

        found = config.stash[_KEY] = Acceptance(config)
        found.start()
    return found


def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> object:
    # By name, so that a project without checks never imports them.
    if type(obj).__name__ != "Check" or type(obj).__module__ != "prism_testkit.checks":
        return None
    return list(acceptance_of(collector.config).items(collector, obj))
