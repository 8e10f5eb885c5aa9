"""What a run says of checks that showed less than they seem to: no overlap, fewer checks, cases or kinds of calls than recorded."""

from pathlib import Path
from typing import Any

from prism_testkit.floors import Judged, dump, judge, record
from prism_testkit.results import Report

ONE_AFTER_ANOTHER = '''
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
async def calls_at_once(kv: KeyValueBasic, case: prism.Case) -> None:
    """Calls at once take turns."""
    case.overlap()
    await kv.set("a", b"x")
    assert await kv.get("a") == b"x"
'''


def test_a_check_that_asks_for_overlap_and_has_none_is_inconclusive(good: Any) -> None:
    good.checks(ONE_AFTER_ANOTHER)
    good.run("--prism-backend=mine", "test_checks.py")
    (result,) = good.report()["results"]
    assert (result["outcome"], result["reason"]) == ("inconclusive", "nothing overlapped in 1 cases that ask for it")
    assert good.run("--prism-backend=mine", "--prism-strict", "test_checks.py").ret == 1


def test_the_table_is_in_the_report_and_told_in_the_terminal(good: Any) -> None:
    good.run("--prism-backend=mine", "-n2", "test_checks.py")
    (table,) = good.report()["coverage"]
    assert (table["who"], table["interface"]) == ("mine", "keyvalue_basic")
    assert table["cells"]["set(value: short), first"] > 1
    assert "coverage: " in good.run("--prism-backend=mine", "test_checks.py").stdout.str()


SUITE = """
from hypothesis import given
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
@prism.gauntlet(lambda limits: [{"value": bytes(n)} for n in (0, 1, 2, 9, 100, 1000)])
@given(value=prism.payloads())
async def what_is_set_is_read(kv: KeyValueBasic, value: bytes) -> None:
    \"\"\"What is set is read.\"\"\"
    await kv.set("a", value)
    assert await kv.get("a") == value
"""
SECOND = """
@prism.check("keyvalue_basic.4")
async def what_is_deleted_is_gone(kv: KeyValueBasic) -> None:
    \"\"\"What is deleted is gone.\"\"\"
    await kv.set("a", b"x")
    assert await kv.delete("a") and not await kv.exists("a")
    for key in ("\\u00e9", "a" * 200):
        assert not await kv.delete(key) and not await kv.exists(key)
"""
NOTHING = SECOND.replace("    assert await kv.delete", "    return\n    assert await kv.delete")
BACKENDS = """
@prism.hookimpl
def prism_register_suites(registry):
    registry.add(prism.Suite(package="mysuites"))

BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Dict])]
"""


def recorded(folder: Any) -> Path:
    """Write a package of suites, run it, and record its floors."""
    package = Path(folder.path) / "mysuites"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "keyvalue_mine.py").write_text(SUITE + SECOND)
    folder.backends(BACKENDS)
    folder.ini("pythonpath = .\n")
    assert run(folder).ret == 0
    origins = {"mine": str(Path(folder.path) / "conftest.py")}
    (package / "floors.json").write_text(dump(record([(folder.report(), origins)] * 4)))
    return package


def run(folder: Any, *args: str) -> Any:
    return folder.run("--prism-backend=mine", "--prism-suite=keyvalue_mine", *args)


def whole(folder: Any, *args: str) -> Any:
    """Run all suites that are registered, the shipped ones included."""
    return folder.run("--prism-backend=mine", *args)


def falls(folder: Any) -> list[str]:
    return [problem for problem in folder.report()["problems"] if problem.startswith("coverage fell")]


def test_a_run_that_comes_to_what_was_recorded_passes(folder: Any) -> None:
    recorded(folder)
    assert run(folder, "--prism-seed=7").ret == 0
    assert falls(folder) == []


