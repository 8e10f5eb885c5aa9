"""Runs a suite of the network over drivers that a module of this folder registers."""

import json
from pathlib import Path
from typing import Any

import pytest

__all__ = ["judged"]


def judged(pytester: pytest.Pytester, module: str, suite: str, drivers: list[str], *more: str) -> dict[str, dict[str, str]]:
    """Return {driver: {check: promise that broke}} of those that failed; nothing is an error, and one that is right passes all."""
    pytester.makeconftest(f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nfrom {module} import *\n")
    pytester.runpytest_subprocess(
        *("-p", "no:randomly", "-p", "no:asyncio", "--prism-json=report.json"),
        *(f"--prism-backend={','.join(drivers)}", f"--prism-suite={suite}", *more),
    )
    report: dict[str, Any] = json.loads((pytester.path / "report.json").read_text())
    found: dict[str, dict[str, str]] = {driver: {} for driver in drivers}
    for result in report["results"]:
        if result["outcome"] == "failed":
            found[result["binding"]][result["check"]] = result["failure"]["promise"]
        else:
            assert result["outcome"] == "passed" or (result["outcome"] == "inconclusive" and result["binding"] != "right"), result
    return found
