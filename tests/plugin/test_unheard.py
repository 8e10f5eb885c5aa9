"""Errors in the background of a driver: counted by what they are, told at the end, and no verdict."""

from typing import Any

import pytest

BACKEND = 'BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Bad])]'
BEHIND = {
    "a task": "        async def work(): 1 / 0\n        asyncio.create_task(work())\n",
    "a callback": "        def work(): 1 / 0\n        asyncio.get_running_loop().call_soon(work)\n",
    "a thread": "        def work(): 1 / 0\n        it = threading.Thread(target=work)\n        it.start()\n        it.join()\n",
}


def bad(folder: Any, behind: str, get: str) -> None:
    body = f"    async def get(self, key):\n{behind}        {get}\n"
    folder.backends(f"import threading\nclass Bad(Dict):\n{body}\n{BACKEND}")
    folder.checks()


@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
@pytest.mark.parametrize("where", BEHIND)
def test_what_fails_in_the_background_is_counted_and_told(folder: Any, where: str, workers: list[str]) -> None:
    bad(folder, BEHIND[where], "return await super().get(key)")
    result = folder.run("--prism-backend=mine", "test_checks.py", "-W", "error", *workers)
    assert result.ret == 0
    found = {r["check"]: r["unheard"] for r in folder.report()["results"]}
    assert {words.partition(" (")[0] for words in found["what_is_set_is_read"]} == {
        f"ZeroDivisionError: division by zero, in {where}"
    }
    assert sum(map(len, found.values())) == 2  # one line of code, however often it is run
    text = result.stdout.str()
    assert "errors that no call told" in text
    assert "first in what_is_set_is_read[mine]" in text
    assert "Traceback" not in text
    assert "Warning" not in text


def test_of_a_check_that_fails_only_the_failure_is_told(folder: Any) -> None:
    bad(folder, BEHIND["a task"], "return 1")
    result = folder.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == 1
    assert [r["unheard"] for r in folder.report()["results"]] == [{}, {}]
    assert "errors that no call told" not in result.stdout.str()


def test_what_a_call_raised_is_told_by_the_call_whoever_made_it(folder: Any) -> None:
    bad(folder, "", "raise OSError")
    check = '''
import asyncio
import prism_testkit as prism
from prism_testkit.interfaces import *
@prism.check("keyvalue_basic.1")
async def a_call_is_left_alone(kv: KeyValueBasic) -> None:
    """What is set is read."""
    asyncio.create_task(kv.get("a"))
    await asyncio.sleep(1)
'''
    folder.checks(check)
    assert folder.run("--prism-backend=mine", "test_checks.py").ret == 0
    assert [r["unheard"] for r in folder.report()["results"]] == [{}]


def test_calls_that_a_failing_check_did_not_come_to_are_no_warning(folder: Any) -> None:
    bad(folder, "", "return 1")
    check = '''
import prism_testkit as prism
from prism_testkit.interfaces import *
@prism.check("keyvalue_basic.1")
async def calls_are_made_beforehand(kv: KeyValueBasic) -> None:
    """What is set is read."""
    for call in [kv.get("a"), kv.get("b")]:
        assert await call is None
'''
    folder.checks(check)
    result = folder.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == 1
    assert "never awaited" not in result.stdout.str() + result.stderr.str()
