"""The machine finds the places where a module may be changed, draws from them, and says who catches a change and who does not."""

import builtins
import textwrap
from typing import Any

import pytest

from .__main__ import asked_of
from .changes import PROBE, changes, drawn, probed
from .statements_sql import of_sql
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

STATEMENTS = textwrap.dedent('''
    """A part of a statement stands in another one, and functions use both."""

    _HERE = "place = :place AND kept IS NULL"
    _FIRST = f"SELECT name FROM things WHERE {_HERE} ORDER BY rank, number LIMIT 1"
    _MOVE = f"UPDATE things SET rank = :rank, number = number + 1 WHERE {_HERE}"

    def first(connection):
        return connection.execute(_FIRST)

    def move(connection):
        return connection.execute(_MOVE)
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


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("SELECT a FROM t WHERE b = :b AND (c IS NULL OR c > :d) ORDER BY e", "SELECT a FROM t WHERE b = :b ORDER BY e"),
        ("SELECT a FROM t WHERE b = :b AND c <= :d", "SELECT a FROM t WHERE b = :b AND c < :d"),
        (
            "SELECT a FROM t WHERE b IN (SELECT b FROM u WHERE c = 1) LIMIT 5",
            "SELECT a FROM t WHERE b IN (SELECT b FROM u) LIMIT 5",
        ),
        ("SELECT a FROM t WHERE b = :b ORDER BY c, d LIMIT 1", "SELECT a FROM t WHERE b = :b ORDER BY c LIMIT 1"),
        ("SELECT a FROM t WHERE b = :b ORDER BY c, d LIMIT 1", "SELECT a FROM t WHERE b = :b ORDER BY random() LIMIT 1"),
        ("SELECT a FROM t WHERE b = :b ORDER BY c, d LIMIT 1", "SELECT a FROM t WHERE b = :b ORDER BY c DESC, d LIMIT 1"),
        ("SELECT max(a) FROM t LIMIT 5", "SELECT min(a) FROM t LIMIT 5"),
        ("SELECT max(a) FROM t LIMIT 5", "SELECT max(a) FROM t LIMIT 5 - 1"),
        ("UPDATE t SET a = 1, b = max(a, 2), c = 3 WHERE d = :d", "UPDATE t SET a = 1, c = 3 WHERE d = :d"),
        ("REPLACE INTO t VALUES (:a, :b)", "INSERT OR IGNORE INTO t VALUES (:a, :b)"),
        ("REPLACE INTO t VALUES (:a, :b)", "REPLACE INTO t VALUES (:b, :a)"),
        ("CREATE TABLE t (a BLOB, b BLOB, PRIMARY KEY (a, b))", "CREATE TABLE t (a BLOB, b BLOB, PRIMARY KEY (a))"),
        ("a = :a AND b > 1", "b > 1"),
    ],
)
def test_a_change_of_sql_is_found(before: str, after: str) -> None:
    assert after in [changed for _, changed in of_sql(before)]


def test_who_uses_a_changed_statement_is_known_through_those_it_is_a_part_of() -> None:
    lines = {change.what: change.statements for change in changes(STATEMENTS, "SQL")}
    texts = [change.text for change in changes(STATEMENTS, "SQL")]
    assert lines["SQL without a term: 'place = :place AND' | 'kept IS NULL'"] == {9, 12}
    assert {where for what, where in lines.items() if "one more" in what} == {frozenset({9})}
    assert any("WHERE {_HERE} ORDER BY number LIMIT 1" in text for text in texts)


@pytest.mark.parametrize(
    ("text", "what", "after"),
    [
        ("a()\nwith lock:\n    b()\n", "into with lock: a()", "with lock:\n    a()\n    b()"),
        ("with lock:\n    b()\nc()\n", "into with lock: c()", "with lock:\n    b()\n    c()"),
        ("try:\n    a()\n    b()\nexcept (X, Y):\n    c()\n", "except less by 1: (X, Y)", "except (Y,):"),
        ("try:\n    a()\n    b()\nexcept (X, Y):\n    c()\n", "behind try: b()", "    c()\nb()"),
        ("try:\n    a()\nexcept BaseException:\n    c()\n", "except Exception, not BaseException", "except Exception:"),
        ("with suppress(X):\n    b()\n", "suppresses less by 1: suppress(X)", "with (suppress()):"),
        ("return a, b\n", "slots 1 and 2 swapped: (a, b)", "return ((b, a))"),
        ("return a[b, c]\n", "a key without its field 2: a[b, c]", "return (a[b,])"),
        ("for a in b:\n    c(a)\n", "not the last: for a in b", "in list(b)[:-1]:"),
        ("a = 1\na = 2\n", "dropped: a = 2", "pass"),
        ("x(os.A | os.B)\n", "the first operand only: os.A | os.B", "x((os.A))"),
    ],
)
def test_a_change_of_statements_is_found(text: str, what: str, after: str) -> None:
    module = "async def f():\n" + textwrap.indent(text, "    ")
    (change,) = [change for change in changes(module, what) if change.what == what]
    assert after in textwrap.dedent(change.text.partition("\n")[2])


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
