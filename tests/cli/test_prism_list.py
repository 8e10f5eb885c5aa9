"""``prism list``."""

from pathlib import Path
from typing import Any

import pytest

from prism_patterns.claim_check import ClaimCheck
from prism_testkit.cli import main
from prism_testkit.interfaces import INTERFACES
from prism_testkit.promises import promises_of


def test_backends_are_told_with_kind_origin_claims_and_traits(shell: Any) -> None:
    shell.edit("clean=clean)", "clean=clean, fake=True, traits=prism.Traits(ttl_late_s=2.5), limits=prism.Limits(max_name=99))")
    said = shell.prism("list", "backends", code=0)
    assert f"mine         fake         {shell.path}/conftest.py\n" in said
    assert "keyvalue claims ttl_late_s=2.5, max_name=99" in said
    assert "sqlite       embedded     prism_backends.sqlite" in said
    assert "valkey       real server  prism_backends.valkey" in said


def test_only_the_backends_asked_for_are_told(shell: Any) -> None:
    shell.conftest()
    said = shell.prism("list", "backends", "mine", code=0)
    assert said == f"mine         embedded     {shell.path}/conftest.py\n             keyvalue: basic\n"


def test_the_models_whose_drivers_claim_a_lifecycle_are_told_last(shell: Any) -> None:
    said = shell.prism("list", "backends", "filesystem", "memory", code=0)
    assert "             lifecycle: keyvalue, object_storage, pubsub, queue, stream\n" in said
    assert said.count("lifecycle") == 2
    assert "             lifecycle: object_storage\nmemory " in said


def test_nothing_stops_at_the_first_that_is_broken(shell: Any) -> None:
    shell.edit("    registry.add(mine)", "    registry.add(prism.Backend(name='bad', connect=1, drivers=[]))")
    shell.env["BLOCKED"] = "redis"
    shell.distribution("acme", "1.0", "[prism_testkit]\nsuites = acme_suites\n[prism_testkit.backends]\nacme = acme_backend\n")
    (shell.site / "acme_backend.py").write_text("1 / 0\n")
    said = shell.prism("list", code=0)
    assert "redis        broken: its client library is not installed (redis): pip install 'prism-testkit[redis]'" in said
    assert "bad          broken: conftest.py: backend 'bad' is refused:" in said
    assert "drivers: expected at least one driver class, found none" in said
    assert "acme         broken: importing acme_backend raised ZeroDivisionError: division by zero" in said
    assert "acme_suites" in said
    assert "memory       embedded" in said
    assert "keyvalue_basic.py" not in said
    assert "prism_suites.interfaces.keyvalue_basic\n" in said


def test_a_conftest_that_does_not_import_is_listed_as_broken(shell: Any) -> None:
    shell.conftest("1 / 0\n")
    said = shell.prism("list", "backends", code=0)
    assert f"broken: {shell.path}/conftest.py:1: ZeroDivisionError: division by zero" in said
    assert "memory       embedded" in said


def test_a_suite_whose_package_is_not_there_is_listed_as_broken(shell: Any) -> None:
    shell.conftest(
        "import prism_testkit as prism\n@prism.hookimpl\n"
        "def prism_register_suites(registry):\n    registry.add(prism.Suite(package='acme_suites'))\n"
    )
    said = shell.prism("list", "suites", code=0)
    assert "broken: suite 'acme_suites': there is no package of that name" in said
    assert "prism_suites.interfaces.keyvalue_basic\n" in said


PATTERN = """import prism_testkit as prism
from prism_testkit.interfaces import KeyValueBasic, KeyValueCas, QueueBasic

class Outbox:
    def __init__(self, *, database: KeyValueCas | KeyValueBasic, dead: QueueBasic | None = None): pass

@prism.hookimpl
def prism_register_patterns(registry):
    registry.add(prism.Pattern(kind='outbox', name='mine', implementation=Outbox))
"""


def test_patterns_are_listed_with_their_implementation(shell: Any) -> None:
    shell.conftest(PATTERN)
    assert "outbox:mine            conftest.Outbox" in shell.prism("list", "patterns", code=0)
    said = shell.prism("list", "patterns", "outbox:mine", code=0)
    assert "database: keyvalue_basic+keyvalue_cas | keyvalue_basic" in said
    assert "dead (optional): queue_basic" in said


def test_a_kind_is_told_with_every_promise(shell: Any) -> None:
    shell.conftest()
    said = shell.prism("list", "patterns", "claim-check", code=0)
    numbered = promises_of(ClaimCheck)
    assert len(numbered) == 8
    assert [line.strip() for line in said.splitlines()[1:]] == [f"CC{number}  {text}" for number, text in numbered.items()]


def test_an_interface_is_told_with_every_promise_numbered_and_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, protocol in INTERFACES.items():
        assert main(["list", "interfaces", name]) == 0
        lines = capsys.readouterr().out.splitlines()
        told = [line.strip() for line in lines if line.startswith(f"    {name}.")]
        assert told == [f"{name}.{number}  {text}" for number, text in promises_of(protocol).items()]


def test_a_claim_not_made_is_noted(shell: Any) -> None:
    shell.edit(
        "class Dict(KeyValueBasic):", "class Dict(KeyValueBasic):\n    async def compare_and_swap(self, key, expected, new): ..."
    )
    assert "note:" not in shell.prism("list", "backends", "mine", code=0)
    both = "compare_and_swap(self, key, expected, new): ...\n    async def compare_and_delete(self, key, expected): ..."
    shell.edit("class Dict(KeyValueBasic):", f"class Dict(KeyValueBasic):\n    async def {both}")
    assert "note: conftest.Dict has every method of KeyValueCas but does not inherit it" in shell.prism("list", "backends", "mine")
