"""``prism doctor``: each thing it looks for is taken away, named with one cure, and gone once the cure was carried out."""

import importlib.metadata
import os
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.cli import _environment as environment
from prism_testkit.servers.processes import identify

Illness = Iterator[tuple[str, str]]
ILLNESSES: list[Callable[[Any], Illness]] = []

SERVER = """
async def ready(url):
    address = url.rpartition("@")[2].rpartition("/")[2].split(":")
    _, writer = await asyncio.open_connection(*address)
    writer.close()

server = prism.Server(url="acme://127.0.0.1:{port}", ready=ready, command=lambda *a: list(a), binary="acme-server")
mine = prism.Backend(name="mine", connect=connect, drivers=[Dict], clean=clean, server=server)

@prism.hookimpl"""


MAKE = """
import sys

def make(making):
    (making.directory / "acme.py").write_text(
        "import socket, sys\\nlistener = socket.create_server(('127.0.0.1', int(sys.argv[1])))\\nwhile True: listener.accept()"
    )
"""


def illness(function: Callable[[Any], Illness]) -> Callable[[Any], Illness]:
    """Register a generator: it takes something away, yields (what is said, the cure), and then carries the cure out."""
    ILLNESSES.append(function)
    return function


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


@illness
def a_client_library(shell: Any) -> Illness:
    shell.env["BLOCKED"] = "redis"
    yield "valkey: its client library is not installed (redis)", "pip install 'prism-testkit[valkey]'"
    del shell.env["BLOCKED"]


@illness
def a_backends_module(shell: Any) -> Illness:
    shell.distribution("acme", "1.0", "[prism_testkit.backends]\nacme = acme_backend\n")
    module = shell.site / "acme_backend.py"
    module.write_text("\n1 / 0\n")
    yield "acme: importing acme_backend raised ZeroDivisionError: division by zero", f"mend {module}:2"
    module.write_text("def prism_register_backends(registry): pass\nprism_register_backends.prism_testkit_impl = {}\n")


@illness
def a_suites_module(shell: Any) -> Illness:
    shell.distribution("acme", "1.0", "[prism_testkit]\nsuites = acme_suites\n")
    module = shell.site / "acme_suites.py"
    module.write_text("1 / 0\n")
    yield "importing acme_suites raised ZeroDivisionError: division by zero", f"mend {module}:1"
    module.write_text("")


@illness
def a_servers_binary(shell: Any) -> Illness:
    shell.edit("@prism.hookimpl", SERVER)
    yield (
        "mine: no acme-server on PATH or in a usual place, and PRISM_MINE_URL is not set; install acme-server, or name one",
        "export PRISM_MINE_URL=acme://127.0.0.1:PORT",
    )
    with listening() as port:
        shell.env["PRISM_MINE_URL"] = f"acme://127.0.0.1:{port}"
        yield "", ""


@illness
def a_servers_wheel(shell: Any) -> Illness:
    shell.edit("@prism.hookimpl", SERVER.replace('binary="acme-server"', 'binary="acme-server", wheel="acme_wheel"'))
    yield "mine: no acme-server on PATH or in a usual place, and PRISM_MINE_URL is not set", "pip install acme_wheel"
    package = shell.site / "acme_wheel"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "acme-server").touch(mode=0o755)


@illness
def a_server_that_is_made(shell: Any) -> Illness:
    recipe = 'recipe=prism.Recipe(version="1", steps=[prism.Step(what="script", make=make)], binary="acme.py")'
    made = SERVER.replace("command=lambda *a: list(a)", "command=lambda b, d, port: [sys.executable, b, str(port)]")
    shell.edit("@prism.hookimpl", MAKE + made.replace('binary="acme-server"', recipe))
    shell.env["PRISM_CACHE"] = str(shell.path.parent / "cache")
    yield "mine: PRISM_MINE_URL is not set, and none is in the cache", "prism servers add mine"
    shell.prism("servers", "add", "mine", code=0)


@illness
def a_servers_address(shell: Any) -> Illness:
    shell.edit("@prism.hookimpl", SERVER)
    shell.env["PRISM_MINE_URL"] = "acme://joe:hocuspocus@127.0.0.1:1"
    yield "mine: what answers at PRISM_MINE_URL cannot be used", "export PRISM_MINE_URL=acme://127.0.0.1:PORT"
    with listening() as port:
        shell.env["PRISM_MINE_URL"] = f"acme://joe:hocuspocus@127.0.0.1:{port}"
        yield "", ""


@illness
def a_conftest_that_raises(shell: Any) -> Illness:
    shell.edit("import asyncio", "import asyncio\nraise SystemExit('no luck')")
    where = f"{shell.path}/conftest.py:3"
    yield f"conftest.py cannot be imported: {where}: SystemExit: no luck", f"edit {where}"
    shell.conftest()


