"""Mistakes of programming in a driver: told in words, with what is likely the cause, and the run goes on to its end."""

import re
from typing import Any
from xml.etree import ElementTree

import pytest

BACKEND = 'BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Bad])]'


def failure_of(folder: Any, body: str, more: str = "") -> dict[str, Any]:
    folder.backends(f"{more}\nclass Bad(Dict):\n{body}\n{BACKEND}")
    folder.checks()
    result = folder.run("--prism-backend=mine", "test_checks.py", "-k", "set_is_read")
    assert result.ret == 1
    (found,) = folder.report()["results"]
    assert found["outcome"] == "failed"
    told: dict[str, Any] = found["failure"]
    assert told["message"].split(":")[0] in result.stdout.str().replace("\n  ", " ")
    return told


@pytest.mark.parametrize(
    ("get", "hint"),
    [
        ("return super().get(key)", "get returned a coroutine that nobody awaited: an `await` is missing in it"),
        ("return str(await super().get(key))", "get returned a str; the contract says bytes or None"),
        ("return await super().exists(key)", "get returned a bool; the contract says bytes or None"),
    ],
)
def test_an_answer_of_a_type_that_nobody_expects_is_pointed_at(folder: Any, get: str, hint: str) -> None:
    assert failure_of(folder, f"    async def get(self, key): {get}")["hint"] == hint


def test_a_librarys_own_error_is_pointed_at(folder: Any) -> None:
    told = failure_of(folder, "    async def get(self, key): raise Refused('no')", "class Refused(Exception): pass")
    assert told["message"] == "get('a') raised Refused: no"
    assert "it raises one of prism_testkit.interfaces.errors" in told["hint"]


LAPSING = """
    def __init__(self, client, namespace):
        super().__init__(client, namespace)
        self.until = {{}}
    async def set(self, key, value):  # not by time.time()
        await super().set(key, value)
        self.until[key] = {now} + 5000
    async def get(self, key):
        return await super().get(key) if {now} < self.until.get(key, 0) else None
"""
LAPSES = """
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic

@prism.check("keyvalue_basic.1")
async def it_lapses(kv: KeyValueBasic, case: prism.Case) -> None:
    await kv.set("a", b"1")
    await case.clock.sleep(10_000)
    assert await kv.get("a") is None
"""


@pytest.mark.parametrize(
    "now", ["time.monotonic()", "monotonic()", "datetime.now().timestamp()", "asyncio.get_running_loop().time()"]
)
def test_a_driver_that_asks_the_system_for_the_time_is_told_which_to_ask(folder: Any, now: str) -> None:
    more = "import asyncio, time\nfrom datetime import datetime\nfrom time import monotonic"
    folder.backends(f"{more}\nclass Bad(Dict):\n{LAPSING.format(now=now)}\n{BACKEND}")
    folder.checks(LAPSES if "loop" not in now else LAPSES.replace("is None", "== b'2'"))
    assert folder.run("--prism-backend=mine", "test_checks.py").ret == pytest.ExitCode.TESTS_FAILED
    hint = folder.report()["results"][0]["failure"]["hint"]
    if "loop" in now:
        assert hint == ""
    else:
        asked = now.removesuffix(".timestamp()").removesuffix("()")
        assert re.fullmatch(
            rf"time is virtual here, and {asked} \(conftest.py:\d+\) asks the operating system: ask `place.*`", hint
        )


@pytest.mark.parametrize("method", ["__init__", "open", "close"])
def test_what_goes_wrong_before_or_after_a_check_breaks_no_promise(folder: Any, method: str) -> None:
    how = "def" if method == "__init__" else "async def"
    told = failure_of(folder, f"    {how} {method}(self, *arguments): raise OSError('no room')")
    assert told["promise"] == ""
    assert told["message"].startswith("Bad")
    assert told["message"].endswith("raised OSError: no room")


@pytest.mark.parametrize("kind", ["SystemExit", "GeneratorExit"])
def test_what_would_end_the_process_is_a_failure_like_any_other(folder: Any, kind: str) -> None:
    told = failure_of(folder, f"    async def get(self, key): raise {kind}")
    assert told["message"] == f"get('a') raised {kind}"
    assert told["hint"] == f"{kind} is no answer to a caller: let no call of a driver raise it"


