"""What ``prism doctor`` looks for: each is taken away, is named with its one cure, and the cure is carried out."""

import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

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
