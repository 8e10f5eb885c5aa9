"""Wrong backends and wrong registrations: each one a clear result naming who and what, and nothing else in the run is lost."""

import socket
from pathlib import Path
from typing import Any

import pytest

GOOD = 'Good = prism.Backend(name="good", connect=connect, clean=clean, drivers=[Dict])\n'


def _run(folder: Any, *args: str) -> pytest.RunResult:
    folder.checks()
    result: pytest.RunResult = folder.run("--prism-backend=bad,good", *args, "test_checks.py")
    return result


def _good_passed(folder: Any) -> bool:
    found = folder.outcomes()
    return found["what_is_set_is_read[good]"] == found["what_is_generated_is_read[good]"] == "passed"


@pytest.mark.parametrize(
    ("connect", "reason"),
    [
        ("async def bad(place):\n    raise OSError('no route')\n    yield", "connect() raised OSError: no route (conftest.py:"),
        ("async def bad(place):\n    return", "connect() has no yield: it is to yield the client"),
        ("async def bad(place):\n    await asyncio.Event().wait()\n    yield", "connect() raised Deadlock"),
        ("async def bad(place):\n    time.sleep(1000)\n    yield", "connect() did not return within 2 s"),
    ],
    ids=["raises", "yields nothing", "waits for ever", "blocks for ever"],
)
@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "xdist"])
def test_a_backend_that_cannot_be_connected_is_unavailable(
    folder: Any, connect: str, reason: str, workers: tuple[str, ...]
) -> None:
    folder.backends(
        GOOD + "@asynccontextmanager\n" + connect + '\nBACKENDS = [Good, prism.Backend(name="bad", connect=bad, drivers=[Dict])]'
    )
    folder.ini("prism_hang_s = 2\n")
    result = _run(folder, *workers)
    assert result.ret == 1, "it was named explicitly"
    assert _good_passed(folder)
    bad = [r for r in folder.report()["results"] if r["binding"] == "bad"]
    assert {r["outcome"] for r in bad} == {"unavailable"}
    assert all(reason in r["reason"] for r in bad)
    assert reason.split(" (")[0] in " ".join(result.stdout.str().split())
    assert "running after connect() was left" not in result.stdout.str()


def test_a_backend_that_is_not_named_may_be_unavailable(folder: Any) -> None:
    folder.backends(
        GOOD
        + "@asynccontextmanager\nasync def bad(place):\n    raise OSError('no route')\n    yield\n"
        + 'BACKENDS = [Good, prism.Backend(name="bad", connect=bad, drivers=[Dict])]'
    )
    folder.checks()
    assert folder.run("--prism-backend=embedded", "test_checks.py").ret == 0
    assert folder.run("--prism-backend=embedded", "--prism-require=bad", "test_checks.py").ret == 1
    assert folder.run("--prism-backend=embedded", "--prism-strict", "test_checks.py").ret == 1


def test_connect_of_the_wrong_type(folder: Any) -> None:
    folder.backends(GOOD + 'BACKENDS = [Good, prism.Backend(name="bad", connect=lambda place: {}, drivers=[Dict])]')
    result = _run(folder)
    assert result.ret == 1
    assert _good_passed(folder)
    assert "connect() must return an async context manager" in result.stdout.str()


def test_a_call_that_never_returns_is_a_failure_that_names_it(folder: Any) -> None:
    folder.backends(
        GOOD
        + "class Bad(Dict):\n    async def get(self, key):\n        time.sleep(1000)\n"
        + 'BACKENDS = [Good, prism.Backend(name="bad", connect=connect, drivers=[Bad])]'
    )
    folder.ini("prism_hang_s = 2\n")
    result = _run(folder, "-k", "set_is_read")
    assert result.ret == 1
    failure = next(r["failure"] for r in folder.report()["results"] if r["binding"] == "bad")
    assert failure["message"] == "get('a') did not return within 2 s of real time"
    assert folder.outcomes()["what_is_set_is_read[good]"] == "passed"


def test_a_call_that_waits_for_nothing_is_a_failure_at_once(folder: Any) -> None:
    folder.backends(
        GOOD
        + "class Bad(Dict):\n    async def get(self, key):\n        await asyncio.Event().wait()\n"
        + 'BACKENDS = [Good, prism.Backend(name="bad", connect=connect, drivers=[Bad])]'
    )
    assert _run(folder).ret == 1
    failure = next(r["failure"] for r in folder.report()["results"] if r["binding"] == "bad")
    assert failure["message"].startswith("get('a') never returned")
    assert _good_passed(folder)


def test_a_wrong_type_of_answer(folder: Any) -> None:
    folder.backends(
        GOOD
        + "class Bad(Dict):\n    async def get(self, key):\n        return 7\n"
        + 'BACKENDS = [Good, prism.Backend(name="bad", connect=connect, drivers=[Bad])]'
    )
    assert _run(folder).ret == 1
    assert folder.outcomes()["what_is_set_is_read[bad]"] == "failed"
    assert _good_passed(folder)