def test_an_error_that_cannot_be_told_is_told_all_the_same(folder: Any) -> None:
    odd = "class Odd(Exception):\n    def __str__(self): raise ValueError\n    __repr__ = __str__\n"
    told = failure_of(folder, "    async def get(self, key): raise Odd", odd)
    assert told["message"] == "get('a') raised Odd: <its str raised ValueError>"


def test_an_error_of_a_million_characters_is_cut(folder: Any) -> None:
    told = failure_of(folder, "    async def get(self, key): raise OSError('x' * 1_000_000)")
    assert len(told["message"]) < 5000


def test_a_call_that_blocks_is_told_with_the_line_where_it_does(folder: Any) -> None:
    folder.ini("prism_hang_s = 2\n")
    told = failure_of(folder, "    async def get(self, key):\n        time.sleep(1000)")
    assert told["message"] == "get('a') did not return within 2 s of real time"
    assert "time.sleep(1000)" in told["traceback"]


@pytest.mark.parametrize("where", ["", "true"])
@pytest.mark.parametrize("workers", [[], ["-n", "1"]])
def test_a_failure_is_told_once_and_listed_in_one_line(
    folder: Any, monkeypatch: pytest.MonkeyPatch, where: str, workers: list[str]
) -> None:
    monkeypatch.setenv("CI", where)  # where pytest lists messages whole
    monkeypatch.setenv("COLUMNS", "300")
    folder.backends(f"class Bad(Dict):\n    async def get(self, key): return 1 + None\n{BACKEND}")
    folder.checks()
    result = folder.run("--prism-backend=mine", "test_checks.py", "-k", "set_is_read", "--junit-xml=junit.xml", *workers)
    said = "mine breaks keyvalue_basic.1: get('a') raised TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'"
    listed = [line for line in result.outlines if line.startswith("FAILED")]
    assert listed == [f"FAILED test_checks.py::what_is_set_is_read[mine] - {said}"]
    assert sum("Repeat exactly this case:" in line for line in result.outlines) == 1
    (failure,) = ElementTree.parse(folder.path / "junit.xml").iter("failure")
    assert failure.get("message") == said
    assert "Repeat exactly this case:" in str(failure.text)
    short = folder.run("--prism-backend=mine", "test_checks.py", "-k", "set_is_read", "--tb=line", *workers).outlines
    (line,) = [line for line in short if line.endswith(said) and not line.startswith("FAILED")]
    assert re.fullmatch(rf"test_checks\.py:\d+: {re.escape(said)}", line)


@pytest.mark.parametrize(("verbosity", "whole"), [("", 1), ("-v", 2)])
def test_of_failures_of_one_cause_the_first_is_told_whole(folder: Any, verbosity: str, whole: int) -> None:
    folder.backends(f"class Bad(Dict):\n    async def get(self, key): return 1 + None\n{BACKEND}")
    folder.checks()
    result = folder.run("--prism-backend=mine", "test_checks.py", *filter(None, [verbosity]))
    assert result.ret == 1
    lines = result.outlines
    assert sum("Repeat exactly this case:" in line for line in lines) == whole
    assert any(line.startswith("where to begin: 2 failures of 1 cause, it seems") for line in lines)
    commands = {line.strip() for line in lines if line.strip().startswith("pytest --prism-replay=")}
    assert len(commands) == 2


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_the_last_screen_says_where_to_begin_below_pytests_list_of_all_failures(folder: Any, workers: tuple[str, ...]) -> None:
    folder.backends(f"class Bad(Dict):\n    async def get(self, key): return 1 + None\n{BACKEND}")
    folder.checks()
    lines = folder.run("--prism-backend=mine", "test_checks.py", *workers).outlines
    begin = next(number for number, line in enumerate(lines) if line.startswith("where to begin: 2 failures"))
    assert max(number for number, line in enumerate(lines) if line.startswith("FAILED ")) < begin


