"""Who may import whom, and what an import may pull in. The arrows are those of the architecture page in docs/."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {
    "prism_testkit": ROOT / "prism_testkit",
    "prism_patterns": ROOT / "patterns" / "prism_patterns",
    "prism_backends": ROOT / "backends" / "prism_backends",
    "prism_suites": ROOT / "suites" / "prism_suites",
}
AUTHORS = {
    "accounts",
    "backend",
    "clock",
    "hookspecs",
    "interfaces",
    "naming",
    "pattern",
    "recipe",
    "signatures",
    "traits",
    "waivers",
}
"""The modules of prism_testkit that backend and pattern authors type against."""

PATTERN_AUTHORS = {"clock", "interfaces", "naming", "pattern", "traits"}
"""Those of a pattern's author: no backend is registered there, and no hook called."""


def _modules(package: str) -> Iterator[tuple[str, Path]]:
    root = PACKAGES[package]
    for path in sorted(root.rglob("*.py")):
        yield ".".join((package, *path.relative_to(root).with_suffix("").parts)).removesuffix(".__init__"), path


def _imports(path: Path) -> set[str]:
    """Return what a module imports at run time: blocks under TYPE_CHECKING are left out."""
    tree = ast.parse(path.read_text())
    typing_only = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    found: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in typing_only:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def _ours(imports: set[str]) -> set[str]:
    return {name for name in imports if name.partition(".")[0] in PACKAGES}


@pytest.mark.parametrize(("name", "path"), list(_modules("prism_backends")))
def test_a_backend_uses_the_authors_modules_and_never_a_pattern_or_a_suite(name: str, path: Path) -> None:
    for imported in _ours(_imports(path)):
        top, _, rest = imported.partition(".")
        assert top in ("prism_testkit", "prism_backends"), f"{name} imports {imported}"
        assert top != "prism_testkit" or not rest or rest.split(".")[0] in AUTHORS | {"registry"}, f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), list(_modules("prism_patterns")))
def test_a_pattern_sees_interfaces_traits_and_clock_only(name: str, path: Path) -> None:
    for imported in _ours(_imports(path)):
        top, _, rest = imported.partition(".")
        allowed = PATTERN_AUTHORS | ({"hookspecs", "registry"} if name == "prism_patterns.registration" else set())
        assert top == "prism_patterns" or rest.split(".")[0] in allowed, f"{name} imports {imported}"


@pytest.mark.parametrize(("name", "path"), list(_modules("prism_suites")))
def test_a_suite_names_no_backend(name: str, path: Path) -> None:
    assert not {i for i in _ours(_imports(path)) if i.startswith("prism_backends")}, name


@pytest.mark.parametrize(("name", "path"), list(_modules("prism_testkit")))
def test_the_harness_knows_no_backend_no_pattern_and_no_suite_by_name(name: str, path: Path) -> None:
    assert not {i for i in _ours(_imports(path)) if not i.startswith("prism_testkit")}, name


@pytest.mark.parametrize("name", sorted(AUTHORS - {"hookspecs"}))
def test_what_authors_type_needs_the_standard_library_only(name: str) -> None:
    for module, path in _modules("prism_testkit"):
        if module == f"prism_testkit.{name}" or module.startswith(f"prism_testkit.{name}."):
            foreign = {i.partition(".")[0] for i in _imports(path)} - set(sys.stdlib_module_names) - set(PACKAGES)
            assert not foreign, f"{module} imports {foreign}"


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("prism_testkit", "pytest hypothesis pydantic pluggy redis asyncio"),
        ("prism_testkit.interfaces", "pytest hypothesis pydantic pluggy redis asyncio"),
        ("prism_testkit.plugin", "hypothesis pydantic redis prism_testkit.acceptance"),
        ("prism_patterns", "pytest hypothesis pydantic pluggy redis"),
        ("prism_backends.memory", "pytest hypothesis pydantic redis"),
        ("prism_backends.sqlite", "pytest hypothesis pydantic redis"),
        ("prism_testkit._child", "pytest hypothesis pydantic redis"),
    ],
)
def test_an_import_pulls_in_no_more_than_it_must(module: str, forbidden: str) -> None:
    code = f"import sys, {module}; print(*[name for name in {forbidden.split()!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_generic_name_is_a_top_level_package() -> None:
    assert all(name.startswith("prism_") for name in PACKAGES)
