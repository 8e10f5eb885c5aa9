"""``prism doctor``: each thing it looks for is taken away, named with one cure, and gone once the cure was carried out."""

import importlib.metadata
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from doctor_illnesses import ILLNESSES, Illness, a_backends_module, a_client_library

from prism_testkit.cli import _environment as environment
from prism_testkit.servers.processes import identify


def findings(said: str, mark: str = "missing: ") -> dict[str, list[str]]:
    """Return {what: its cures}."""
    found: dict[str, list[str]] = {}
    cures: list[str] = []
    for line in said.splitlines():
        if line.startswith(("missing: ", "remark: ")):
            cures = found.setdefault(line.partition(": ")[2], []) if line.startswith(mark) else []
        elif line.startswith("    "):
            cures.append(line.strip())
    return found


@pytest.mark.parametrize("function", ILLNESSES, ids=lambda f: f.__name__)
def test_what_is_missing_is_named_with_one_cure_and_gone_after_it(shell: Any, function: Callable[[Any], Illness]) -> None:
    shell.conftest()
    names = {a_backends_module: ["acme"], a_client_library: ["valkey"]}.get(function, [])
    taken = function(shell)
    what, cure = next(taken)
    said = shell.prism("doctor", *names, code=1)
    hits = [cures for text, cures in findings(said).items() if what in text]
    assert hits == [[cure]], said
    assert "hocuspocus" not in said
    still_open = next(taken, None) is not None
    said = shell.prism("doctor", *names)
    assert not [text for text in findings(said) if what in text], said
    if still_open:
        next(taken, None)


def test_all_is_well_is_exit_code_0(shell: Any) -> None:
    shell.conftest()
    said = shell.prism("doctor", "mine", "memory", code=0)
    assert said == "all is well: pytest --prism-backend=mine,memory\n"
    assert not shell.state.exists()


def test_kept_servers_are_a_remark_and_no_fault(shell: Any) -> None:
    shell.conftest()
    record = shell.server(kept=True)
    said = shell.prism("doctor", "mine", code=0)
    assert findings(said, "remark: ") == {f"kept servers are running: acme (pid {record.process.pid})": ["prism clean --kept"]}
    shell.prism("clean", "--kept", code=0)
    assert "kept" not in shell.prism("doctor", "mine", code=0)


def test_the_leftovers_of_a_run_that_lives_are_nobodys_business(shell: Any) -> None:
    shell.conftest()
    me = identify(os.getpid())
    shell.killed_run("alive000", owner=me)
    shell.server(owners=(me,))
    assert "killed" not in shell.prism("doctor", "mine", code=0)


def test_xdist_is_a_remark_and_no_fault(shell: Any) -> None:
    shell.conftest()
    shell.env["BLOCKED"] = "xdist"
    said = shell.prism("doctor", "mine", code=0)
    assert findings(said, "remark: ") == {
        "pytest-xdist is not installed, so a run uses one core": ["pip install 'prism-testkit[xdist]'"]
    }
    del shell.env["BLOCKED"]
    assert "xdist" not in shell.prism("doctor", "mine", code=0)


def test_an_old_python_is_named() -> None:
    (finding,) = environment.python((3, 10))
    assert finding.what == "Python 3.10 is too old: 3.11 or newer is needed"
    assert finding.cure == "python3.11 -m venv .venv && .venv/bin/pip install prism-testkit"
    assert not list(environment.python((3, 11)))
    assert not list(environment.python((4, 0)))


def _without(monkeypatch: pytest.MonkeyPatch, name: str, *functions: str) -> None:
    for function in functions:
        real = getattr(importlib.metadata, function)

        def missing(asked: str, real: Callable[[str], Any] = real) -> Any:
            if asked == name:
                raise importlib.metadata.PackageNotFoundError(asked)
            return real(asked)

        monkeypatch.setattr(importlib.metadata, function, missing)


def test_a_package_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not list(environment.packages())
    _without(monkeypatch, "pydantic", "version")
    (finding,) = environment.packages()
    assert (finding.what, finding.cure) == ("pydantic is not installed", "pip install 'pydantic>=2.8'")


def test_being_not_installed_itself_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _without(monkeypatch, "prism-testkit", "metadata", "requires")
    (finding,) = [*environment.python(), *environment.packages()]
    assert finding.cure == "pip install prism-testkit"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of somebody who is not root, and for the time being nor are we: to root nothing is forbidden."""
    path = Path(tempfile.mkdtemp(prefix="prism-doctor-"))  # pytest's own temporary folders are closed to others
    root = os.geteuid() == 0
    if root:
        os.chown(path, 65534, -1)
        os.seteuid(65534)
    try:
        yield path
    finally:
        if root:
            os.seteuid(0)
        path.chmod(0o700)
        shutil.rmtree(path)


def test_a_folder_that_cannot_be_written_to_is_named(folder: Path) -> None:
    state = folder / ".prism"
    for path in (state, state / "examples"):
        path.mkdir()
        path.chmod(0o500)
        (finding,) = environment.writable(state)
        assert finding.what == f"{path} cannot be written to, and runs keep examples, witnesses and records there"
        assert finding.cure == f"chmod u+rwx {path}"
        path.chmod(0o700)
        assert not list(environment.writable(state))


def test_where_there_is_no_folder_yet_the_projects_must_do(folder: Path) -> None:
    folder.chmod(0o500)
    (finding,) = environment.writable(folder / ".prism")
    assert finding.cure == f"chmod u+rwx {folder}"
    folder.chmod(0o700)
    assert not list(environment.writable(folder / ".prism"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder that is somebody else's")
def test_a_folder_of_somebody_else_is_given_back(folder: Path) -> None:
    state = folder / ".prism"
    os.seteuid(0)
    state.mkdir(mode=0o755)
    os.seteuid(65534)
    (finding,) = environment.writable(state)
    assert finding.cure == f'sudo chown -R "$(id -u)" {state}'
    os.seteuid(0)
    os.chown(state, 65534, -1)
    os.seteuid(65534)
    assert not list(environment.writable(state))
