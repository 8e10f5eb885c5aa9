"""The machine finds the places where a module may be changed, draws from them, and says who catches a change and who does not."""

import builtins
import textwrap
from typing import Any

import pytest

from .__main__ import asked_of
from .changes import PROBE, changes, drawn, probed
from .trying import Subject, Tried, family_of, source_of, tried

SHORT = textwrap.dedent('''
    """A short module: nothing of this text is changed."""

    class Box:
        """Nor of this."""

        async def take(self, count: int = 1) -> list[str]:
            # ümläuts count as bytes
            async with self.lock:
                found = self.kept[:count]  # a comment stays
                del self.kept[:count]
            while not found:
                await self.wait("ümläut", count)
            try:
                return list(found)
            finally:
                self.bell.notify_all()
''')


@pytest.mark.parametrize(
    "what",
    [
        "one more: 1",
        "without: with self.lock",
        "behind with self.lock: del self.kept[:count]",
        "to the end: self.kept[:count]",
        "dropped: del self.kept[:count]",
        "if, not while: not found",
        "without not: not found",
        "arguments 1 and 2 swapped: self.wait('ümläut', count)",
        "no copy: list(found)",
        "no finally: self.bell.notify_all()",
        "wakes one: self.bell.notify_all()",
    ],
)
def test_a_change_is_found_and_changes_nothing_else(what: str) -> None:
    change = next(change for change in changes(SHORT, what) if change.what == what)
    kept = [line for line in SHORT.splitlines() if "#" in line and change.line != 0]
    compile(change.text, "changed", "exec")
    assert change.text != SHORT
    assert '"""A short module: nothing of this text is changed."""' in change.text
    if "lock" not in what and "kept" not in what:
        assert all(line in change.text for line in kept)


def test_what_is_drawn_is_all_in_an_order_that_the_seed_says() -> None:
    every = [change.text for change in changes(SHORT)]
    first, again, other = ([change.text for change in drawn(SHORT, seed)] for seed in (1, 1, 2))
    assert first == again != other
    assert len(every) == len(set(every)) > 20
    assert set(first) == set(other) == set(every)


def test_a_probe_tells_the_statements_that_ran(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[int] = set()
    monkeypatch.setattr(builtins, PROBE, reached.add, raising=False)
    text = "def sign(x):\n    if x < 0:\n        return -1\n    return 1\n"
    space: dict[str, Any] = {}
    exec(compile(probed(text), "probed", "exec"), space)
    assert space["sign"](1) == 1
    assert reached == {2, 4}


def test_only_who_runs_a_change_is_asked_the_quickest_first() -> None:
    base = Tried(
        outcome="survived", spent={"a": 3, "b": 1, "kills": 2, "c": 2}, reached={"a": [2, 4], "b": [2], "kills": None, "c": [2, 4]}
    )
    text = "def sign(x):\n    if x < 0:\n        return -1\n    return x + 1\n"
    (plus,) = [change for change in changes(text) if change.what.startswith("+ <-> -")]
    assert asked_of(plus, base) == ["c", "a", "kills"]


ACTOR = Subject(module="tests.zoo.queues.independent_actor", family=family_of("tests.zoo.queues.independent_actor"))
PEEKS = "prism_suites/interfaces/queue_basic.py::arguments_may_be_given_by_name"


def test_a_planted_change_is_caught_and_the_driver_itself_survives() -> None:
    text = source_of(ACTOR.module)
    planted = next(changes(text, "always the first: None if item is None else item.copy()"))
    unchanged, changed = (tried(ACTOR, each, checks=[PEEKS]) for each in (text, planted.text))
    assert (unchanged.outcome, unchanged.driver) == ("survived", "zoo-queue-independent-actor"), unchanged.said
    assert (changed.outcome, changed.promise) == ("caught", "queue_basic.1"), changed.said


def test_what_hangs_or_dies_is_no_survivor() -> None:
    hanging = tried(ACTOR, "import time\nwhile True:\n    time.sleep(1)\n", checks=[PEEKS], limit_s=0.5)
    dying = tried(ACTOR, "import os\nos._exit(3)\n", checks=[PEEKS])
    assert (hanging.outcome, dying.outcome, dying.said) == ("hangs", "caught", "the process died")
