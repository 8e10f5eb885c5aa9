"""keyvalue_basic: a read is its own, whatever older reads of its key are under way."""

from typing import Any

from prism_suites._beside import BESIDE, is_its_own
from prism_testkit.case import Case
from prism_testkit.checks import check, gauntlet
from prism_testkit.interfaces import KeyValueBasic


@check("keyvalue_basic.8", "keyvalue_basic.11", "keyvalue_basic.10")
@gauntlet(lambda limits: [{**each, "call": call} for each in BESIDE for call in ("get", "exists")])
async def a_read_is_its_own(kv: KeyValueBasic, case: Case, turns: int, ending: str, call: str) -> None:
    """It gives what was written before it began, and is not cancelled with another one (KV-60)."""
    promise = "keyvalue_basic.8" if ending == "answered" else "keyvalue_basic.11"
    looks: dict[str, Any] = {"get": lambda: kv.get("k"), "exists": lambda: kv.exists("k")}
    await is_its_own(promise, turns, ending, looks[call], lambda: kv.set("k", b"v"), lambda: b"v" if call == "get" else True)
    await is_its_own(promise, turns, ending, looks[call], lambda: kv.delete("k"), lambda: None if call == "get" else False)
