"""Selection, ids, exit codes: pytest run in a project of its own."""

from typing import Any

import pytest

ID = "prism_suites/interfaces/keyvalue_basic.py"


def test_a_path_runs_the_projects_own_checks(good: Any) -> None:
    result = good.run("--prism-backend=mine", "test_checks.py")
    assert result.ret == 0
    assert good.outcomes() == {"what_is_set_is_read[mine]": "passed", "what_is_generated_is_read[mine]": "passed"}
    assert good.report()["complete"] is True


def test_without_an_option_checks_run_on_the_embedded_backends(good: Any) -> None:
    result = good.run("test_checks.py", "-k", "what_is_set")
    assert result.ret == 0
    assert set(good.outcomes()) == {f"what_is_set_is_read[{name}]" for name in ("memory", "mine", "sqlite")}


def test_without_an_option_no_shipped_suite_runs(good: Any) -> None:
    (good.path / "test_other.py").write_text("def test_plain(): pass\n")
    (good.path / "test_checks.py").unlink()
    result = good.pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*prism_suites*")


def test_an_option_without_a_path_runs_the_shipped_suites_and_nothing_else(good: Any) -> None:
    good.ini("python_files = nothing_*.py\npython_functions = never\n")
    result = good.run("--prism-backend=mine", "--collect-only", "-q")
    assert result.ret == 0
    ids = [line for line in result.outlines if "::" in line]
    assert ids
    assert all(line.startswith("prism_suites/") and line.endswith("[mine]") for line in ids)
    assert any(line.startswith(f"{ID}::") for line in ids)


def test_a_folder_of_suites_is_read_once_however_many_there_are(good: Any) -> None:
    counting = """
from collections import Counter
import pytest
made = Counter()

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_pycollect_makemodule(module_path):
    made[module_path] += 1
    return (yield)

def pytest_unconfigure():
    print("most often:", max(made.values()))
"""
    (good.path / "counting.py").write_text(counting)
    result = good.run("--prism-backend=mine", "--collect-only", "-q", "-p", "counting")
    assert "most often: 1" in result.outlines


def test_the_garbage_collector_is_spared_what_an_acceptance_run_collects(good: Any) -> None:
    telling = "import gc\ndef pytest_collection_finish(): print('enabled:', gc.isenabled(), 'frozen:', gc.get_freeze_count() > 0)\n"
    later = "import gc\ndef pytest_unconfigure(): print('enabled:', gc.isenabled(), 'frozen:', gc.get_freeze_count() > 0)\n"
    (good.path / "telling.py").write_text(telling)
    (good.path / "later.py").write_text(later)
    whole = good.run("--prism-backend=mine", "--collect-only", "-q", "-p", "telling", "-p", "later", "-s")
    assert [line for line in whole.outlines if "enabled:" in line] == ["enabled: False frozen: False", "enabled: True frozen: True"]
    own = good.run("--prism-backend=mine", "--collect-only", "-q", "-p", "later", "test_checks.py")
    assert "enabled: True frozen: False" in own.outlines


@pytest.mark.parametrize("spelling", [ID, f"../{ID}", f"../../{ID}"])
def test_an_id_is_accepted_as_an_argument(good: Any, spelling: str) -> None:
    collected = good.run("--prism-backend=mine", "--collect-only", "-q")
    name = next(line for line in collected.outlines if line.startswith(f"{ID}::")).partition("::")[2]
    result = good.run("--prism-backend=mine", f"{spelling}::{name}")
    assert result.ret == 0
    assert [r["id"] for r in good.report()["results"]] == [f"{ID}::{name}"]


def test_an_unknown_backend_is_a_usage_error_with_the_closest_name(good: Any) -> None:
    result = good.run("--prism-backend=mime")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no backend 'mime' (did you mean 'mine'?)*"])


def test_what_is_embedded_is_taken_out_in_one_word(good: Any) -> None:
    whole = good.run("--prism-backend=mine,memory,-embedded", "--collect-only", "-q")
    assert whole.ret == 0, "what is named itself stays"
    nothing = good.run("--prism-backend=embedded,-embedded")
    assert nothing.ret == pytest.ExitCode.USAGE_ERROR
    nothing.stderr.fnmatch_lines(["*nothing is left to run on*"])
    everything = good.run("--prism-backend=-all")
    assert everything.ret == pytest.ExitCode.USAGE_ERROR
    everything.stderr.fnmatch_lines(["*-all takes out every backend*"])


def test_an_unknown_suite_is_a_usage_error_with_the_closest_name(good: Any) -> None:
    result = good.run("--prism-suite=keyvalue_basics")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--prism-suite: nothing matches 'keyvalue_basics' (did you mean 'keyvalue_basic'?)*"])


def test_an_unknown_level_is_a_usage_error(good: Any) -> None:
    assert good.run("--prism-level=most").ret == pytest.ExitCode.USAGE_ERROR


def test_a_wrong_ini_value_is_a_usage_error_that_names_the_key(good: Any) -> None:
    good.ini("prism_level = most\n")
    result = good.run("--prism-backend=mine")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*prism_level: expected one of smoke, standard, thorough, soak, found 'most'*"])


