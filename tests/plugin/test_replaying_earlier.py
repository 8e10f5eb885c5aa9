"""What fails only behind other checks is repeated with them: the command is the one of the whole run, with its seed and order."""

import shlex
from typing import Any

SPOILT = """
class Spoilt(Dict):
    def __init__(self, client, namespace):
        super().__init__(client, namespace)
        self.client = client
    async def set(self, key, value):
        await super().set(key, value)
        if key == "spoil":
            self.client["spoilt"] = {}
    async def get(self, key):
        return None if "spoilt" in self.client else await super().get(key)

BACKENDS = [prism.Backend(name="mine", connect=connect, clean=clean, drivers=[Spoilt])]
"""

CHECKS = """
import prism_testkit as prism
from prism_testkit.interfaces import *

@prism.check("keyvalue_basic.1")
async def first(kv: KeyValueBasic, case: prism.Case) -> None:
    await kv.set("spoil", b"1")

@prism.check("keyvalue_basic.1")
@prism.gauntlet(lambda limits: [{"n": n} for n in range(3)])
async def second(kv: KeyValueBasic, case: prism.Case, n: int) -> None:
    if {spoils} and n == 0:
        await kv.set("spoil", b"1")
    await kv.set("a", b"1")
    assert n == 0 or await kv.get("a") == b"1"
"""


def _failure(folder: Any, spoils: bool, *args: str) -> dict[str, Any]:
    folder.backends(SPOILT)
    folder.checks(CHECKS.replace("{spoils}", str(spoils)))
    assert folder.run("--prism-backend=mine", "test_checks.py", *args).ret == 1
    (found,) = (result["failure"] for result in folder.report()["results"] if result["failure"])
    told: dict[str, Any] = found
    return told


def test_what_earlier_checks_left_is_repeated_with_them(folder: Any) -> None:
    told = _failure(folder, False, "--prism-seed=7")
    assert "the whole check passes: it depends on what earlier checks left" in told["flaky"]
    words = shlex.split(told["command"])
    assert words[0] == "pytest"
    assert words[-3:] == ["--prism-backend=mine", "test_checks.py", "--prism-seed=7"]
    assert folder.run(*words[1:]).ret == 1, "it fails again"


def test_what_earlier_cases_left_is_repeated_with_the_check(folder: Any) -> None:
    told = _failure(folder, True, "-k", "second")
    assert "the same case passes: it depends on what earlier cases left" in told["flaky"]
    assert told["command"].endswith("'test_checks.py::second[mine]'")
