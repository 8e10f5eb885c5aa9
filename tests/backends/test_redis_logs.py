"""What a server of Redis keeps on disk: rows of their own, which run where they are named, and what the durability suite says."""

import json
from types import ModuleType

import pytest

import prism_testkit as prism
from prism_backends.memory import memory
from prism_backends.valkey import valkey
from prism_backends.valkey_always import valkey_always
from prism_backends.valkey_memory import valkey_memory
from prism_testkit.discovery import Discovery
from prism_testkit.registry import Registry
from prism_testkit.selection import BackendSelection

LIAR = """
from dataclasses import replace
import prism_testkit as prism
from prism_backends.redis.server import NO_LOG, server
from prism_backends.valkey import valkey

@prism.hookimpl
def prism_register_backends(registry):
    registry.add(replace(valkey, name="liar", server=server("valkey", NO_LOG)))
"""
ROWS = ("redis@always", "redis@memory", "valkey@always", "valkey@memory")


def traits(backend: prism.Backend[object]) -> list[prism.Traits]:
    return [getattr(driver, "traits", backend.traits) for driver in backend.drivers]


def test_without_a_log_nothing_is_claimed_that_a_kill_would_end() -> None:
    assert [driver.__mro__[1] for driver in valkey_memory.drivers] == list(valkey.drivers)  # type: ignore[attr-defined]
    for has, had in zip(traits(valkey_memory), traits(valkey), strict=True):
        assert (has.durability, had.durability) == ("none", "process")
        assert {has.ack_survives_kill, has.lease_survives_kill, has.attempts_survive_kill} == {"no"}
        assert (has.delivery_count, has.member_timeout_s) == (had.delivery_count, had.member_timeout_s)
    assert traits(valkey_always) == traits(valkey)


def test_they_are_no_part_of_all() -> None:
    assert set(Discovery().find(BackendSelection(("all",))).selected).isdisjoint(ROWS)
    assert set(Discovery().find(BackendSelection(("-sqlite",))).selected).isdisjoint(ROWS)
    assert Discovery().find(BackendSelection(("embedded", *ROWS))).selected[:4] == list(ROWS)


def test_what_is_run_by_name_is_no_part_of_embedded() -> None:
    module = ModuleType("apart")

    @prism.hookimpl
    def prism_register_backends(registry: Registry) -> None:
        registry.add(prism.Backend(name="apart", connect=memory.connect, drivers=memory.drivers, by_name=True))

    module.prism_register_backends = prism_register_backends  # type: ignore[attr-defined]
    for words, is_in in ((("embedded",), False), (("all",), False), (("embedded", "apart"), True)):
        discovery = Discovery()
        discovery.take("apart", module)
        assert ("apart" in discovery.find(BackendSelection(words)).selected) == is_in


def test_the_durability_suite_tells_them_apart(pytester: pytest.Pytester) -> None:
    """What claims nothing is shown to lose, what claims too much fails."""
    pytester.makeconftest(LIAR)
    pytester.runpytest_subprocess(
        "-p",
        "no:randomly",
        "-p",
        "no:asyncio",
        "--prism-backend=liar,valkey@always,valkey@memory",
        "--prism-suite=keyvalue_durability",
        "-k",
        "acknowledged_writes_survive_the_server",
        "--prism-json=report.json",
    )
    report = json.loads((pytester.path / "report.json").read_text())
    found = {result["binding"]: result for result in report["results"]}
    assert {name: result["outcome"] for name, result in found.items()} == {
        "liar": "failed",
        "valkey@always": "passed",
        "valkey@memory": "passed",
    }
    assert found["liar"]["failure"]["promise"] == "keyvalue_basic.12"
    (note,) = found["valkey@memory"]["notes"]
    assert note.startswith("claims no durability, and is shown to lose ")
    assert note.endswith("when the server is killed")