def test_a_leaked_task_is_laid_at_the_backends_door(folder: Any) -> None:
    folder.backends(
        GOOD
        + """
async def sweep():
    while True:
        await asyncio.sleep(60)

class Bad(Dict):
    async def set(self, key, value):
        self.task = asyncio.ensure_future(sweep())
        await super().set(key, value)

BACKENDS = [Good, prism.Backend(name="bad", connect=connect, drivers=[Bad])]
"""
    )
    result = _run(folder)
    assert result.ret == 1
    assert _good_passed(folder)
    problem = next(p for p in folder.report()["problems"] if "running" in p)
    assert problem.startswith("bad left ")
    assert "sweep" in problem


def test_a_backend_that_changes_its_answer_is_said_to_do_so(folder: Any) -> None:
    folder.backends(
        GOOD
        + """
calls = []
class Bad(Dict):
    async def get(self, key):
        calls.append(key)
        return None if len(calls) == 12 else await super().get(key)

BACKENDS = [Good, prism.Backend(name="bad", connect=connect, drivers=[Bad])]
"""
    )
    assert _run(folder).ret == 1
    failure = next(r["failure"] for r in folder.report()["results"] if r["outcome"] == "failed")
    assert "changes its answer" in failure["flaky"]
    assert failure["steps"]
    assert (folder.path / failure["witness"]).is_file()  # for a waiver, which tries it more than once
    assert "--prism-seed=" in failure["command"]
    assert _good_passed(folder)


@pytest.mark.parametrize(
    ("driver", "said"),
    [
        ("class Bad(Dict, KeyValueCas):\n    pass", ["Bad.compare_and_swap", "found nothing"]),
        (
            "class Bad(Dict):\n    async def get(self, name):\n        pass",
            ["Bad.get", "async def get(self, key)", "get(self, name)"],
        ),
        ("class Bad(Dict):\n    def get(self, key):\n        pass", ["Bad.get", "expected async def", "found def"]),
        ("class Bad:\n    pass", ["expected a class that inherits an interface", "Bad"]),
        ("Bad = lambda client, namespace: None", ["expected a class", "function"]),
        ("class Bad(Dict):\n    traits = {'durability': 'process'}", ["Bad.traits", "expected Traits(...)"]),
    ],
    ids=["missing method", "other parameter", "other kind", "no interface", "no class", "no traits"],
)
def test_a_registration_that_is_refused_says_class_method_expected_and_found(folder: Any, driver: str, said: list[str]) -> None:
    hook = (
        "@prism.hookimpl\ndef prism_register_backends(registry):\n    registry.add(Good)\n"
        '    registry.add(prism.Backend(name="bad", connect=connect, drivers=[Bad]))\n'
    )
    folder.backends(GOOD + driver + "\n", hook)
    result = _run(folder)
    assert result.ret == 1
    assert _good_passed(folder)
    found = next(b for b in folder.report()["backends"] if b["name"] == "bad")
    assert found["status"] == "refused"
    for word in said:
        assert word in found["reason"]


@pytest.mark.parametrize(
    ("hook", "said"),
    [
        ("@prism.hookimpl\ndef prism_register_backend(registry): pass", "did you mean 'prism_register_backends'"),
        ("def prism_register_backends(registry): pass", "marked with @prism.hookimpl"),
        ("@prism.hookimpl\ndef prism_register_backends(registry, pytest): pass", "pytest"),
    ],
    ids=["misspelt", "unmarked", "argument"],
)
def test_a_wrong_hook_is_a_usage_error(folder: Any, hook: str, said: str) -> None:
    folder.backends(GOOD, hook)
    result = folder.run("--prism-backend=embedded")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert said in result.stderr.str()
    assert "conftest.py" in result.stderr.str()


def test_a_duplicate_name_and_a_wrong_name_cost_only_themselves(folder: Any) -> None:
    hook = (
        "@prism.hookimpl\ndef prism_register_backends(registry):\n    registry.add(Good)\n"
        '    registry.add(prism.Backend(name="Bad_Name", connect=connect, drivers=[Dict]))\n'
    )
    folder.backends(GOOD, hook)
    folder.checks()
    result = folder.run("--prism-backend=good", "test_checks.py")
    assert result.ret == 1
    assert any("Bad_Name" in problem for problem in folder.report()["problems"])
    assert _good_passed(folder)


def _distribution(folder: Any, module: str, text: str) -> None:
    """Lay out a distribution with a backend entry point, as an installer would."""
    info = folder.path / "acme_store-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-store\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[prism_testkit.backends]\nacme = {module} [acme]\n")
    (folder.path / f"{module}.py").write_text(text)
    folder.pytester._monkeypatch.setenv("PYTHONPATH", str(folder.path))


