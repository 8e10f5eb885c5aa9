"""What is public says so: every module lists its names, and every option, key, hook and outcome is documented."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import prism_testkit
from prism_testkit import hookspecs, plugin
from prism_testkit.outcomes import Outcome

ROOT = Path(__file__).parent.parent
HOMES = {"prism_testkit": ROOT, "prism_patterns": ROOT / "patterns", "prism_backends": ROOT / "backends"}
DOCS = {path.name: path.read_text(encoding="utf-8") for path in [*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"]}
REFERENCE = DOCS["reference.md"]


def _modules() -> Iterator[tuple[str, Path]]:
    for package, home in HOMES.items():
        for path in sorted((home / package).rglob("*.py")):
            parts = path.relative_to(home).with_suffix("").parts
            if not any(part.startswith("_") and part != "__init__" for part in parts):
                yield ".".join(parts).removesuffix(".__init__"), path


MODULES = dict(_modules())


def _defined(path: Path) -> set[str]:
    """Return the classes and functions that a module defines at its top."""
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return {node.name for node in body if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)}


def _is_literal(path: Path) -> bool:
    """Say whether `__all__` is written out, and not put together from other lists."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = [n.value for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "__all__"]
    return all(isinstance(item, ast.Constant) for value in found for item in getattr(value, "elts", [value]))


def _order(name: str) -> tuple[int, str]:
    """Constants, classes, the rest: the order in which ruff sorts `__all__`."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_lists_its_names_in_order(name: str) -> None:
    module = importlib.import_module(name)
    listed = getattr(module, "__all__", None)
    if listed is None:
        assert not {thing for thing in _defined(MODULES[name]) if not thing.startswith("_")}, f"{name} has no __all__"
        return
    assert len(set(listed)) == len(listed)
    assert not _is_literal(MODULES[name]) or sorted(listed, key=_order) == list(listed)
    assert not [thing for thing in listed if thing.startswith("_")]
    assert not [thing for thing in listed if not hasattr(module, thing)]


@pytest.mark.parametrize("name", MODULES)
def test_a_public_module_says_what_it_is(name: str) -> None:
    assert importlib.import_module(name).__doc__


@pytest.mark.parametrize("name", prism_testkit.__all__)
def test_what_authors_type_has_a_docstring(name: str) -> None:
    assert getattr(prism_testkit, name).__doc__


class Recorder:
    """A parser, as far as the plugin knows one."""

    def __init__(self) -> None:
        self.options: dict[str, dict[str, Any]] = {}
        self.keys: set[str] = set()

    def getgroup(self, name: str, description: str) -> "Recorder":
        return self

    def addoption(self, name: str, **settings: Any) -> None:
        self.options[name] = settings

    def addini(self, name: str, text: str, **settings: Any) -> None:
        self.keys.add(name)


@pytest.fixture(scope="module")
def recorded() -> Recorder:
    recorder = Recorder()
    plugin.pytest_addoption(recorder, pytest.PytestPluginManager())  # type: ignore[arg-type]
    assert recorder.options
    return recorder


def _row(name: str) -> str:
    rows = [line for line in REFERENCE.splitlines() if re.match(rf"\| `{re.escape(name)}\b", line)]
    assert len(rows) == 1, f"docs/reference.md has {len(rows)} rows for {name}"
    return rows[0]


def test_every_option_has_a_row_with_all_that_it_may_be(recorded: Recorder) -> None:
    for name, settings in recorded.options.items():
        row = _row(name)
        for choice in settings.get("choices", ()):
            assert choice in row, f"{name}: {choice}"
        assert settings["help"], name


def test_every_ini_key_is_that_of_an_option_or_has_a_row(recorded: Recorder) -> None:
    keys = {"prism_" + name.removeprefix("--prism-").replace("-", "_") for name in recorded.options}
    assert keys - recorded.keys == {"prism_replay"}, "docs/reference.md says that every other option has a key"
    for key in recorded.keys - keys:
        _row(key)


def test_nothing_is_documented_that_is_not_there(recorded: Recorder) -> None:
    for page, text in DOCS.items():
        assert set(re.findall(r"--prism-[a-z]+(?:-[a-z]+)*", text)) <= set(recorded.options), page
        assert set(re.findall(r"\bprism_register_\w+", text)) <= set(hookspecs.__all__), page
        assert set(re.findall(r"\bprism\.(\w+)\(", text)) <= set(prism_testkit.__all__), page


def test_every_hook_is_documented() -> None:
    for name in hookspecs.__all__:
        if name.startswith("prism_"):
            assert _row(f"{name}(registry)".removesuffix("(registry)"))
            assert getattr(hookspecs, name).__doc__


def test_every_outcome_is_documented() -> None:
    for outcome in Outcome:
        _row(outcome.value)
