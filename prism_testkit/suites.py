"""The modules of the registered suites, found without importing them."""

import importlib
import importlib.util
from collections.abc import Iterable, Mapping
from pathlib import Path

from prism_testkit.registry import Registry
from prism_testkit.selection import SelectionError

__all__ = ["SHIPPED", "import_shipped", "suite_modules"]

SHIPPED = "prism_suites"
"""The package of the suites that come with this distribution."""


def suite_modules(registry: Registry) -> dict[Path, str]:
    """Return {file: dotted name} of every module that is not private, in a fixed order; raise `SelectionError` for no package."""
    modules: dict[Path, str] = {}
    for package in sorted(registry.suites):
        spec = importlib.util.find_spec(package)
        if spec is None or not spec.submodule_search_locations:
            raise SelectionError(f"suite {package!r}: there is no package of that name")
        for location in spec.submodule_search_locations:
            root = Path(location)
            for path in sorted(root.rglob("*.py")):
                parts = path.relative_to(root).with_suffix("").parts
                if not any(part.startswith("_") for part in parts):
                    modules[path] = ".".join((package, *parts))
    return modules


def import_shipped(modules: Mapping[Path, str], arguments: Iterable[str]) -> None:
    """Import the shipped suites among pytest's arguments before pytest does, which would rewrite each file that it is given."""
    for argument in arguments:
        name = modules.get(Path(argument.partition("::")[0]), "")
        if name.partition(".")[0] == SHIPPED:
            importlib.import_module(name)
