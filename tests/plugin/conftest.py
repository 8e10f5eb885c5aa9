"""Small backends and checks, as text, for runs of pytest in a folder of their own."""

import json
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

sys.path.append(str(Path(__file__).parents[1] / "reports"))  # for its terminal

SCHEMA = jsonschema.Draft202012Validator(
    json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
)

HEADER = """
import asyncio, time
from contextlib import asynccontextmanager
import prism_testkit as prism
from prism_testkit.interfaces import *

class Dict(KeyValueBasic):
    def __init__(self, client, namespace):
        self.data = client.setdefault(namespace, {})
    async def set(self, key, value):
        prism.check_name(key, "set", "mine")
        self.data[key] = prism.check_payload(value, "set", "mine", key)
    async def get(self, key):
        prism.check_name(key, "get", "mine")
        return self.data.get(key)
    async def delete(self, key):
        prism.check_name(key, "delete", "mine")
        return self.data.pop(key, None) is not None
    async def exists(self, key):
        prism.check_name(key, "exists", "mine")
        return key in self.data

@asynccontextmanager
async def connect(place):
    yield place.shared

async def clean(client, prefix):
    for namespace in [n for n in client if n.startswith(prefix)]:
        del client[namespace]
"""

HOOK = """
@prism.hookimpl
def prism_register_backends(registry):
    for backend in BACKENDS:
        registry.add(backend)
"""

CHECKS = '''
from hypothesis import given
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
async def what_is_set_is_read(kv: KeyValueBasic) -> None:
    """What is set is read."""
    await kv.set("a", b"x")
    assert await kv.get("a") == b"x"

@prism.check("keyvalue_basic.1", "keyvalue_basic.4")
@given(key=prism.names(), value=prism.payloads())
async def what_is_generated_is_read(kv: KeyValueBasic, case: prism.Case, key: str, value: bytes) -> None:
    """Whatever is set is read."""
    await kv.set(key, value)
    assert await kv.get(key) == value
    with case.law("keyvalue_basic.4"):
        assert await kv.delete(key)
'''


class Folder:
    """A user's project: a conftest with backends, a module with checks, and pytest run there as a process."""

    header = HEADER

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester = pytester
        self.path: Path = pytester.path

    def backends(self, text: str, hook: str = HOOK) -> None:
        """Write the conftest; ``text`` defines BACKENDS."""
        self.pytester.makeconftest(HEADER + text + hook)

    def checks(self, text: str = CHECKS) -> None:
        (self.path / "test_checks.py").write_text(text)

    def ini(self, text: str) -> None:
        (self.path / "pytest.ini").write_text("[pytest]\n" + text)

    def run(self, *args: str) -> pytest.RunResult:
        """Run pytest without the plugins that only add noise; a report is always written."""
        return self.pytester.runpytest_subprocess("-p", "no:randomly", "-p", "no:asyncio", "--prism-json=report.json", *args)

    def report(self) -> dict[str, Any]:
        """Return the JSON report, which every run leaves valid against the published schema."""
        found: dict[str, Any] = json.loads((self.path / "report.json").read_text(encoding="utf-8"))
        SCHEMA.validate(found)
        return found

    def outcomes(self) -> dict[str, str]:
        """Return {check[binding]: outcome}."""
        return {f"{r['check']}[{r['binding']}]": r["outcome"] for r in self.report()["results"]}


@pytest.fixture
def folder(pytester: pytest.Pytester) -> Folder:
    return Folder(pytester)


@pytest.fixture
def good(folder: Folder) -> Folder:
    """A project with one right backend and two checks."""
    folder.backends('BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Dict])]')
    folder.checks()
    return folder
