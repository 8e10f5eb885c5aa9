"""A known failure is data: it shows as its own mark while it is one, and fails the run when it is none any more."""

import json
from pathlib import Path
from typing import Any

import pytest

BACKEND = """
BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[{driver}], waivers=[{waivers}])]
"""
FORGETS = """
class Forgets(Dict):
    async def set(self, key, value):
        if not value:
            await super().set(key, value)

"""
WAIVER = 'prism.Waiver(promise="{promise}", kind="todo", reason="values are lost", witness="{witness}", link="issue 7"{more})'


def _waiver(witness: str = "kept.json", promise: str = "keyvalue_basic.1", more: str = "") -> str:
    return WAIVER.format(promise=promise, witness=witness, more=more)


def _write(folder: Any, driver: str, *waivers: str, setup: str = FORGETS) -> None:
    folder.backends(setup + BACKEND.format(driver=driver, waivers=", ".join(waivers)))


@pytest.fixture
def kept(folder: Any) -> Any:
    """A project whose backend forgets, with a witness of `what_is_set_is_read` that was kept."""
    folder.checks()
    _keep(folder.path / "kept.json", "test_checks.py::what_is_set_is_read", {})
    return folder


def _keep(path: Path, check: str, arguments: dict[str, Any], **changes: Any) -> None:
    """Write the witness as a failing run would have."""
    body = {
        "format": "prism-testkit-witness",
        "version": 1,
        "check": check,
        "binding": "mine",
        "backends": ["mine"],
        "promise": "keyvalue_basic.1",
        "seed": 1,
        "arguments": arguments,
    }
    path.write_text(json.dumps(body | changes))


def _run(folder: Any, *args: str) -> Any:
    return folder.run("--prism-backend=mine", *args, "test_checks.py")


def test_a_known_failure_and_others_of_the_same_promise_are_waived(kept: Any) -> None:
    _write(kept, "Forgets", _waiver())
    for extra in ((), ("-n2",)):
        result = _run(kept, *extra)
        assert result.ret == 0
        result.assert_outcomes(xfailed=2)
        result.stdout.fnmatch_lines(["mine*w 2", "waived (2)", "*keyvalue_basic.1 todo: values are lost (issue 7)"])
        waived = {r["check"]: r for r in kept.report()["results"]}
        assert {r["outcome"] for r in waived.values()} == {"waived"}
        assert {(r["waived_for"], r["witness"]) for r in waived.values()} == {("mine", "kept.json")}
        assert waived["what_is_set_is_read"]["cases"] == 1, "the pinned case and nothing else"
        assert waived["what_is_generated_is_read"]["failure"]["promise"] == "keyvalue_basic.1"
    # Replayed by hand, it is a failure like any other.
    assert kept.run("--prism-replay=kept.json").ret == 1


def test_a_waiver_of_what_is_mended_fails_the_run_and_says_remove(kept: Any) -> None:
    _write(kept, "Dict", _waiver())
    result = _run(kept)
    assert result.ret == 1
    assert kept.outcomes() == {"what_is_set_is_read[mine]": "failed", "what_is_generated_is_read[mine]": "passed"}
    result.stdout.fnmatch_lines(
        [
            "mine: what_is_set_is_read: failed",
            "  the waiver for keyvalue_basic.1 is stale: its witness kept.json*",
        ]
    )
    assert "breaks" not in result.stdout.str(), "no promise is broken"
    # Deselected, nobody judges it.
    assert _run(kept, "-k", "generated").ret == 0


def test_a_failure_of_another_promise_is_no_known_one(kept: Any) -> None:
    loses = """
class Loses(Dict):
    async def delete(self, key):
        return False

"""
    _keep(kept.path / "kept.json", "test_checks.py::what_is_generated_is_read", {"key": "a", "value": {"$bytes": "eA=="}})
    _write(kept, "Loses", _waiver(), setup=loses)
    assert _run(kept).ret == 1
    failed = next(r for r in kept.report()["results"] if r["outcome"] == "failed")
    assert (failed["check"], failed["failure"]["promise"]) == ("what_is_generated_is_read", "keyvalue_basic.4")


def test_two_waivers_of_one_check_are_both_judged(kept: Any) -> None:
    (kept.path / "kept.json").rename(kept.path / "first.json")
    _keep(kept.path / "second.json", "test_checks.py::what_is_set_is_read", {}, promise="keyvalue_basic.4")
    _write(kept, "Forgets", _waiver("first.json"), _waiver("second.json", promise="keyvalue_basic.4"))
    assert _run(kept, "-k", "what_is_set").ret == 1
    (result,) = kept.report()["results"]
    assert (result["outcome"], result["failure"]["promise"]) == ("failed", "keyvalue_basic.1")


def test_a_race_that_does_not_happen_within_its_tries_is_inconclusive(kept: Any) -> None:
    races = """
calls = []
class Races(Dict):
    async def get(self, key):
        calls.append(key)
        return b"" if len(calls) == {number} else await super().get(key)

"""
    for number, outcome in ((3, "waived"), (4, "inconclusive")):
        _write(kept, "Races", _waiver(more=", tries=3"), setup=races.format(number=number))
        assert _run(kept, "-k", "what_is_set").ret == 0
        (result,) = kept.report()["results"]
        assert (result["outcome"], result["cases"]) == (outcome, 3)
    assert result["reason"] == "waived for keyvalue_basic.1, but its witness did not fail within 3 tries"
    assert _run(kept, "-k", "what_is_set", "--prism-strict").ret == 1


def test_a_waiver_that_cannot_be_judged_is_a_problem(kept: Any) -> None:
    """Each of its own kind: the file is missing, its data are of another check, the check is gone."""
    _keep(kept.path / "data.json", "test_checks.py::what_is_set_is_read", {"key": "a"})
    _keep(kept.path / "gone.json", "test_checks.py::there_was_one", {})
    _write(kept, "Dict", _waiver("missing.json"), _waiver("data.json"), _waiver("gone.json"))
    for extra in ((), ("-n2",)):
        assert _run(kept, *extra).ret == 1
        report = kept.report()
        missing, gone = sorted(report["problems"], key=lambda text: "missing.json" not in text)
        assert missing.startswith("backend 'mine': the witness of the waiver for keyvalue_basic.1 cannot be used: ")
        assert missing.endswith("missing.json: No such file or directory")
        assert "there is no such check any more; remove the waiver" in gone
        assert "gone.json is of test_checks.py::there_was_one" in gone
        broken = next(r for r in report["results"] if r["check"] == "what_is_set_is_read")
        assert broken["outcome"] == "error"
        assert "it holds key, and the check now takes no data" in broken["reason"]
    # Nobody asks for the waivers of a backend that is not selected.
    assert kept.run("--prism-backend=memory", "test_checks.py").ret == 0


def test_a_waiver_for_what_is_not_claimed_or_not_promised_is_refused(kept: Any) -> None:
    _write(kept, "Dict", _waiver(promise="keyvalue_cas.1"), _waiver(promise="keyvalue_basic.99"))
    result = _run(kept)
    assert result.ret == 1
    (backend,) = kept.report()["backends"]
    assert backend["status"] == "refused"
    assert "'keyvalue_cas.1' is waived, but keyvalue_cas is not claimed" in backend["reason"]
    assert "'keyvalue_basic.99' is no promise of keyvalue_basic" in backend["reason"]
