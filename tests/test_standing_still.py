"""A member whose process stood still: drivers that let it keep, confirm or give back what is others' are caught; ours is right."""

import json
from pathlib import Path
from typing import Any

import pytest

CONFTEST = """
import os
from dataclasses import replace
import prism_testkit as prism
from prism_backends.sqlite import SqliteStream, sqlite, streamgroups, streammembers
from prism_testkit.interfaces import Conflict

HOW = os.environ["HOW"]
# Of those that run, none goes without a processor for four seconds.
streammembers.HORIZON_S, streammembers._BEAT_S = (1000.0, 1.0) if HOW == "patient" else (4.0, 0.5)


class Member(streammembers.SqliteMember):
    async def _answer(self, operation, deliveries, act):
        if HOW == "strays":  # what anybody holds of the same offset is given back
            held = streamgroups.tokens_of(deliveries)
            await self._write(operation, lambda rows, now_s: [act(rows, each, now_s) for each in held])
        try:
            await super()._answer(operation, deliveries, act)
        except Conflict:
            if HOW != "believes":
                raise

    def _deliver(self, void, batch, most, rows, now_s):
        if HOW == "stays_out" and self.name not in rows.others():
            return []
        return super()._deliver(void, batch, most, rows, now_s)


import prism_backends.sqlite.stream as module
module.SqliteMember = Member
if HOW == "strays":
    streamgroups._NACK = f"{streamgroups._FREE} WHERE {streamgroups._GROUP} AND offset = :offset"


class Groups(SqliteStream):
    traits = replace(SqliteStream.traits, member_timeout_s=4.5)


@prism.hookimpl
def prism_register_backends(registry):
    registry.add(replace(sqlite, name="members", drivers=[Groups]))
"""


@pytest.mark.parametrize(
    ("how", "promise"),
    [
        ("right", "passed"),
        ("believes", "stream_consumer_groups.8"),
        ("strays", "stream_consumer_groups.8"),
        ("stays_out", "stream_consumer_groups.8"),
        ("patient", "stream_consumer_groups.5"),
    ],
)
def test_who_stood_still_is_judged(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, how: str, promise: str) -> None:
    monkeypatch.setenv("HOW", how)
    pytester.makeconftest(CONFTEST)
    report = Path(pytester.path) / "report.json"
    options = ["--prism-backend=members", "--prism-suite=stream_consumer_groups_still", "--prism-level=thorough"]
    pytester.runpytest_subprocess(*options, f"--prism-json={report}", "-p", "no:randomly")
    (found,) = (each for each in json.loads(report.read_text())["results"] if each["outcome"] != "not_run")
    assert _promise(found) == promise, found


def _promise(result: dict[str, Any]) -> str:
    return str(result["failure"]["promise"]) if result["outcome"] == "failed" else str(result["outcome"])
