"""``prism matrix``: one page of several reports, and no page of what is no report."""

from typing import Any

import pytest


def test_the_reports_of_two_runs_are_one_page(shell: Any) -> None:
    shell.conftest()
    for name in ("first", "second"):
        shell.pytest("--prism-backend=mine,memory", "--prism-suite=keyvalue_basic", "-k", "missing", f"--prism-json={name}.json")
    said = shell.prism("matrix", "first.json", "second.json", code=0)
    assert said.startswith("# The matrix\n")
    assert "- `mine` is of run 2, not of 1: the newer one." in said
    assert "\n| `mine` | " in said.partition("## keyvalue\n")[2]


@pytest.mark.parametrize(
    ("text", "why"),
    [("{}", ""), ("", "Invalid JSON"), ('{"format": "else"}', "format: "), ('{"version": "x"}', "version: ")],
)
def test_what_is_no_report_is_told(shell: Any, text: str, why: str) -> None:
    (shell.path / "odd.json").write_text(text)
    said = shell.prism("matrix", "odd.json", code=1 if why else 0)
    assert not why or f"odd.json is no report of this version: {why}" in said


def test_a_file_that_is_not_there_is_told(shell: Any) -> None:
    assert "gone.json: No such file or directory" in shell.prism("matrix", "gone.json", code=1)
    assert "usage: prism matrix" in shell.prism("matrix", code=4)
