"""Kills: what a process had acknowledged when it was killed is compared with what is left."""

import json
from pathlib import Path
from typing import Any

import pytest

BACKENDS = '''
import json
from contextlib import asynccontextmanager
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic


class Log(KeyValueBasic):
    """A file to which each write is appended; read once, when it is opened."""

    def __init__(self, client, namespace):
        self.data, self.file, self.namespace = *client, namespace

    def write(self, key, value):
        self.data[self.namespace + key] = value
        self.file.write(json.dumps([self.namespace + key, value]).encode() + b"\\n")

    async def set(self, key, value):
        prism.check_name(key, "set", "log")
        self.write(key, prism.check_payload(value, "set", "log", key).hex())

    async def get(self, key):
        value = self.data.get(self.namespace + key)
        return None if value is None else bytes.fromhex(value)

    async def delete(self, key):
        present = await self.exists(key)
        self.write(key, None)
        return present

    async def exists(self, key):
        return self.data.get(self.namespace + key) is not None


def opened(buffering):
    """Connect to the log of a place; ``buffering`` bytes are acknowledged before they are in it."""

    @asynccontextmanager
    async def connect(place):
        path = place.directory / "log"
        lines = path.read_bytes().split(b"\\n") if path.exists() else []
        with path.open("ab", buffering=buffering) as file:
            if lines and lines[-1]:
                file.write(b"\\n")
            yield dict(json.loads(line) for line in lines if line.endswith(b"]")), file

    return connect


def backend(name, connect, durability="process"):
    return prism.Backend(name=name, connect=connect, drivers=[Log], traits=prism.Traits(durability=durability))


@prism.hookimpl
def prism_register_backends(registry):
    registry.add(backend("flushed", opened(0)))
    registry.add(backend("early", opened(1 << 24)))
    registry.add(backend("modest", opened(1 << 24), durability="none"))
'''

CHECKS = '''
from typing import Annotated
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic

STEPS = [("set", (f"k{number}", b"%d" % number)) for number in range(1500)]


@prism.check("keyvalue_basic.12")
async def two_kills(kv: Annotated[KeyValueBasic, prism.Traits(durability="process")], case: prism.Case) -> None:
    """Two kills in one place leave what was acknowledged before each."""
    first = await case.kill(STEPS, 50, "writer")
    assert not first.finished and 50 <= first.acknowledged < len(STEPS)
    assert len(first.instants_ns) == first.acknowledged + 1 and first.window_ns(3) == (first.instants_ns[3], first.instants_ns[4])
    assert await first.slot.get("k49") == b"49"
    before = case.clock.now_s()
    again = await case.kill([("delete", ("k3",))] * 1500, 1, "writer", after=first, down_s=1000)
    assert case.clock.now_s() == before + 1000
    assert again.namespace == first.namespace
    assert await again.slot.get("k49") == b"49" and await again.slot.get("k3") is None


@prism.check("keyvalue_basic.12")
async def a_short_plan(kv: KeyValueBasic, case: prism.Case) -> None:
    """A writer that has finished says so."""
    survivors = await case.kill(STEPS[:3], 3, "writer")
    assert survivors.finished and survivors.acknowledged == 3


@prism.check("keyvalue_basic.12")
async def a_refused_call(kv: KeyValueBasic, case: prism.Case) -> None:
    """What the writer is told counts."""
    await case.kill([("set", ("", b"v"))], 1, "writer")


@prism.check("keyvalue_basic.13", needs_server=True)
async def an_outage(kv: KeyValueBasic, case: prism.Case) -> None:
    """A private server is killed, and the client from before works again."""
    async with case.private_server() as private:
        client = await private.client()
        await client.set("a", b"v")
        await private.kill()
        try:
            await client.get("a")
        except Exception as error:
            case.note(type(error).__name__)
        await private.restart()
        assert await client.get("a") == b"v"
'''


