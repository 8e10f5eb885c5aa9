"""The command itself: help without imports, what cannot be meant, what must not be printed, where the project is."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.cli import COMMANDS
from prism_testkit.cli._project import project_root


def test_the_help_names_every_command(shell: Any) -> None:
    said = shell.prism("--help", code=0)
    assert all(f"prism {name} " in said for name in COMMANDS)


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_has_a_help(shell: Any, command: str) -> None:
    assert f"usage: prism {command}" in shell.prism(command, "--help", code=0)


def test_the_help_imports_nothing_heavy() -> None:
    heavy = ["pytest", "hypothesis", "pydantic", "pluggy", "asyncio", "prism_testkit.registry"]
    code = f"import sys; from prism_testkit.cli import main; main(['--help']); print('LOADED', *{{*{heavy}}} & {{*sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "LOADED"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["lsit"], "no command 'lsit' (did you mean 'list'?)"),
        (["list", "backend"], "no 'backend' (did you mean 'backends'?)"),
        (["list", "backends", "mime"], "no backend 'mime' (did you mean 'mine'?)"),
        (["list", "interfaces", "keyvalue_tll"], "no interface 'keyvalue_tll' (did you mean 'keyvalue_ttl'?)"),
        (["list", "suites", "keyvalue_basics"], "(did you mean 'keyvalue_basic'?)"),
        (["list", "patterns", "outbox"], "no pattern 'outbox'"),
        (["doctor", "mime"], "no backend 'mime' (did you mean 'mine'?)"),
        (["check", "mime"], "no backend 'mime' (did you mean 'mine'?)"),
        (["check"], "the following arguments are required: NAME"),
        (["new", "backends", "x"], "no 'backends' (did you mean 'backend'?)"),
        (["clean", "--keep"], "unrecognized arguments: --keep"),
        ([], "usage: prism COMMAND"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error_with_the_closest_name(shell: Any, typed: list[str], said: str) -> None:
    shell.conftest()
    assert said in shell.prism(*typed, code=4)


def test_a_name_that_is_missing_because_the_conftest_is_broken_says_so(shell: Any) -> None:
    shell.conftest("raise RuntimeError('no luck')\n")
    said = shell.prism("check", "mine", code=4)
    assert "no backend 'mine'" in said
    assert "perhaps because of this" in said
    assert "RuntimeError: no luck" in said


@pytest.mark.parametrize("command", [["list"], ["doctor"]])
def test_no_password_of_a_url_is_printed(shell: Any, command: list[str]) -> None:
    shell.conftest("raise RuntimeError('cannot reach acme://joe:opensesame@host/0, the password is hocuspocus')\n")
    shell.env["PRISM_ACME_URL"] = "acme://joe:hocuspocus@host/0"
    said = shell.prism(*command)
    assert "cannot reach acme://***@host/0" in said
    assert "opensesame" not in said
    assert "hocuspocus" not in said


def test_nobody_reading_on_is_no_error(shell: Any) -> None:
    command = [sys.executable, "-m", "prism_testkit.cli", "list"]
    with subprocess.Popen(command, cwd=shell.path, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stderr is not None
        child.stdout.close()
        assert child.stderr.read() == b""
        assert child.wait() == 0


LAYOUTS = {
    "an ini file above": {"pytest.ini": "", "sub/pyproject.toml": ""},
    "an ini file above, setup.py here": {"pytest.ini": "", "sub/setup.py": ""},
    "a table of pytest's": {"pyproject.toml": "", "sub/pyproject.toml": "[tool.pytest.ini_options]\n"},
    "an empty table": {"pytest.ini": "", "sub/pyproject.toml": "[tool.pytest]\n"},
    "tox.ini with a section": {"pytest.ini": "", "sub/tox.ini": "[pytest]\n"},
    "tox.ini without": {"pytest.ini": "", "sub/tox.ini": "[tox]\n"},
    "setup.cfg with a section": {"pytest.ini": "", "sub/setup.cfg": "[tool:pytest]\n"},
    "a pyproject.toml above": {"pyproject.toml": "[project]\n", "sub/setup.py": ""},
    "a setup.py above": {"setup.py": ""},
    "nothing": {},
}


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_the_project_is_where_pytest_takes_it_to_be(shell: Any, layout: str) -> None:
    (shell.path / "pytest.ini").unlink()
    folder: Path = shell.path / "sub"
    folder.mkdir()
    for name, text in LAYOUTS[layout].items():
        (shell.path / name).write_text(text)
    (folder / "test_root.py").write_text("def test_root(pytestconfig):\n    print(f'ROOT={pytestconfig.rootpath}=')\n")
    shell.path = folder
    said = shell.pytest("-s", "-q", code=0)
    assert f"ROOT={project_root(folder)}=" in said