def test_a_selection_without_a_binding_is_a_usage_error(good: Any) -> None:
    for extra in ((), ("-n1",)):
        result = good.run("--prism-backend=mine", "--prism-suite=keyvalue_cas*", *extra)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert "mine does not claim keyvalue_cas" in result.stdout.str() + result.stderr.str()


def test_a_keyword_that_leaves_nothing_is_a_failure(good: Any) -> None:
    result = good.run("--prism-backend=mine", "-k", "no_such_check")
    assert result.ret == 1
    result.stdout.fnmatch_lines(["*nothing was executed*"])


def test_ordinary_selection_keeps_working(good: Any) -> None:
    result = good.run("--prism-backend=mine", "test_checks.py", "-k", "generated")
    assert result.ret == 0
    assert list(good.outcomes()) == ["what_is_generated_is_read[mine]"]


def test_minus_takes_a_backend_out(good: Any) -> None:
    result = good.run("--prism-backend=embedded,-sqlite", "test_checks.py", "-k", "what_is_set")
    assert result.ret == 0
    assert set(good.outcomes()) == {"what_is_set_is_read[memory]", "what_is_set_is_read[mine]"}


def test_smoke_generates_nothing_and_says_so(good: Any) -> None:
    result = good.run("--prism-backend=mine", "--prism-level=smoke", "test_checks.py")
    assert result.ret == 0
    assert list(good.outcomes()) == ["what_is_set_is_read[mine]"]
    assert any("generate" in entry["reason"] for entry in good.report()["not_run"])


def test_two_workers_find_the_same_as_one_process(good: Any) -> None:
    assert good.run("--prism-backend=mine,memory", "--prism-seed=7", "test_checks.py").ret == 0
    alone = good.outcomes()
    assert good.run("--prism-backend=mine,memory", "--prism-seed=7", "-n2", "test_checks.py").ret == 0
    assert good.outcomes() == alone
    assert good.report()["seed"] == 7


def test_without_plugin_autoload(good: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    result = good.pytester.runpytest_subprocess("-p", "prism_testkit.plugin", "--prism-backend=mine", "test_checks.py")
    result.assert_outcomes(passed=2)


@pytest.mark.parametrize(
    "args",
    [
        ("-p", "asyncio", "-o", "asyncio_mode=auto"),
        ("-p", "anyio"),
        ("-p", "randomly"),
        ("-p", "timeout", "--timeout=600"),
        ("-n2",),
    ],
    ids=["asyncio", "anyio", "randomly", "timeout", "xdist"],
)
def test_good_company(good: Any, args: tuple[str, ...]) -> None:
    names = {
        "asyncio": "pytest_asyncio",
        "randomly": "pytest_randomly",
        "timeout": "pytest_timeout",
        "anyio": "anyio.pytest_plugin",
    }
    spelt = [names.get(word, word) if args[i - 1] == "-p" else word for i, word in enumerate(args)]
    others = [part for name in names if name not in args for part in ("-p", f"no:{name}")]
    del spelt[:2]
    if "-n2" in args:
        spelt = ["-n2"]
    result = good.pytester.runpytest_subprocess(*others, *spelt, "--prism-backend=mine", "test_checks.py")
    result.assert_outcomes(passed=2)


def test_the_same_seed_gives_the_same_data_whatever_else_is_imported(good: Any) -> None:
    good.checks(
        """
import json, os
from hypothesis import given
import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic

@prism.check("keyvalue_basic.1")
@given(key=prism.names(), value=prism.payloads())
async def drawn(kv: KeyValueBasic, key: str, value: bytes) -> None:
    with open(os.environ["DRAWN"], "a") as file:
        file.write(ascii((key, value)) + chr(10))
"""
    )
    (good.path / "magic.py").write_text("MAGIC = 'a constant that Hypothesis would pick up'\nBYTES = b'another one'\n")
    seen = []
    for number, extra in enumerate(((), ("-p", "magic"), ("-n1",))):
        drawn = good.path / f"drawn{number}"
        good.pytester._monkeypatch.setenv("DRAWN", str(drawn))
        good.pytester._monkeypatch.setenv("PYTHONPATH", str(good.path))
        assert good.run("--prism-backend=mine", "--prism-seed=3", "test_checks.py", *extra).ret == 0
        seen.append(drawn.read_text())
    assert seen[0].count("\n") >= 25
    assert seen[0] == seen[1] == seen[2]


LEAKY = """
class Leaky(Dict):
    async def get(self, key):
        done = asyncio.get_running_loop().create_future()
        done.cancel()
        await done

BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Leaky])]
"""


def test_a_cancellation_of_the_driver_s_own_that_comes_out_of_a_call_is_a_failure(folder: Any) -> None:
    folder.backends(LEAKY)
    folder.checks()
    assert folder.run("--prism-backend=mine", "test_checks.py").ret == 1
    found = {each["check"]: each for each in folder.report()["results"]}
    assert found["what_is_set_is_read"]["outcome"] == "failed"
    assert "raised CancelledError, and nobody had cancelled it" in found["what_is_set_is_read"]["failure"]["message"]
