"""Runs where something about the place is odd: said in words, before anything runs."""

import subprocess
import sys
from typing import Any

import pytest


def test_a_folder_where_nothing_can_be_kept_is_a_usage_error(good: Any) -> None:
    (good.path / ".prism").write_text("in the way")
    result = good.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: a run keeps its files beside the ini file, and cannot: *.prism: * (--rootdir=*"])
    assert good.run("--prism-backend=mine", "--collect-only", "test_checks.py").ret == 0


@pytest.mark.parametrize("option", ["backend", "suite", "pattern", "require"])
@pytest.mark.parametrize("value", ["", " , "])
def test_an_option_that_names_nothing_is_a_usage_error(good: Any, option: str, value: str) -> None:
    result = (
        good.run("--prism-backend=mine", f"--prism-{option}={value}")
        if option != "backend"
        else good.run(f"--prism-backend={value}")
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: --prism-{option}: nothing is named*"])


def test_a_conftest_above_that_was_not_read_is_named(good: Any) -> None:
    below = good.path / "below"
    below.mkdir()
    call = [sys.executable, "-m", "pytest", "--prism-backend=mine", "--prism-suite=keyvalue_basic", "--collect-only", "-q"]
    found = subprocess.run(call, cwd=below, capture_output=True, text=True, check=False)
    assert found.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"({good.path / 'conftest.py'} was not read, for it is above {below}" in found.stderr
    (good.path / "pytest.ini").write_text("[pytest]\n")
    assert subprocess.run(call, cwd=below, capture_output=True, text=True, check=False).returncode == 0


def test_a_terminal_without_the_marks_gets_others(good: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    result = good.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["mine *+ 2", "+ passed"])
    result.stdout.no_fnmatch_line("*u2713*")


def test_lines_are_as_wide_as_the_terminal(good: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    result = good.run("--prism-backend=mine", "-k", "what_is_no_bytes_is_no_value")
    told = next(line for line in result.outlines if "does not claim keyvalue_batch" in line)
    assert told.endswith("lifecycle; nor anything of object_storage, pubsub, queue, stream")


def test_one_process_may_run_pytest_again_and_again(good: Any) -> None:
    for _ in range(2):
        result = good.pytester.runpytest_inprocess(
            "-p", "no:randomly", "-p", "no:asyncio", "--prism-backend=mine", "test_checks.py"
        )
        assert result.ret == 0
        result.assert_outcomes(passed=2)
