"""Finds who registers: entry points, and the plugins and conftests that pytest knows. Only what is selected is imported.

pytest's own plugin manager ignores every hook that does not begin with ``pytest_``, so ours is a pluggy manager of our own.
"""

import difflib
import inspect
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from prism_testkit import hookspecs
from prism_testkit.conftests import raised_at
from prism_testkit.registry import RegistrationError, Registry
from prism_testkit.selection import BackendSelection, SelectionError, closest

__all__ = ["Discovered", "Discovery", "HookError", "has_hooks"]

_HOOKS = ("prism_register_backends", "prism_register_patterns", "prism_register_suites")
_MARK = "prism_testkit_impl"


@dataclass
class Discovered:
    """What there is, what was selected, and what cannot be used."""

    registry: Registry
    selected: list[str]
    """Backends to run, in order; each is in the registry or in `refused` or `missing`."""
    refused: dict[str, str] = field(default_factory=dict)
    """A registration that is wrong: by backend or pattern, or by plugin where neither can be named."""
    missing: dict[str, str] = field(default_factory=dict)
    """A backend whose module or client library cannot be imported."""
    cures: dict[str, str] = field(default_factory=dict)
    """What mends it, one command or edit: of each in `missing`, and of those in `refused` of which it is known."""


class HookError(SelectionError):
    """A hook that would never be called; ``cure`` is the edit that mends it."""

    def __init__(self, message: str, cure: str) -> None:
        super().__init__(message)
        self.cure = cure


def has_hooks(plugin: object) -> bool:
    """Say whether a plugin defines a hook of ours, rightly or wrongly spelt or marked."""
    return bool(list(_ours(plugin)))


def _ours(plugin: object) -> Iterator[tuple[str, Any]]:
    for name in dir(plugin) if not inspect.ismodule(plugin) else vars(plugin):
        if name.startswith("prism_") or (inspect.ismodule(plugin) and _marked(vars(plugin)[name])):
            thing = inspect.getattr_static(plugin, name)
            if callable(thing) and (_marked(thing) or name.startswith("prism_register")):
                yield name, thing


def _marked(thing: object) -> bool:
    # Functions only: `pytest.mark` and `unittest.mock.call`, imported by name, have an answer to every attribute.
    return inspect.isroutine(thing) and hasattr(thing, _MARK)


