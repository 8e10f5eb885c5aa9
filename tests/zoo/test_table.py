"""The tables of the zoo, made of rows that no hunt had to find."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from . import __main__ as zoo
from .families import families, mutants
from .table import Row, by_family, by_promise

ROW = Row("queues", "a", "queue_basic.4", "lost wake-up", False, True, "queue_basic::x", "queue_basic.4", "queue_basic::y", 0.5)
NOTHING = "nothing to leave out: any use shows it"


def test_a_family_tells_what_was_missed_and_what_hangs_on_one_case() -> None:
    rows = [
        ROW,
        replace(ROW, name="b", left_out=NOTHING),
        replace(ROW, name="c", left_out="MISSED"),
        replace(ROW, name="d", left_out="MISSED", kills=True),
        replace(ROW, name="e", caught=False, check="", left_out="nowhere"),
    ]
    line = list(by_family(rows))[2]
    assert line.startswith("| `queues` | 5 | 1 | ")
    assert line.endswith("| all but `e` | of 3 all but 1 that need a kill and `c` |")
    assert len(list(by_family([ROW]))) == 3
    assert list(by_family([ROW]))[2].endswith("| all | all of 1 |")


def test_a_promise_tells_kinds_and_checks() -> None:
    rows = [ROW, replace(ROW, name="b", kind="boundary"), replace(ROW, promise="CC1", kind="order", check="claim::z")]
    lines = list(by_promise(rows))
    assert "| queue_basic.4 | 2 | boundary, lost wake-up | `queue_basic::x` 2 |" in lines
    assert lines.index("## queue_basic") < lines.index("## CC")
    assert "| queue_basic.4 | 1 | lost wake-up |" in list(by_promise([replace(ROW, seconds=0.0)]))


def test_choices_are_families_and_names(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["zoo", "--list", "claims", "removed_buckets_are_not_logged"])
    assert zoo.main() == 0
    told = capsys.readouterr().out
    assert "| object_storage.19 | 1 | missing step |" in told
    assert "## CC" in told
    assert "## queue_basic" not in told
    monkeypatch.setattr("sys.argv", ["zoo", "nobody"])
    with pytest.raises(SystemExit):
        zoo.main()
    assert "neither a family nor a mutant: nobody" in capsys.readouterr().err


def test_the_rows_of_all_families_are_written_into_the_pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "zoo.md"
    page.write_text(f"before\n{zoo._MARKS[0]}\nwhat was there\n{zoo._MARKS[1]}\nafter\n", encoding="utf-8")
    rows = [replace(ROW, family=family, name=mutant.name, promise=mutant.promise) for family, mutant in mutants()]
    kept = tmp_path / "rows.json"
    kept.write_text(json.dumps([asdict(row) for row in rows]), encoding="utf-8")
    monkeypatch.setattr(zoo, "_DOCS", tmp_path)
    monkeypatch.setattr("sys.argv", ["zoo", "--from", str(kept), "--write"])
    assert zoo.main() == 0
    told = page.read_text(encoding="utf-8")
    assert told.startswith("before\n")
    assert told.endswith("\nafter\n")
    assert "what was there" not in told
    assert all(f"| `{family}` |" in told for family in families())
    assert "## keyvalue_basic" in (tmp_path / "zoo-kills.md").read_text(encoding="utf-8")


def test_the_page_has_the_marks_of_the_table() -> None:
    told = (zoo._DOCS / "zoo.md").read_text(encoding="utf-8")
    assert [told.count(mark) for mark in zoo._MARKS] == [1, 1]