@pytest.mark.parametrize(("workers", "code", "left"), [((), 1, "1 check"), (("-n1", "--maxschedchunk=1"), 2, "* check*")])
def test_a_run_that_ends_at_the_first_failure_as_it_was_told_leaves_nothing_unfinished(
    folder: Any, workers: tuple[str, ...], code: int, left: str
) -> None:
    folder.backends(f"class Bad(Dict):\n    async def get(self, key): return 1 + None\n{BACKEND}")
    check = "@prism.check('keyvalue_basic.1')\nasync def number_{0}(kv: KeyValueBasic) -> None:\n    await kv.get('a')\n\n"
    number = 8 if workers else 2
    head = "import prism_testkit as prism\nfrom prism_testkit.interfaces import *\n"
    folder.checks(head + "".join(map(check.format, range(number))))
    result = folder.run("--prism-backend=mine", "test_checks.py", "-x", *workers)
    assert result.ret == code
    result.stdout.fnmatch_lines([f"stopped by -x: {left} did not run"])
    assert "unfinished (" not in result.stdout.str()
    assert folder.report()["unfinished"]


def test_of_a_driver_that_always_hangs_not_every_check_is_waited_for(folder: Any) -> None:
    folder.backends(f"class Bad(Dict):\n    async def get(self, key):\n        while True: await asyncio.sleep(0)\n{BACKEND}")
    check = '''
@prism.check("keyvalue_basic.1")
async def number_{0}(kv: KeyValueBasic) -> None:
    """What is set is read."""
    await kv.get("a")
'''
    folder.checks("import prism_testkit as prism\nfrom prism_testkit.interfaces import *\n" + "".join(map(check.format, range(22))))
    (folder.path / "soon.py").write_text("from prism_testkit.schedules import VirtualLoop\nVirtualLoop.step_limit = 2000\n")
    assert folder.run("--prism-backend=mine", "-p", "soon", "test_checks.py").ret == 1
    results = folder.report()["results"]
    assert [r["outcome"] for r in results] == ["failed"] * 20 + ["unavailable"] * 2
    assert results[-1]["reason"] == "20 checks hung on Bad of mine; the others are not run: mend that first"
    assert "no end after 2000 steps" in results[0]["failure"]["message"]
    assert "no end after 200 steps" in results[3]["failure"]["message"]


def test_a_generator_in_place_of_an_async_one_is_refused_at_once(folder: Any) -> None:
    scan = "    def scan(self, prefix='', limit=None):\n        yield\n"
    rest = "    async def scan_keys(self, prefix='', limit=None):\n        yield\n    async def count(self, prefix=''): return 0\n"
    folder.backends(f"class Bad(Dict, KeyValueScan):\n{scan}{rest}\n{BACKEND}")
    folder.checks()
    assert folder.run("--prism-backend=mine", "test_checks.py").ret == 1
    (problem,) = [p for p in folder.report()["problems"] if "refused" in p]
    assert "Bad.scan: expected an async generator" in problem
    assert "found a generator (def with yield)" in problem


def test_what_goes_wrong_where_a_check_opens_a_client_is_of_its_promise(folder: Any) -> None:
    opening = "    async def open(self):\n        if self.data: raise OSError('no room')\n"
    folder.backends(f"class Bad(Dict):\n{opening}\n{BACKEND}")
    folder.checks(
        """
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.8")
async def a_second_client_is_let_in(kv: KeyValueBasic, case: prism.Case) -> None:
    await kv.set("a", b"x")
    await case.client()
"""
    )
    assert folder.run("--prism-backend=mine", "test_checks.py").ret == 1
    (found,) = folder.report()["results"]
    assert found["failure"]["promise"] == "keyvalue_basic.8"
    assert found["failure"]["message"] == "Bad.open(), which the harness called, raised OSError: no room"


SIZES = """
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic

@prism.check("keyvalue_basic.1")
@prism.gauntlet(lambda limits: [{"size": size, "times": times} for size in (1, 2, 5000) for times in (1, 2)])
async def sizes(kv: KeyValueBasic, case: prism.Case, size: int, times: int) -> None:
    if (size, times) == (2, 1):
        case.inconclusive("not looked at")
    for _ in range(times):
        await kv.set("a", b"x" * size)
    assert await kv.get("a") == b"x" * size
"""


def test_it_is_told_with_which_other_data_the_check_passed(folder: Any) -> None:
    folder.backends(f"class Bad(Dict):\n    async def get(self, key): return (await super().get(key))[:99]\n{BACKEND}")
    folder.checks(SIZES)
    result = folder.run("--prism-backend=mine", "test_checks.py")
    assert folder.report()["results"][0]["failure"]["passes_with"] == {"size": ["1"]}
    result.stdout.fnmatch_lines(["     size = 5000   (passes with 1)", "     times = 1"])