def test_an_entry_point_is_a_way_in(folder: Any) -> None:
    folder.checks()
    header = folder.header
    hook = "\n@prism.hookimpl\ndef prism_register_backends(registry):\n    registry.add(acme)\n"
    _distribution(folder, "acme_store", header + 'acme = prism.Backend(name="acme", connect=connect, drivers=[Dict])\n' + hook)
    result = folder.run("--prism-backend=acme", "test_checks.py")
    assert result.ret == 0
    assert folder.outcomes()["what_is_set_is_read[acme]"] == "passed"


def test_a_missing_client_library_costs_one_backend_and_says_what_to_install(folder: Any) -> None:
    folder.backends(GOOD + "BACKENDS = [Good]")
    folder.checks()
    _distribution(folder, "acme_store", "import acme_client\n")
    result = folder.run("--prism-backend=acme,good", "test_checks.py")
    assert result.ret == 1
    assert _good_passed(folder)
    assert "pip install 'acme-store[acme]'" in result.stdout.str()
    (folder.path / "acme_store.py").write_text("raise RuntimeError('half installed')\n")
    result = folder.run("--prism-backend=acme,good", "test_checks.py")
    assert "RuntimeError: half installed" in result.stdout.str()
    assert _good_passed(folder)


def test_a_wrong_password_is_unavailable_and_never_printed(folder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens on it
        port = taken.getsockname()[1]
        monkeypatch.setenv("PRISM_VALKEY_URL", f"redis://:sesame-open@127.0.0.1:{port}/0")
        folder.checks()
        result = folder.run("--prism-backend=valkey,memory", "-vv", "test_checks.py")
    assert result.ret == 1
    assert folder.outcomes()["what_is_set_is_read[memory]"] == "passed"
    assert folder.outcomes()["what_is_set_is_read[valkey]"] == "unavailable"
    everything = result.stdout.str() + result.stderr.str() + "".join(p.read_text() for p in Path(folder.path).rglob("*.json"))
    assert "sesame-open" not in everything


def test_names_that_answer_to_every_attribute_are_no_hooks(folder: Any) -> None:
    folder.backends(GOOD + "from unittest.mock import call\nfrom pytest import mark\nBACKENDS = [Good]")
    folder.checks()
    assert folder.run("--prism-backend=good", "--strict-markers", "test_checks.py").ret == 0
    assert _good_passed(folder)


def test_a_refused_backend_costs_none_that_its_hook_adds_after_it(folder: Any) -> None:
    """Nor do the processes that are killed mind it, which import the registration again."""
    folder.backends(
        "from dataclasses import replace\nfrom prism_backends.sqlite import sqlite\n"
        "class Less(Dict):\n    async def get(self, name):\n        return None\n"
        'BACKENDS = [prism.Backend(name="bad", connect=connect, drivers=[Less]), replace(sqlite, name="mine")]'
    )
    result = folder.run("--prism-backend=bad,mine", "-k", "acknowledged_writes_survive_the_writer")
    assert result.ret == 1
    found = folder.report()
    assert [(r["binding"], r["outcome"]) for r in found["results"] if r["outcome"] != "refused"] == [("mine", "passed")]
    assert "Less.get: expected `async def get(self, key)`, found `get(self, name)`" in " ".join(result.stdout.str().split())


PASSED_ON = """
class Passing(Dict):
    async def set(self, *args, **kwargs):
        return await super().set(*args, **kwargs)
    async def get(self, key, *args, **kwargs):
        return await super().get(key, *args, **kwargs)
class Wrong(Passing):
    async def get(self, *args, **kwargs):
        return (await super().get(*args, **kwargs) or b"")[:3]
BACKENDS = [prism.Backend(name=cls.__name__.lower(), connect=connect, clean=clean, drivers=[cls]) for cls in (Passing, Wrong)]
"""


def test_a_wrapper_that_passes_arguments_on_is_a_driver_and_judged(folder: Any) -> None:
    folder.backends(PASSED_ON)
    folder.checks()
    assert folder.run("--prism-backend=passing,wrong", "test_checks.py").ret == 1
    found = folder.outcomes()
    assert found["what_is_generated_is_read[passing]"] == "passed"
    assert found["what_is_generated_is_read[wrong]"] == "failed"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("prism_suites", ["prism_suites is a package of ", "prism_suites.patterns", "without a path all run"]),
        ("prism_suites/interfaces/keyvalue_basik.py", ["the closest are prism_suites.interfaces.keyvalue_basic, "]),
        ("prism_suites/none_at_all_like_it.py", ["there is no such suite; `prism list suites` lists all "]),
    ],
)
def test_a_suite_that_is_not_there_is_told_in_a_few_lines(folder: Any, path: str, said: list[str]) -> None:
    result = folder.run("--prism-backend=memory", "--pyargs", path)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert all(each in text for each in [*said, "`prism list suites`"]), text
    assert len(text) < 800