@illness
def a_conftest_with_a_syntax_error(shell: Any) -> Illness:
    shell.edit("import asyncio", "import asyncio import")
    where = f"{shell.path}/conftest.py:2"
    yield f"conftest.py cannot be imported: {where}: SyntaxError: invalid syntax", f"edit {where}"
    shell.conftest()


@illness
def a_module_that_the_conftest_imports(shell: Any) -> Illness:
    shell.edit("import asyncio", "import asyncio, acme_client")
    where = f"{shell.path}/conftest.py:2"
    yield (
        f"conftest.py cannot be imported: {where}: ModuleNotFoundError: No module named 'acme_client'",
        f"edit {where}: install what provides 'acme_client', or take the import out",
    )
    (shell.site / "acme_client.py").touch()


@illness
def the_right_name_of_a_hook(shell: Any) -> Illness:
    shell.edit("def prism_register_backends(", "def prism_register_backend(")
    yield (
        "there is no hook 'prism_register_backend' (did you mean 'prism_register_backends'?)",
        f"edit conftest.py:{shell.line('@prism.hookimpl')}: rename prism_register_backend to prism_register_backends",
    )
    shell.conftest()


@illness
def the_mark_of_a_hook(shell: Any) -> Illness:
    shell.edit("@prism.hookimpl\n", "")
    yield (
        "a hook is marked with @prism.hookimpl, this one is not, so it would never be called",
        f"edit conftest.py:{shell.line('def prism_register')}: write @prism.hookimpl above `def prism_register_backends`",
    )
    shell.conftest()


@illness
def a_hook_that_returns(shell: Any) -> Illness:
    shell.edit("    registry.add(mine)", "    registry.add(yours)")
    yield (
        "conftest.py: prism_register_backends() raised NameError: name 'yours' is not defined",
        f"mend {shell.path}/conftest.py:{shell.line('registry.add(yours)')}",
    )
    shell.conftest()


@illness
def a_right_registration(shell: Any) -> Illness:
    shell.edit("async def get(self, key)", "async def get(self, name)")
    yield (
        "mine: conftest.py: backend 'mine' is refused: conftest.Dict.get: expected `async def get(self, key)`, found",
        f"edit {shell.path}/conftest.py: `prism check mine` says what to write",
    )
    shell.conftest()


@illness
def something_that_can_be_registered(shell: Any) -> Illness:
    shell.edit("    registry.add(mine)", "    registry.add(mine)\n    registry.add(7)")
    yield "conftest.py: expected a Backend, Pattern or Suite, found int: 7", "edit conftest.py: as that says"
    shell.conftest()


@illness
def a_folder_to_write_to(shell: Any) -> Illness:
    shell.state.touch()
    yield f"{shell.state} is a file, and runs need a folder of that name", f"mv {shell.state} {shell.state}.old"
    shell.state.rename(f"{shell.state}.old")


@illness
def what_killed_runs_left(shell: Any) -> Illness:
    shell.killed_run("deadbeef")
    yield "killed runs left servers, folders or records: deadbeef", "prism clean"
    shell.prism("clean", code=0)


@illness
def a_server_that_a_killed_run_left(shell: Any) -> Illness:
    shell.server()
    yield "killed runs left servers, folders or records: killedrun", "prism clean"
    shell.prism("clean", code=0)


@illness
def namespaces_that_a_killed_run_left(shell: Any) -> Illness:
    shell.edit("@prism.hookimpl", SERVER)
    shell.killed_run("deadbeef", by_url=("mine",))
    yield "a killed run left namespaces on the server of mine", "PRISM_MINE_URL=ADDRESS prism clean"
    with listening() as port:
        shell.env["PRISM_MINE_URL"] = f"acme://127.0.0.1:{port}"
        shell.prism("clean", code=0)
        yield "", ""


@illness
def a_new_enough_pytest(shell: Any) -> Illness:
    old = shell.distribution("pytest", "8.4.2")
    yield "pytest 8.4.2 is too old: 9.0 or newer is needed", "pip install 'pytest>=9.0'"
    old.rename(old.with_name("pytest-9.0.0.dist-info"))
    (shell.site / "pytest-9.0.0.dist-info" / "METADATA").write_text("Metadata-Version: 2.1\nName: pytest\nVersion: 9.0.0\n")


@illness
def a_new_enough_hypothesis(shell: Any) -> Illness:
    old = shell.distribution("hypothesis", "6.9.1")
    yield "hypothesis 6.9.1 is too old: 6.150 or newer is needed", "pip install 'hypothesis>=6.150'"
    (old / "METADATA").unlink()
    old.joinpath("entry_points.txt").unlink()
    old.rmdir()


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


class listening:  # noqa: N801  a context manager, named like a function
    """A port of this machine on which somebody listens, and hangs up."""

    def __enter__(self) -> int:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        port: int = self._socket.getsockname()[1]
        return port

    def __exit__(self, *error: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                self._socket.accept()[0].close()
            except OSError:
                return


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
