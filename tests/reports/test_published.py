"""The published matrix: each row of one report, every outcome counted, and what is missing said."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from report_samples import backend, reports, result

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.published import page
from prism_testkit.results import NotRun, Report

PAIR = "claim-check:prism[queue=valkey.queue_basic,store=memory.object_storage]"
VALKEY = backend("valkey", "keyvalue_ttl", kind="real server", version="9.1.2", origin="wheel", traits={"durability": "process"})


def report(*results: Any, **changes: Any) -> Report:
    """Return a whole report of valkey; ``changes`` replace fields."""
    fields: dict[str, Any] = {"complete": True, "started": "2026-01-02", "backends": [VALKEY], "results": list(results)}
    return Report(**(fields | changes))


def section(text: str, title: str) -> list[str]:
    """Return the lines of a section that hold something."""
    (found,) = [part for part in text.split("\n## ") if part.startswith(f"{title}\n")]
    return [line for line in found.splitlines()[1:] if line]


def cells(text: str, title: str, backend: str) -> dict[str, str]:
    """Return one row of a table by the heads of its columns."""
    table = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in section(text, title) if line.startswith("|")]
    (row,) = [row for row in table if row[0] == f"`{backend}`"]
    return dict(zip(table[0], row, strict=True))


def several(**numbers: int) -> list[Any]:
    return [result(Outcome(name), check=f"{name}{n}", reason="so it is") for name, count in numbers.items() for n in range(count)]


def test_every_outcome_of_a_cell_is_counted() -> None:
    text = page({"all": report(*several(passed=4, waived=2, inconclusive=1, failed=3, error=1))})
    assert cells(text, "keyvalue", "valkey") == {"backend": "`valkey`", "ttl": "✓ 4 w 2 ? 1 ✗ 3 E 1"}


def test_a_row_says_what_it_was_and_where_from() -> None:
    said = cells(page({"all": report(result())}), "Backends", "valkey")
    heads = ("what it is", "version", "from", "run", "checks")
    assert [said[head] for head in heads] == ["real server", "9.1.2", "wheel", "1", "✓ 1"]
    assert said["claims beside its interfaces"] == "durability=process"


def test_what_is_not_claimed_did_not_run_or_was_not_to_be_had_is_told_apart() -> None:
    here, gone = backend("here", "keyvalue_ttl"), backend("gone", "keyvalue_cas", status="unavailable", reason="no binary")
    text = page({"all": report(backends=[here, gone], not_run=[NotRun(what="x", reason="too slow")], results=[])})
    assert cells(text, "keyvalue", "here") == {"backend": "`here`", "ttl": "not run", "cas": "·"}
    assert cells(text, "keyvalue", "gone") == {"backend": "`gone`", "ttl": "·", "cas": "-"}
    assert section(text, "Not run") == [
        "- `here`: no check of keyvalue_ttl ran, which it claims.",
        "- `gone` was unavailable: no binary.",
        "- Run 1: x: too slow.",
    ]
    assert cells(text, "Backends", "gone")["checks"] == "unavailable: no binary"


def test_of_two_reports_the_newer_counts_and_that_is_said() -> None:
    old = report(result(Outcome.FAILED, reason="long mended"), started="2026-01-01", backends=[VALKEY, backend("memory")])
    text = page({"new": report(result()), "old": old})
    assert cells(text, "keyvalue", "valkey")["ttl"] == "✓ 1"
    assert section(text, "Failed") == ["None."]
    assert section(text, "Runs")[-1] == "- `valkey` is of run 2, not of 1: the newer one."
    assert cells(text, "Backends", "memory")["run"] == "1"


def test_one_that_was_not_available_replaces_none_that_was() -> None:
    newer = report(started="2026-01-03", backends=[backend("valkey", status="unavailable", reason="no binary")])
    text = page({"old": report(result()), "new": newer})
    assert cells(text, "keyvalue", "valkey")["ttl"] == "✓ 1"
    assert section(text, "Runs")[-1] == "- `valkey` is of run 1, not of 2: it was not available in what is newer."


def test_one_that_judged_less_replaces_none_that_judged_more() -> None:
    claims = [backend("valkey", "keyvalue_ttl", "keyvalue_cas")]
    both = [result(), result(check="swap", interfaces=["keyvalue_cas"])]
    whole, part = report(*both, backends=claims), report(result(Outcome.FAILED), started="2026-01-03", backends=claims)
    text = page({"whole": whole, "part": part})
    assert cells(text, "keyvalue", "valkey") == {"backend": "`valkey`", "ttl": "✓ 1", "cas": "✓ 1"}
    assert section(text, "Runs")[-1] == "- `valkey` is of run 1, not of 2: less was judged in what is newer."
    more = report(
        *both, result(binding=PAIR, backends=["valkey"], pattern="claim-check:prism"), started="2026-01-04", backends=claims
    )
    assert cells(page({"whole": whole, "part": part, "more": more}), "Backends", "valkey")["run"] == "3"


def test_a_pattern_is_counted_for_each_backend_in_its_slot() -> None:
    pair = result(binding=PAIR, backends=["valkey", "memory"], pattern="claim-check:prism", interfaces=[])
    text = page({"all": report(pair, pair.model_copy(update={"id": "2", "outcome": Outcome.INCONCLUSIVE, "reason": "in vain"}))})
    assert cells(text, "claim-check:prism", "valkey") == {"backend": "`valkey`", "as queue": "✓ 1 ? 1", "as store": "·"}
    assert cells(text, "claim-check:prism", "memory") == {"backend": "`memory`", "as queue": "·", "as store": "✓ 1 ? 1"}


def test_a_waiver_stands_with_its_reason_its_witness_and_its_checks() -> None:
    waived = {"outcome": Outcome.WAIVED, "reason": "keyvalue_ttl.5 upstream: reads touch", "waived_for": "valkey"}
    first = result(check="one", **waived, witness="witnesses/ttl.json")
    text = page({"all": report(first, result(check="two", **waived, witness="witnesses/ttl.json"))})
    assert section(text, "Waivers")[1:] == [
        "- `valkey`: keyvalue_ttl.5 upstream: reads touch. Witness: `witnesses/ttl.json`. (`one[valkey]`, `two[valkey]`)"
    ]


def test_of_many_checks_that_say_the_same_some_are_named() -> None:
    text = page({"all": report(*several(inconclusive=9))})
    (line,) = section(text, "Inconclusive")[1:]
    assert line.startswith("- so it is. (`inconclusive0[valkey]`")
    assert line.endswith("`inconclusive5[valkey]`, and 3 more)")


def test_a_report_that_is_not_whole_is_told() -> None:
    text = page({"all": report(result(), complete=False, unfinished=["a", "b"])})
    assert "| no: it was interrupted, or goes on |" in text
    assert section(text, "Not run") == ["- Run 1: 2 checks that were to run have no result."]


@given(given=st.lists(reports, min_size=1, max_size=3))
def test_any_reports_have_a_page_whose_tables_are_even(given: list[Report]) -> None:
    text = page({str(number): each for number, each in enumerate(given)})
    columns = None
    for line in text.splitlines():
        if not line.startswith("|"):
            columns = None
            continue
        count = line.replace("\\|", "").count("|")
        columns = columns or count
        assert count == columns, line