def test_what_every_run_reached_by_luck_is_not_known(folder: Any) -> None:
    recorded(folder)
    reports = []
    for calls in ((1, 5, 1), (2, 4, 1), (1, 3, 1), (1, 9, 1)):
        report = folder.report()
        (table,) = report["coverage"]
        table["cells"] = dict(zip(("rare", "common", "fixed"), calls, strict=True))
        reports.append((report, {"mine": "here"}))
    assert record(reports).known == {"mine": {"keyvalue_basic": ["common", "fixed"]}}
    assert record(reports[:2]).known == {"mine": {"keyvalue_basic": ["common"]}}, "of two runs nobody knows what is fixed"


def test_fewer_cases_than_recorded_fail_the_run(folder: Any) -> None:
    package = recorded(folder)
    (package / "keyvalue_mine.py").write_text(SUITE.replace("(0, 1, 2, 9, 100, 1000)", "(1,)") + SECOND)
    assert run(folder).ret == 1
    assert falls(folder) == ["coverage fell: keyvalue_mine on mine: 27 cases, under the floor of 28"]
    assert run(folder, "-n2").ret == 1
    assert falls(folder)
    assert run(folder, "-k", "what").ret == 0, "-k may leave out some bindings of each check, which nothing here can tell"


def test_a_check_that_is_gone_fails_a_whole_run_and_a_choice_does_not(folder: Any) -> None:
    package = recorded(folder)
    (package / "keyvalue_mine.py").write_text(SUITE)
    assert run(folder).ret == 0, "--prism-suite is a choice"
    assert whole(folder).ret == 1
    assert falls(folder) == ["coverage fell: keyvalue_mine on mine: 1 checks ran, under the floor of 2"]
    assert whole(folder, "-k", "what_is_set_is_read").ret == 0


def test_a_known_cell_that_is_not_reached_is_told_and_many_fail_the_run(folder: Any) -> None:
    package = recorded(folder)
    (package / "keyvalue_mine.py").write_text(SUITE + NOTHING)
    assert run(folder).ret == 1
    (fall,) = falls(folder)
    assert "kinds of calls, under the floor of" in fall
    (table,) = folder.report()["coverage"]
    assert "delete(key: short), alone" in table["missing"]
    assert "keyvalue_basic on mine: not delete(key: short), alone" in run(folder, "-v").stdout.str()


def test_what_fails_or_was_chosen_by_case_is_not_held_against_a_floor(folder: Any) -> None:
    package = recorded(folder)
    (package / "keyvalue_mine.py").write_text(SUITE.replace("== value", "== value + b'x'") + SECOND)
    assert run(folder).ret == 1
    assert falls(folder) == []
    witness = folder.report()["results"][0]["failure"]["witness"]
    folder.run(f"--prism-replay={witness}")
    assert falls(folder) == []


def test_a_backend_that_was_not_recorded_is_told_what_it_did_not_reach_and_does_not_fail(folder: Any) -> None:
    package = recorded(folder)
    floors = record([(folder.report(), {})] * 4)
    for named in (*floors.levels.values(), floors.known):
        named["memory"] = named.pop("mine")  # type: ignore[attr-defined]

    def judged(suite: str, ordinary: set[str]) -> Judged:
        (package / "keyvalue_mine.py").write_text(suite)
        assert run(folder).ret in (0, 1)
        report = Report.model_validate(folder.report())
        reached = {table.who: {table.interface: table.cells} for table in report.coverage}
        return judge(report, reached, floors, origins={"mine": "elsewhere"}, ordinary=ordinary, whole=True)

    less = judged(SUITE + NOTHING, {"mine"})
    assert less.falls == []
    assert "delete(key: short), alone" in less.missing["mine", "keyvalue_basic"]
    assert judged(SUITE, {"mine"}) == Judged(), "it may claim less"
    assert judged(SUITE + NOTHING, set()) == Judged(), "its limits leave less to be tried"


def test_floors_that_cannot_be_read_are_named(folder: Any) -> None:
    package = recorded(folder)
    (package / "floors.json").write_text("{")
    assert run(folder).ret == 1
    (problem,) = falls(folder)
    assert "mysuites/floors.json" in problem