class Discovery:
    """Gathers hooks, then registers what the selection needs."""

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager("prism_testkit")
        self._manager.add_hookspecs(hookspecs)
        self._origins: dict[str, tuple[str, str]] = {}
        self._done: set[tuple[str, str]] = set()
        self.backend_points: dict[str, EntryPoint] = {
            point.name: point for point in sorted(entry_points(group="prism_testkit.backends"), key=lambda point: point.name)
        }

    def take(self, name: str, plugin: object) -> None:
        """Take a plugin's hooks; raise `HookError` for a misspelt or unmarked one, `SelectionError` for one that pluggy refuses."""
        for hook, thing in _ours(plugin):
            where = f"{name}: {getattr(thing, '__qualname__', hook)}"
            if hook not in _HOOKS:
                right = (difflib.get_close_matches(hook, _HOOKS, n=1, cutoff=0.5) or [" or ".join(_HOOKS)])[0]
                raise HookError(
                    f"{where}: there is no hook {hook!r}{closest(hook, _HOOKS)}; there are: {', '.join(_HOOKS)}",
                    f"edit {_place(thing)}: rename {hook} to {right}",
                )
            if not _marked(thing):
                raise HookError(
                    f"{where}: a hook is marked with @prism.hookimpl, this one is not, so it would never be called",
                    f"edit {_place(thing)}: write @prism.hookimpl above `def {hook}`",
                )
        try:
            self._manager.register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise SelectionError(f"{name}: {' '.join(str(error).split())}") from error
        file = getattr(plugin, "__file__", "") or ""
        module = getattr(plugin, "__name__", "")
        is_conftest = file.endswith("conftest.py") or module not in sys.modules
        if inspect.ismodule(plugin):
            self._origins[name] = ("file", file) if is_conftest else ("module", module)

    def find(self, selection: BackendSelection) -> Discovered:
        """Register everything that is selected; raise `SelectionError` for an unknown backend."""
        refused: dict[str, str] = {}
        registry = Registry(refused=refused)
        found = Discovered(registry, [], refused)
        for point in sorted(entry_points(group="prism_testkit"), key=lambda point: point.name):
            self._load(point, found)
        self._call("prism_register_backends", found)
        selection.check(sorted({*registry.backends, *found.refused, *self.backend_points}))
        for name, point in self.backend_points.items():
            if name in registry.backends or name in selection.excluded:
                continue
            if selection.everything or name in selection.explicit or (selection.embedded and not point.extras):
                self._load(point, found)
        self._call("prism_register_backends", found)
        self._call("prism_register_patterns", found)
        self._call("prism_register_suites", found)
        found.selected = list(_selected(selection, found))
        return found

    def _load(self, point: EntryPoint, found: Discovered) -> None:
        name = f"entry point {point.name!r} ({point.value})"
        is_backend = point.group == "prism_testkit.backends"
        try:
            module = point.load()
        except Exception as error:
            reason, found.cures[point.name] = _why(point, error)
            found.missing[point.name] = f"{reason}: {found.cures[point.name]}"
            return
        try:
            self.take(name, module)
        except SelectionError as error:
            found.refused[point.name] = str(error)
            found.cures[point.name] = error.cure if isinstance(error, HookError) else f"mend {point.value}"
        if is_backend and not hasattr(module, _HOOKS[0]):
            found.refused[point.name] = f"{name}: expected a module with the hook {_HOOKS[0]}, found none"

    def _call(self, hook: str, found: Discovered) -> None:
        # One by one, and not through pluggy's caller, so that an error names its plugin and costs only that.
        for implementation in reversed(getattr(self._manager.hook, hook).get_hookimpls()):
            key = (hook, implementation.plugin_name)
            if key in self._done:
                continue
            self._done.add(key)
            registry = found.registry
            registry.adding = implementation.plugin_name
            registry.origin = self._origins.get(implementation.plugin_name, ("", ""))
            try:
                implementation.function(registry)
            except RegistrationError as error:
                found.refused[implementation.plugin_name] = str(error)
            except Exception as error:
                found.refused[implementation.plugin_name] = (
                    f"{implementation.plugin_name}: {hook}() raised {type(error).__name__}: {error}"
                )
                found.cures[implementation.plugin_name] = f"mend {raised_at(error) or implementation.plugin_name}"


def _selected(selection: BackendSelection, found: Discovered) -> Iterable[str]:
    names: dict[str, None] = dict.fromkeys(selection.explicit)
    backends = {name: backend for name, backend in found.registry.backends.items() if not backend.by_name}
    if selection.everything:
        # A pattern is called kind:name, and no backend is called so.
        names.update(dict.fromkeys(sorted({*backends, *found.missing, *(name for name in found.refused if ":" not in name)})))
    elif selection.embedded:
        names.update(dict.fromkeys(sorted(name for name, backend in backends.items() if backend.server is None)))
    left_out = set(selection.excluded)
    if "embedded" in left_out:
        left_out |= {name for name, backend in backends.items() if backend.server is None and name not in selection.explicit}
    return (name for name in names if name not in left_out)


def _why(point: EntryPoint, error: Exception) -> tuple[str, str]:
    """Return why an entry point cannot be loaded, and the one command or edit that mends it."""
    distribution = point.dist.name if point.dist is not None else "prism-testkit"
    root = point.value.partition(".")[0].partition(":")[0]
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith(root):
        extra = f"[{','.join(point.extras)}]" if point.extras else ""
        return f"its client library is not installed ({error.name})", f"pip install '{distribution}{extra}'"
    where = raised_at(error)
    return f"importing {point.value.partition(' ')[0]} raised {type(error).__name__}: {error}", f"mend {where or distribution}"


def _place(thing: Any) -> str:
    code = getattr(inspect.unwrap(thing), "__code__", None)
    return f"{Path(code.co_filename).name}:{code.co_firstlineno}" if code is not None else repr(thing)
