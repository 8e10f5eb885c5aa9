"""What a check can do to a server of its own: put a proxy before it, pause it; and nothing of that is left, however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from prism_testkit.servers import records
from prism_testkit.servers.processes import identify

CHECKS = '''
import asyncio
import os
from pathlib import Path
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic
from prism_testkit.servers import records


@prism.check("keyvalue_basic.13", needs_server=True)
async def some_are_proxied(kv: KeyValueBasic, case: prism.Case) -> None:
    """Two clients through the proxy, one past it, all in one namespace."""
    async with case.private_server() as private:
        other = await private.client()
        try:
            private.proxy
        except TypeError as error:
            case.note(str(error))
        one, two = await private.client(proxied=True), await private.client(proxied=True)
        await other.set("a", b"1")
        before = private.proxy.counts
        assert (before.requests, before.connections) == (0, 0)
        assert await one.get("a") == await two.get("a") == b"1"
        requests = private.proxy.counts.requests
        assert requests > 1
        await other.get("a")
        assert private.proxy.counts.requests == requests
        await private.proxy.lose_answer()
        try:
            await one.set("a", b"2")
        except prism.interfaces.BackendUnavailable:
            case.note("lost")
        assert private.proxy.counts.lost_answers == 1
        assert await other.get("a") == b"2"


@prism.check("keyvalue_basic.13", needs_server=True)
async def fails_while_paused(kv: KeyValueBasic, case: prism.Case) -> None:
    """The story tells what happened to the server."""
    async with case.private_server() as private:
        one = await private.client(proxied=True)
        await one.set("a", b"1")
        await private.proxy.drop("down", after=3)
        assert private.pausable and await private.pause()
        raise prism.Violation.of("keyvalue_basic.13", "it is paused")


@prism.check("keyvalue_basic.13", needs_server=True)
async def hangs_while_paused(kv: KeyValueBasic, case: prism.Case) -> None:
    """Waits for a server that is paused, until somebody ends it."""
    async with case.private_server() as private:
        one = await private.client()
        await one.set("a", b"1")
        assert await private.pause()
        draft = Path("draft")
        draft.write_text(str(private._server.pid))
        draft.rename("reached")
        await one.get("a")
'''

REGISTRATION = """
from dataclasses import replace
import prism_testkit as prism
from prism_backends.valkey import valkey

@prism.hookimpl
def prism_register_backends(registry):
    registry.add(replace(valkey, name="slow", server=replace(valkey.server)))
"""


def run(pytester: pytest.Pytester, *arguments: str) -> dict[str, Any]:
    pytester.makeconftest(REGISTRATION)
    (pytester.path / "test_checks.py").write_text(CHECKS)
    pytester.runpytest_subprocess(
        "-p", "no:randomly", "-p", "no:asyncio", "--prism-json=report.json", "--prism-backend=slow", "test_checks.py", *arguments
    )
    report: dict[str, Any] = json.loads((pytester.path / "report.json").read_text())
    assert records(pytester.path / ".prism") == []
    return {result["check"]: result for result in report["results"]}


def test_clients_are_led_through_the_proxy_or_past_it(pytester: pytest.Pytester) -> None:
    found = run(pytester, "-k", "proxied")["some_are_proxied"]
    assert found["outcome"] == "passed", found
    assert found["notes"] == ["no client is proxied: there is a proxy from the first `client(proxied=True)` on", "lost"]


def test_the_story_tells_of_the_faults_and_a_paused_server_is_ended_after_a_failure(pytester: pytest.Pytester) -> None:
    found = run(pytester, "-k", "fails")["fails_while_paused"]
    assert found["failure"]["promise"] == "keyvalue_basic.13"
    steps = " ".join(found["failure"]["steps"])
    assert "harness: proxy.drop('down', after=3)" in steps
    assert "harness: pause_server()" in steps


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere no server dies with the process that started it")
def test_a_run_that_is_ended_leaves_no_paused_server(pytester: pytest.Pytester, number: int) -> None:
    pytester.makeconftest(REGISTRATION)
    (pytester.path / "test_checks.py").write_text(CHECKS)
    argv = [sys.executable, "-m", "pytest", "-p", "no:randomly", "-p", "no:asyncio", "--prism-backend=slow", "-k", "hangs"]
    with subprocess.Popen([*argv, "test_checks.py"], cwd=pytester.path, stdout=subprocess.DEVNULL) as process:
        reached = Path(pytester.path / "reached")
        wait_for(lambda: reached.exists() or process.poll() is not None)
        server = int(reached.read_text())
        assert identify(server) is not None
        os.kill(process.pid, number)
        process.wait(300)
    wait_for(lambda: identify(server) is None)
    if number == signal.SIGINT:
        assert records(pytester.path / ".prism") == []


def wait_for(condition: Any) -> None:
    """Wait; the test's own deadline is the bound."""
    while not condition():
        time.sleep(0.02)
