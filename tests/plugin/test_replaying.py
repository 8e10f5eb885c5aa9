"""A failing case is a file, and the printed command repeats exactly that case."""

import json
import shlex
from typing import Any

import pytest

MINE = 'BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[{}])]'
FORGETS = """
class Forgets(Dict):
    async def set(self, key, value):
        if len(value) < 3:
            await super().set(key, value)

"""
PROGRAMS = '''
from hypothesis import given
import prism_testkit as prism
from prism_testkit.interfaces import *
from prism_testkit.programs import Program, programs

@prism.check("keyvalue_basic.1")
@given(program=programs(["set"], length=5))
async def a_program_runs(kv: KeyValueBasic, program: Program) -> None:
    """What is set is read."""
    for step in program.steps:
        await kv.set(program.name(step.name), program.value(step.value))
        assert await kv.get(program.name(step.name)) == program.value(step.value)
'''


def _failing(folder: Any, checks: str = "") -> dict[str, Any]:
    """Let a backend that forgets fail, and return the failure."""
    folder.backends(FORGETS + MINE.format("Forgets"))
    folder.checks(*[checks] if checks else [])
    module = folder.path / "test_checks.py"
    module.write_text(module.read_text() + "\ndef test_another(): assert False\n")
    assert folder.run("--prism-backend=mine", "test_checks.py", "--deselect=test_checks.py::test_another").ret == 1
    failure: dict[str, Any] = next(r["failure"] for r in folder.report()["results"] if r["outcome"] == "failed")
    return failure


def _words(command: str) -> list[str]:
    pytest_, *words = shlex.split(command, comments=True)
    assert pytest_ == "pytest"
    return words


@pytest.fixture
def failure(folder: Any) -> Any:
    return _failing(folder)


def test_the_printed_command_repeats_exactly_the_case_until_it_is_mended(folder: Any, failure: Any) -> None:
    witness = folder.path / failure["witness"]
    assert json.loads(witness.read_text())["check"] == "test_checks.py::what_is_generated_is_read"
    words = _words(failure["command"])
    below = folder.path / "below"
    below.mkdir()
    folder.ini("")
    # From a folder below too: the path in the command counts from the root.
    for where, extra in ((folder.path, ("-n1",)), (below, ("-c", "../pytest.ini"))):
        folder.pytester._monkeypatch.chdir(where)
        result = folder.run(*words, *extra, f"--prism-json={folder.path}/report.json")
        assert result.ret == 1
        result.stdout.fnmatch_lines([f"*{failure['command']}"])
        (again,) = folder.report()["results"]
        assert (again["id"], again["cases"]) == ("test_checks.py::what_is_generated_is_read[mine]", 1)
        for field in ("promise", "message", "steps", "arguments", "witness", "command"):
            assert again["failure"][field] == failure[field]
    folder.pytester.chdir()
    folder.backends(MINE.format("Dict"))
    assert folder.run(*words).ret == 0
    assert [(r["outcome"], r["cases"]) for r in folder.report()["results"]] == [("passed", 1)]


def test_a_case_that_is_a_program_is_repeated(folder: Any) -> None:
    failure = _failing(folder, PROGRAMS)
    assert len(failure["steps"]) == 2
    result = folder.run(*_words(failure["command"]))
    assert result.ret == 1
    (again,) = folder.report()["results"]
    assert (again["cases"], again["failure"]["steps"]) == (1, failure["steps"])


def test_what_no_file_can_carry_is_repeated_by_its_seed(folder: Any) -> None:
    checks = '''
from hypothesis import given, strategies as st
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
@given(value=st.frozensets(st.binary(min_size=3, max_size=5)))
async def sets_are_read(kv: KeyValueBasic, value: frozenset[bytes]) -> None:
    """What is set is read."""
    for one in value:
        await kv.set("a", one)
        assert await kv.get("a") == one
'''
    failure = _failing(folder, checks)
    assert failure["witness"] == ""
    assert failure["command"].endswith(
        "# no witness: frozenset has no form in a witness; use JSON values, bytes, or a registered dataclass"
    )
    result = folder.run(*_words(failure["command"]))
    assert result.ret == 1
    (again,) = folder.report()["results"]
    assert (again["failure"]["arguments"], again["failure"]["command"]) == (failure["arguments"], failure["command"])


SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "version": ({"version": 99}, "version 99, this prism-testkit reads version 1"),
    "check": ({"check": "test_checks.py::another"}, "no check test_checks.py::another[[]mine] here any more"),
    "file": ({"check": "test_gone.py::another"}, "file or directory not found: *test_gone.py"),
    "suite": ({"check": "prism_suites/interfaces/gone.py::another"}, "prism_suites/interfaces/gone.py: there is no such suite"),
    "binding": ({"binding": "mine+other"}, "no check test_checks.py::what_is_generated_is_read[[]mine+other] here any more"),
    "data": ({"arguments": {"key": "a"}}, "--prism-replay: *spoilt.json: it holds key, and the check now takes key, value"),
    "missing": ({}, "--prism-replay: *spoilt.json: No such file or directory"),
}


def test_a_witness_that_cannot_be_used_is_a_usage_error_that_says_why(folder: Any, failure: Any) -> None:
    body = json.loads((folder.path / failure["witness"]).read_text())
    path = folder.path / "spoilt.json"
    for changes, said in SPOILT.values():
        path.unlink(missing_ok=True)
        if changes:
            path.write_text(json.dumps(body | changes))
        result = folder.run("--prism-replay=spoilt.json")
        assert result.ret == pytest.ExitCode.USAGE_ERROR, said
        result.stderr.fnmatch_lines([f"*{said}*"])
        assert "Traceback" not in result.stderr.str() + result.stdout.str()
