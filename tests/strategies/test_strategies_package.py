"""The package gives what it promises, on first use, and Hypothesis only where it is needed."""

import importlib
import pkgutil
import subprocess
import sys

import pytest

import prism_testkit.strategies as package


@pytest.mark.parametrize("name", package.__all__)
def test_every_name_is_given(name: str) -> None:
    assert getattr(package, name) is not None
    assert name in dir(package)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'absent'"):
        getattr(package, "absent")  # noqa: B009  mypy would refuse the plain form


def test_no_exported_name_is_hidden_by_a_module_of_that_name() -> None:
    assert not {module.name for module in pkgutil.iter_modules(package.__path__)} & set(package.__all__)


@pytest.mark.parametrize("module", [module.name for module in pkgutil.iter_modules(package.__path__)])
def test_every_module_says_what_is_public(module: str) -> None:
    loaded = importlib.import_module(f"prism_testkit.strategies.{module}")
    assert all(hasattr(loaded, name) for name in loaded.__all__)


def test_importing_the_package_imports_nothing_else() -> None:
    program = "import sys, prism_testkit.strategies; print([m for m in sys.modules if m.startswith('prism_testkit.strategies.')])"
    assert subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip() == "[]"


def test_data_from_the_package_needs_no_hypothesis() -> None:
    wanted = "name_groups, prefix_traps, gauntlet_payloads, sizes, around, partners, current_limits"
    program = f"import sys; from prism_testkit.strategies import {wanted}; sys.exit('hypothesis' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
