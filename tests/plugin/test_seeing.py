"""What the one who runs it sees: in a terminal, in a pipe, in files, and with any of pytest's own switches."""

import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from terminals import Terminal

STATUS = re.compile(r"^\d+/3  ")
MIXED = """
import pathlib
HERE = pathlib.Path(__file__).parent

class Odd(Dict):
    async def get(self, key):
        (HERE / f"reached-{key}").touch()
        while key == "wait" and not (HERE / "go").exists():
            time.sleep(0.01)
        return await super().get(key)

@asynccontextmanager
async def nowhere(place):
    raise OSError("no route")
    yield

WAIVER = prism.Waiver(promise="keyvalue_basic.2", kind="never", reason="it is odd", witness="kept.json")
BACKENDS = [
    prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Odd], waivers=[WAIVER]),
    prism.Backend(name="gone", connect=nowhere, clean=clean, drivers=[Odd]),
]
"""
CHECKS = '''
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
async def passes(kv: KeyValueBasic) -> None:
    """Passes."""
    assert await kv.get("a") is None

@prism.check("keyvalue_basic.1")
async def waits(kv: KeyValueBasic) -> None:
    """Waits until the test has seen enough, then fails."""
    assert await kv.get("wait") == b"x"

@prism.check("keyvalue_basic.2")
async def is_odd(kv: KeyValueBasic) -> None:
    """Fails, and is waived."""
    assert await kv.get("b") == b"x"
'''
UNCLEAR = '''
@prism.check("keyvalue_basic.1")
async def is_unclear(kv: KeyValueBasic, case: prism.Case) -> None:
    """Comes to no verdict."""
    case.inconclusive("nothing collided")
'''


@pytest.fixture
def mixed(folder: Any) -> Any:
    """A project with a check that passes, one that waits and fails, and one that is waived."""
    folder.backends(MIXED)
    folder.checks(CHECKS)
    body = {
        "format": "prism-testkit-witness",
        "version": 1,
        "check": "test_checks.py::is_odd",
        "binding": "mine",
        "backends": ["mine"],
        "promise": "keyvalue_basic.2",
        "seed": 1,
        "arguments": {},
    }
    (folder.path / "kept.json").write_text(json.dumps(body))
    return folder