class Project:
    """A folder with backends and checks of its own."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        pytester.makeconftest(BACKENDS)
        self.path: Path = pytester.path

    def run(self, *arguments: str) -> dict[str, Any]:
        """Run pytest, and return {check[binding]: result} and all else in the report."""
        self.pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio", "--prism-json=report.json", *arguments)
        report: dict[str, Any] = json.loads((self.path / "report.json").read_text())
        report["by_name"] = {f"{result['check']}[{result['binding']}]": result for result in report["results"]}
        return report


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    return Project(pytester)


def test_a_backend_that_acknowledges_before_it_has_written_is_caught(project: Project) -> None:
    found = project.run("--prism-backend=early,flushed,modest,memory", "--prism-suite=keyvalue_durability")["by_name"]
    name = "acknowledged_writes_survive_the_writer"
    assert {key: result["outcome"] for key, result in found.items()} == {
        f"{name}[early]": "failed",
        f"{name}[flushed]": "passed",
        f"{name}[modest]": "passed",
        f"{name}[memory]": "passed",
    }
    failure = found[f"{name}[early]"]["failure"]
    assert failure["promise"] == "keyvalue_basic.12"
    assert "is gone after the kill, though set was acknowledged" in failure["message"]
    assert "the writer was killed after" in failure["message"]


def test_what_a_backend_loses_that_claims_nothing_is_told(project: Project) -> None:
    found = project.run("--prism-backend=modest,memory", "--prism-suite=keyvalue_durability")["by_name"]
    for name in ("modest", "memory"):
        (note,) = found[f"acknowledged_writes_survive_the_writer[{name}]"]["notes"]
        assert note.startswith("claims no durability, and is shown to lose ")


def test_a_place_can_be_killed_again_and_time_passes_while_it_is_down(project: Project) -> None:
    (project.path / "test_checks.py").write_text(CHECKS)
    found = project.run("--prism-backend=flushed,sqlite", "test_checks.py")["by_name"]
    for name in ("flushed", "sqlite"):
        assert found[f"two_kills[{name}]"]["outcome"] == "passed"
        assert found[f"a_short_plan[{name}]"]["outcome"] == "passed"
        refused = found[f"a_refused_call[{name}]"]["failure"]
        assert refused["message"].startswith("in the writing process set() raised InvalidName")
        assert refused["steps"][0].startswith("harness: kill('writer', steps=1) raises Violation")


@pytest.mark.parametrize(
    ("delete", "told"),
    [
        ("await asyncio.Event().wait()", "delete() never returned: nothing is ready and no timer is set"),
        ("raise SystemExit(3)", "delete() raised SystemExit"),
    ],
)
def test_a_call_that_does_not_return_in_the_writing_process_is_the_drivers(project: Project, delete: str, told: str) -> None:
    project.pytester.makeconftest("import asyncio\n" + BACKENDS.replace("present = await self.exists(key)", delete))
    (project.path / "test_checks.py").write_text(CHECKS.replace('("set", ("", b"v"))', '("delete", ("a",))'))
    found = project.run("--prism-backend=flushed", "test_checks.py", "-k", "a_refused_call")["by_name"]["a_refused_call[flushed]"]
    assert found["outcome"] == "failed"
    assert found["failure"]["message"].startswith(f"in the writing process {told}")


SLOW = """
import sys, threading
if getattr(sys.modules["__main__"].__spec__, "name", "") == "prism_testkit._child":
    threading.Event().wait(3)  # as whoever imports much, on a busy machine
"""


def test_a_registration_that_takes_long_to_import_again_and_many_calls_are_no_hang(project: Project) -> None:
    """Together they take longer than a call may; each call does not."""
    slow = BACKENDS.replace("def write(self, key, value):", "def write(self, key, value):\n        time.sleep(0.02)")
    project.pytester.makeconftest(SLOW + "import time\n" + slow)
    (project.path / "test_checks.py").write_text(CHECKS.replace("STEPS, 50,", "STEPS, 150,"))
    found = project.run("--prism-backend=flushed", "test_checks.py", "-k", "short_plan or two_kills", "-o", "prism_hang_s=2")[
        "by_name"
    ]
    assert {key: (result["outcome"], result["failure"]) for key, result in found.items()} == {
        "two_kills[flushed]": ("passed", None),
        "a_short_plan[flushed]": ("passed", None),
    }


SLOW_START = """
import sys, threading
if "prism_testkit._child" in sys.orig_argv:
    threading.Event().wait(3)  # as a new interpreter, on a busy machine
"""


def test_what_forks_the_writers_may_take_its_time_to_start(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the harness's own, and nothing that the backend does."""
    (project.path / "sitecustomize.py").write_text(SLOW_START)
    monkeypatch.setenv("PYTHONPATH", str(project.path))
    (project.path / "test_checks.py").write_text(CHECKS)
    found = project.run("--prism-backend=flushed", "test_checks.py", "-k", "short_plan", "-o", "prism_hang_s=1.5")["by_name"]
    assert found["a_short_plan[flushed]"]["outcome"] == "passed", found


def test_a_check_that_needs_a_server_is_not_bound_to_a_backend_without_one(project: Project) -> None:
    (project.path / "test_checks.py").write_text(CHECKS)
    report = project.run("--prism-backend=memory,valkey", "test_checks.py", "-k", "an_outage")
    assert [name for name in report["by_name"] if name.startswith("an_outage")] == ["an_outage[valkey]"]
    outage = report["by_name"]["an_outage[valkey]"]
    assert outage["outcome"] == "passed", outage
    assert outage["notes"] == ["BackendUnavailable"]
    assert {"what": "1 check on memory", "reason": "has no server that could be killed"} in report["not_run"]
