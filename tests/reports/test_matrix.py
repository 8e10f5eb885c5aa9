"""The matrix is computed from results: the worst wins, nothing is lost, and it fits the terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import backend, reports, result

from prism_testkit.interfaces import INTERFACES as CATALOGUE
from prism_testkit.interfaces import interface_model
from prism_testkit.outcomes import Outcome
from prism_testkit.reports.matrix import MARKS, legend, matrix, render
from prism_testkit.results import Failure, Report

INTERFACES = [interface for interface in CATALOGUE if interface_model(interface) == "keyvalue"]
"""One data model: one table."""

WORST_FIRST = ["failed", "error", "inconclusive", "waived", "unavailable", "passed"]


def cells(report: Report) -> dict[tuple[str, str], str]:
    return {(row.backend, interface): cell.text for row in matrix(report) for interface, cell in row.cells.items()}


def some(outcome: Outcome, number: int) -> list[Outcome]:
    return [outcome] * number


@pytest.mark.parametrize(
    ("outcomes", "text"),
    [
        (some(Outcome.PASSED, 14), "✓ 14"),
        (some(Outcome.PASSED, 12) + some(Outcome.FAILED, 2), "✗ 2/14"),
        (some(Outcome.FAILED, 3), "✗ 3"),
        (some(Outcome.PASSED, 1) + some(Outcome.WAIVED, 1), "w 1/2"),
        (some(Outcome.UNAVAILABLE, 2) + some(Outcome.PASSED, 1), "- 2/3"),
        (some(Outcome.WAIVED, 5) + some(Outcome.INCONCLUSIVE, 1), "? 1/6"),
        (some(Outcome.INCONCLUSIVE, 5) + some(Outcome.ERROR, 1), "E 1/6"),
        (some(Outcome.ERROR, 5) + some(Outcome.FAILED, 1), "✗ 1/6"),
        ([], "0"),
    ],
)
def test_a_cell_shows_its_worst_and_how_many(outcomes: list[Outcome], text: str) -> None:
    report = Report(backends=[backend("valkey", "keyvalue_ttl")], results=[result(outcome) for outcome in outcomes])
    assert cells(report) == {("valkey", "keyvalue_ttl"): text}


def test_every_outcome_has_a_place_and_a_mark() -> None:
    assert [str(outcome) for outcome in MARKS] == WORST_FIRST
    assert set(MARKS) == set(Outcome)
    assert len(set(MARKS.values())) == len(MARKS)


def test_what_is_not_claimed_is_not_what_did_not_run() -> None:
    report = Report(
        backends=[
            backend("memory", "keyvalue_basic", "keyvalue_ttl"),
            backend("valkey", "keyvalue_basic"),
            backend("redis", "keyvalue_ttl", status="unavailable", reason="no server"),
        ]
    )
    assert cells(report) == {
        ("memory", "keyvalue_basic"): "0",
        ("memory", "keyvalue_ttl"): "0",
        ("valkey", "keyvalue_basic"): "0",
        ("valkey", "keyvalue_ttl"): "·",
        ("redis", "keyvalue_basic"): "·",
        ("redis", "keyvalue_ttl"): "-",
    }


def test_a_check_of_several_interfaces_counts_in_each() -> None:
    both = result(Outcome.FAILED, interfaces=["keyvalue_ttl", "keyvalue_cas", "keyvalue_ttl"])
    report = Report(backends=[backend("valkey", "keyvalue_basic", "keyvalue_ttl", "keyvalue_cas")], results=[both])
    assert list(cells(report).values()) == ["0", "✗ 1", "✗ 1"]


def test_a_failure_counts_where_the_promise_belongs_that_broke_too() -> None:
    failure = Failure(promise="keyvalue_scan.4", promise_text="So.", message="one too many")
    results = [result(Outcome.FAILED, interfaces=["keyvalue_basic"], failure=failure)]
    report = Report(results=results, backends=[backend("valkey", "keyvalue_basic", "keyvalue_scan", "keyvalue_ttl")])
    assert list(cells(report).values()) == ["✗ 1", "✗ 1", "0"]


def test_a_binding_of_several_backends_counts_where_each_claims() -> None:
    pair = result(interfaces=["stream_basic", "keyvalue_basic"], backends=["valkey", "memory"])
    report = Report(backends=[backend("valkey", "stream_basic"), backend("memory", "keyvalue_basic")], results=[pair])
    assert cells(report) == {
        ("valkey", "keyvalue_basic"): "·",
        ("valkey", "stream_basic"): "✓ 1",
        ("memory", "keyvalue_basic"): "✓ 1",
        ("memory", "stream_basic"): "·",
    }


def test_backends_stand_by_kind_and_columns_as_in_the_catalogue() -> None:
    report = Report(
        backends=[
            backend("ghost", kind="unknown", status="refused"),
            backend("acme", *reversed(INTERFACES), kind="fake"),
            backend("memory", "stream_basic"),
            backend("valkey", kind="real server"),
        ]
    )
    rows = matrix(report)
    assert [row.label for row in rows] == ["valkey", "memory", "acme (fake)", "ghost"]
    assert list(rows[0].cells) == [*INTERFACES, "stream_basic"]


@given(report=reports)
def test_no_result_is_lost(report: Report) -> None:
    rows = {row.backend: row for row in matrix(report)}
    assert len(rows) == len({b.name for b in report.backends} | {n for r in report.results for n in r.backends})
    for name, row in rows.items():
        for found in report.results:
            if name in found.backends:
                assert any(row.cells[interface].counts[found.outcome] for interface in found.interfaces)
        counted = sum(cell.counts.total() for cell in row.cells.values())
        assert counted <= sum(len(set(r.interfaces)) for r in report.results if name in r.backends)


def keyvalue(*names: str, outcome: Outcome = Outcome.PASSED, number: int = 14) -> Report:
    made = [
        result(outcome, binding=name, interfaces=[interface], check=f"{interface}{n}")
        for name in names
        for interface in INTERFACES
        for n in range(number)
    ]
    return Report(backends=[backend(name, *INTERFACES) for name in names], results=made)


def test_the_table_has_short_heads() -> None:
    report = keyvalue("memory", "sqlite")
    report.results[0].outcome = Outcome.FAILED
    assert render(matrix(report)) == [
        "keyvalue  basic   scan  ttl   tx    batch  cas",
        "memory    ✗ 1/14  ✓ 14  ✓ 14  ✓ 14  ✓ 14   ✓ 14",
        "sqlite    ✓ 14    ✓ 14  ✓ 14  ✓ 14  ✓ 14   ✓ 14",
    ]


def test_a_model_of_which_nothing_ran_where_others_did_is_only_named() -> None:
    backends = [backend("memory", "keyvalue_basic", "queue_basic", "object_storage"), backend("mine", "keyvalue_basic")]
    ran = result(binding="memory", backends=["memory"], interfaces=["keyvalue_basic"])
    assert render(matrix(Report(backends=backends, results=[ran]))) == [
        "keyvalue        basic",
        "memory          ✓ 1",
        "mine            0",
        "",
        "nothing ran of object_storage, queue",
    ]
    nothing = render(matrix(Report(backends=backends)))
    assert "object_storage  basic" in nothing, "where nothing ran at all, everything is shown"


def test_each_model_has_its_table() -> None:
    report = Report(backends=[backend("memory", "stream_consumer_groups", "keyvalue_basic"), backend("bad", status="refused")])
    assert render(matrix(report)) == [
        "keyvalue  basic",
        "memory    0",
        "bad       refused",
        "",
        "stream    groups",
        "memory    0",
        "bad       refused",
    ]


def test_marks_become_ascii_where_the_stream_has_none() -> None:
    report = keyvalue("memory", outcome=Outcome.FAILED, number=1)
    report.backends.append(backend("sqlite", "keyvalue_basic"))
    rows = matrix(report)
    assert render(rows, encoding="ascii")[1:] == [
        "memory    X 1    X 1   X 1  X 1  X 1    X 1",
        "sqlite    0      .     .    .    .      .",
    ]
    assert legend(rows, encoding="ascii") == ["X failed  0 claimed, nothing ran  . not claimed"]
    assert legend(rows, width=40) == ["✗ failed  0 claimed, nothing ran", "· not claimed"]
    assert legend([]) == []


@pytest.mark.parametrize("number", [1, 150])
def test_the_tables_of_the_whole_catalogue_fit(number: int) -> None:
    report = keyvalue("memory", "a-very-long-name-of-a-backend@15", "acme", number=number)
    report.backends[2].kind = "fake"
    for index, found in enumerate(report.results):
        found.outcome = Outcome.FAILED if index % number else Outcome.PASSED
    lines = render(matrix(report))
    assert max(map(len, lines)) <= 80
    assert sum(line.count("/" if number > 1 else "✓ 1") for line in lines) == 3 * len(INTERFACES)


@given(report=reports, width=st.integers(min_value=50, max_value=200))
def test_no_line_is_wider_than_the_terminal(report: Report, width: int) -> None:
    rows = matrix(report)
    lines = render(rows, width) + legend(rows, width)
    assert all(len(line) <= width for line in lines)