def _argv(*args: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", "--prism-backend=mine", *args]


def _environment(**changes: str) -> dict[str, str]:
    kept = {
        name: value for name, value in os.environ.items() if name not in ("CI", "NO_COLOR", "FORCE_COLOR", "COLUMNS", "PY_COLORS")
    }
    return kept | {"TERM": "xterm-256color"} | changes


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    terminal = Terminal(columns=80, rows=60)
    yield terminal
    terminal.close()


def _watch(folder: Any, terminal: Terminal, *args: str, **environment: str) -> int:
    """Run in the terminal, let the check that waits go on when the status line was seen, and return the exit code."""
    process = subprocess.Popen(
        _argv(*args, "test_checks.py"),
        cwd=folder.path,
        env=_environment(**environment),
        stdin=terminal.slave,
        stdout=terminal.slave,
        stderr=terminal.slave,
    )
    try:
        live = "-q" not in args
        terminal.wait_for(lambda: (folder.path / "reached-wait").exists() and (not live or _status(terminal.lines) != []))
        if live:
            # What was read may end where the line is erased, and not drawn again yet.
            terminal.wait_for(lambda: any("waits[mine]" in line for line in _status(terminal.lines)))
        (folder.path / "go").touch()
        terminal.wait_for(lambda: process.poll() is not None)
        terminal.settle()
    finally:
        process.kill()
    return process.wait()


def _status(lines: list[str]) -> list[str]:
    return [line for line in lines if STATUS.match(line)]


def test_in_a_terminal_progress_is_live_and_gone_in_the_end(mixed: Any, terminal: Terminal) -> None:
    assert _watch(mixed, terminal, "--prism-seed=5") == 1
    assert all(len(_status(shot)) <= 1 for shot in terminal.shots), "the status line never wraps and never doubles"
    assert not _status(terminal.scrolled)
    text = "\n".join(terminal.scrolled)
    assert "prism: mine (embedded); level standard, seed 5" in terminal.scrolled
    assert "mine breaks keyvalue_basic.1" in terminal.scrolled
    assert "mine      ✗ 1/3" in terminal.scrolled
    assert "1 passed, 1 failed, 1 waived; level standard, seed 5" in terminal.scrolled
    assert "1 failed, 1 passed, 1 xfailed" in text
    # Nothing of a status line stands behind what pytest wrote over it.
    assert not re.search(r"\[mine\].*\d+:\d\d", text)
    assert b"\x1b[31m" in terminal.received


def test_without_colour(mixed: Any, terminal: Terminal) -> None:
    assert _watch(mixed, terminal, NO_COLOR="1") == 1
    assert not re.search(rb"\x1b\[[0-9;]*m", terminal.received)
    assert "mine      ✗ 1/3" in terminal.scrolled


def test_quietly_there_is_a_matrix_and_no_status_line(mixed: Any, terminal: Terminal) -> None:
    assert _watch(mixed, terminal, "-q") == 1
    assert not any(map(_status, terminal.shots))
    assert not [line for line in terminal.scrolled if line.startswith("prism: ")], "no header"
    assert "mine      ✗ 1/3" in terminal.scrolled


def test_in_a_pipe_there_are_letters_and_no_escape_sequences(mixed: Any) -> None:
    (mixed.path / "go").touch()
    result = mixed.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == 1
    output = result.stdout.str() + result.stderr.str()
    assert "\x1b" not in output
    assert "\r" not in output
    assert not _status(output.splitlines())
    result.stdout.fnmatch_lines(["test_checks.py .Fw *[[]100%[]]", "mine      ✗ 1/3"])
    header = next(line for line in result.outlines if line.startswith("prism: mine (embedded); level standard, seed "))
    report = mixed.report()
    assert int(header.rpartition(" ")[2]) == report["seed"]
    assert result.outlines[-3:-1].count(f"report: {mixed.path}/report.json") <= 1
    assert f"report: {mixed.path}/report.json" in result.outlines
    durations = [r["duration_s"] for r in report["results"]]
    assert 0 < max(durations) <= sum(durations) < report["duration_s"]


def test_verbosely_each_check_has_a_line_with_its_outcome(mixed: Any) -> None:
    mixed.checks(CHECKS + UNCLEAR)
    (mixed.path / "go").touch()
    result = mixed.run("--prism-backend=mine,gone", "-v", "-rs", "--durations=0", "--durations-min=0", "test_checks.py")
    for name, word in (("passes", "PASSED"), ("waits", "FAILED"), ("is_odd", "WAIVED"), ("is_unclear", "SKIPPED")):
        result.stdout.fnmatch_lines([f"test_checks.py::{name}[[]mine[]] {word}*"])
    result.stdout.fnmatch_lines(
        [
            "prism: gone is unavailable: connect() raised OSError: no route (conftest.py:*)",
            "test_checks.py::passes[[]gone[]] SKIPPED (unavailable: connect() raised*",
            "*s call *test_checks.py::waits[[]mine[]]",
            "SKIPPED [[]1[]] test_checks.py:20: inconclusive: nothing collided",
        ]
    )


def test_junit_xml_tells_the_outcomes_apart(mixed: Any) -> None:
    mixed.checks(CHECKS + UNCLEAR)
    (mixed.path / "go").touch()
    assert mixed.run("--prism-backend=mine,gone", "--junitxml=junit.xml", "test_checks.py").ret == 1
    root = ElementTree.parse(mixed.path / "junit.xml").getroot()
    cases = {case.attrib["name"]: case for case in root.iter("testcase")}
    assert len(cases) == 8
    skipped = {name: next(iter(case.iter("skipped"))) for name, case in cases.items() if case.find("skipped") is not None}
    assert (skipped["is_odd[mine]"].attrib["type"], skipped["is_odd[mine]"].attrib["message"]) == (
        "pytest.xfail",
        "keyvalue_basic.2 never: it is odd",
    )
    assert skipped["is_unclear[mine]"].attrib["message"] == "inconclusive: nothing collided"
    message = skipped["passes[gone]"].attrib["message"]
    assert message.startswith("unavailable: connect() raised OSError: no route (conftest.py:")
    assert cases["waits[mine]"].find("failure") is not None
    for name, outcome in (("passes[mine]", "passed"), ("waits[mine]", "failed"), ("is_odd[mine]", "waived")):
        properties = {p.attrib["name"]: p.attrib["value"] for p in cases[name].iter("property")}
        assert properties == {"prism_backend": "mine", "prism_outcome": outcome}


def test_a_report_that_cannot_be_written_is_a_usage_error(mixed: Any) -> None:
    result = mixed.run("--prism-backend=mine", "--prism-json=missing/report.json", "test_checks.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --prism-json: *missing/report.json: the directory * does not exist; make it, *"])
    assert not (mixed.path / "reached-a").exists()


def test_without_a_terminal_the_report_is_whole_at_every_moment(mixed: Any) -> None:
    path: Path = mixed.path / "report.json"
    process = subprocess.Popen(
        _argv("-p", "no:terminal", "--prism-json=report.json", "test_checks.py"),
        cwd=mixed.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    seen: list[dict[str, Any]] = []
    while process.poll() is None:
        time.sleep(0.005)
        if path.exists():
            seen.append(mixed.report())
            (mixed.path / "go").touch()
    assert process.stdout is not None
    output = process.stdout.read()
    assert (process.wait(), output) == (1, b"")
    assert seen
    first, last = seen[0], mixed.report()
    assert (first["complete"], first["exit_code"], [r["outcome"] for r in first["results"]]) == (False, None, ["passed"])
    assert (last["complete"], last["exit_code"], len(last["results"])) == (True, 1, 3)
    assert not list(mixed.path.glob(".*.tmp"))
