"""The command run in a folder of its own, with a conftest's backends, faked distributions and modules that are taken away."""

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from prism_testkit.runs import RunRecord
from prism_testkit.servers import Record
from prism_testkit.servers.processes import Identity, identify

DRIVER = """
class Dict(KeyValueBasic):
    def __init__(self, client, namespace):
        self.data = client.setdefault(namespace, {})
    async def set(self, key, value):
        self.data[key] = bytes(value)
    async def get(self, key):
        return self.data.get(key)
    async def delete(self, key):
        return self.data.pop(key, None) is not None
    async def exists(self, key):
        return key in self.data
"""

CONFTEST = f"""
import asyncio
from contextlib import asynccontextmanager
import prism_testkit as prism
from prism_testkit.interfaces import *
{DRIVER}
@asynccontextmanager
async def connect(place):
    yield place.shared

async def clean(client, prefix):
    for namespace in [n for n in client if n.startswith(prefix)]:
        del client[namespace]

mine = prism.Backend(name="mine", connect=connect, drivers=[Dict], clean=clean)

@prism.hookimpl
def prism_register_backends(registry):
    registry.add(mine)
"""

BLOCKER = """
import os, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in os.environ.get("BLOCKED", "").split(","):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
"""

GONE = Identity(2**22 + 1, "never")
"""A process that is not there: its number is above the largest that Linux gives."""


@dataclass
class Shell:
    """A project folder, an import folder in front of everything else, and the command."""

    path: Path
    site: Path
    env: dict[str, str] = field(default_factory=dict)
    python: str = sys.executable
    children: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def conftest(self, text: str = CONFTEST) -> None:
        (self.path / "conftest.py").write_text(text)

    def edit(self, old: str, new: str) -> None:
        """Write the conftest as it was given, with ``old`` replaced; what is to be replaced must be there."""
        assert old in CONFTEST, old
        self.conftest(CONFTEST.replace(old, new))

    def line(self, text: str) -> int:
        """Return the number of the first line of the conftest that holds ``text``."""
        lines = (self.path / "conftest.py").read_text().splitlines()
        return next(number for number, line in enumerate(lines, 1) if text in line)

    def prism(self, *args: str, code: int | None = None) -> str:
        """Run ``prism args``; return what it said, errors last. ``code`` is the exit code expected."""
        return self.run(sys.executable, "-m", "prism_testkit.cli", *args, code=code)

    def pytest(self, *args: str, code: int | None = None) -> str:
        return self.run(sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", *args, code=code)

    def run(self, *command: str, code: int | None = None) -> str:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PRISM_", "PYTEST_"))}
        environ = {**inherited, "PYTHONPATH": str(self.site), "PYTHONDONTWRITEBYTECODE": "1", **self.env}
        done = subprocess.run(command, cwd=self.path, env=environ, capture_output=True, text=True, check=False)
        said = done.stdout + done.stderr
        assert "Traceback" not in said, said
        assert code is None or done.returncode == code, f"exit code {done.returncode}\n{said}"
        return said

    def distribution(self, name: str, version: str, entry_points: str = "") -> Path:
        """Fake the metadata of an installed distribution; it hides the real one."""
        folder = self.site / f"{name.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        (folder / "entry_points.txt").write_text(entry_points)
        return folder

    # -- what killed runs leave ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> Path:
        return self.path / ".prism"

    def killed_run(self, run_id: str = "deadbeef", by_url: tuple[str, ...] = (), owner: Identity = GONE) -> RunRecord:
        """Leave what a run leaves that was killed: its record, its directory."""
        directory = self.path.parent / f"prism-{run_id}-left"
        directory.mkdir()
        record = RunRecord(self.state / "runs" / f"{run_id}.json", run_id, owner, directory, by_url)
        record.save()
        return record

    def server(self, *, kept: bool = False, owners: tuple[Identity, ...] = ()) -> Record:
        """Leave a server that still runs; here any process in a session of its own."""
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE, start_new_session=True
        )
        self.children.append(child)
        directory = self.path.parent / f"prism-run-{child.pid}"
        directory.mkdir()
        record = Record("acme", "killedrun", directory, (1,), "f", owners, kept, identify(child.pid))
        record.write(self.state)
        return record


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path / "project", tmp_path / "site")
    made.path.mkdir()
    made.site.mkdir()
    (made.path / "pytest.ini").write_text("[pytest]\n")
    (made.site / "sitecustomize.py").write_text(BLOCKER)
    yield made
    for child in made.children:
        child.kill()
        child.communicate()
