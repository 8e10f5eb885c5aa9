"""The header says what runs on what, the summary what came of it; nothing is skipped in silence."""

import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import backend, reports, result

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.terminal import StreamWriter, colour_wanted, header_lines, write_summary
from prism_testkit.results import BackendReport, NotRun, Report

SERVER: dict[str, Any] = {"kind": "real server", "version": "9.1.2", "origin": "wheel"}
BACKENDS = [
    backend("memory"),
    backend("acme", kind="fake"),
    backend("valkey", **SERVER),
    backend("sqlite"),
    backend("redis", kind="unknown", status="unavailable", reason="pip install 'prism-testkit[redis]'"),
    backend("bad", kind="unknown", status="refused", reason="bad.py: connect:\n  expected a function"),
]


class Tty(io.StringIO):
    def isatty(self) -> bool:
        return True


def summary(report: Report, **options: Any) -> str:
    stream = io.StringIO()
    write_summary(StreamWriter(stream), report, **({"width": 200} | options))
    return stream.getvalue()


def block(text: str, heading: str) -> list[str]:
    """Return the lines under a heading, to the next empty one."""
    lines = text.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(heading)) + 1
    return [line.strip() for line in lines[start : lines.index("", start)]]


def test_the_header_says_what_runs_on_what() -> None:
    assert header_lines(BACKENDS, "standard", 123) == [
        "prism: valkey (real server 9.1.2, wheel), memory, sqlite (embedded), acme (fake); level standard, seed 123",
        "prism: redis is unavailable: pip install 'prism-testkit[redis]'",
        "prism: bad is refused: bad.py: connect: expected a function",
    ]


@pytest.mark.parametrize(
    ("changes", "description"),
    [({}, "real server"), ({"origin": "url"}, "real server, url"), ({"version": "16.3"}, "real server 16.3")],
)
def test_a_server_is_described_by_what_is_known_of_it(changes: dict[str, str], description: str) -> None:
    lines = header_lines([backend("postgres", kind="real server", **changes)], "smoke", 1)
    assert lines == [f"prism: postgres ({description}); level smoke, seed 1"]


def test_a_header_without_backends_says_so() -> None:
    assert header_lines([], "smoke", 1) == ["prism: no backend; level smoke, seed 1"]


def test_the_summary_of_a_good_run_is_short() -> None:
    report = Report(backends=[backend("valkey", "keyvalue_ttl")], results=[result(duration_s=0.1)], seed=7, level="smoke")
    assert summary(report, json_path="out.json").splitlines() == [
        "==================================== prism =====================================",
        "keyvalue  ttl",
        "valkey    ✓ 1",
        "",
        "✓ passed",
        "",
        "1 passed; level smoke, seed 7",
        "report: out.json",
    ]


def test_long_lines_are_broken_between_words() -> None:
    report = Report(results=[result(Outcome.UNAVAILABLE, reason="word " * 60)], problems=["problem " * 30, "x" * 100])
    lines = summary(report, width=80).splitlines()
    assert "x" * 100 in (line.strip() for line in lines)
    assert max(len(line) for line in lines if "xxx" not in line) <= 80
    start = next(number for number, line in enumerate(lines) if line.startswith("  unavailable   plain"))
    assert lines[start + 1].startswith("      word word")
    assert sum(line.count("word") for line in lines) == 60


def test_the_same_reason_stands_once() -> None:
    reason = "this check kills a server, and\n   PRISM_VALKEY_URL gives a shared one"
    one_line = "this check kills a server, and PRISM_VALKEY_URL gives a shared one"
    lost = [result(Outcome.UNAVAILABLE, check=f"kill{n}", reason=reason, binding=b) for n in range(3) for b in ("valkey", "redis")]
    report = Report(results=[*lost, result(Outcome.INCONCLUSIVE, reason=reason), result(Outcome.ERROR, reason="it crashed")])
    assert block(summary(report), "did not run") == [
        f"unavailable   6 checks on valkey, redis: {one_line}",
        f"inconclusive  plain_set_clears_ttl[valkey]: {one_line}",
        "error         plain_set_clears_ttl[valkey]: it crashed",
    ]
    assert block(summary(report, verbose=True), "did not run")[:4] == [
        f"unavailable   6 checks on valkey, redis: {one_line}",
        "kill0[valkey]",
        "kill0[redis]",
        "kill1[valkey]",
    ]


def test_an_absent_backend_is_named_once_with_its_reason() -> None:
    lost = result(Outcome.UNAVAILABLE, binding="redis", reason="no server")
    absent = {"kind": "unknown", "status": "unavailable", "reason": "no server"}
    report = Report(backends=[backend("redis", **absent), backend("kafka", **absent)], results=[lost])
    assert block(summary(report), "did not run") == [
        "unavailable   kafka: no server",
        "unavailable   plain_set_clears_ttl[redis]: no server",
    ]


def test_what_was_never_started_is_named_with_its_reason() -> None:
    waiting = [NotRun(what=f"check{n}", reason="level smoke") for n in range(5)] + [NotRun(what="x", reason="no binding")]
    assert block(summary(Report(not_run=waiting)), "did not run") == [
        "not run       5 (check0, check1, ...): level smoke",
        "not run       x: no binding",
    ]
    assert "check0, check1, check2, check3, check4: level smoke" in summary(Report(not_run=waiting), verbose=True)


def test_waived_checks_stand_with_their_reason() -> None:
    report = Report(results=[result(Outcome.WAIVED, reason="upstream rounds"), result(Outcome.WAIVED, check="b", reason="never")])
    assert block(summary(report), "waived (2)") == ["plain_set_clears_ttl[valkey]: upstream rounds", "b[valkey]: never"]


def test_problems_keep_their_lines() -> None:
    assert block(summary(Report(problems=["bad is refused:\n  connect: \x1b[2J", "a leaked task"])), "problems (2)") == [
        "bad is refused:",
        "connect: \\x1b[2J",
        "a leaked task",
    ]


def test_only_slow_checks_are_named_and_at_most_five() -> None:
    report = Report(results=[result(check=f"c{n}", duration_s=n / 4) for n in range(9)])
    assert block(summary(report), "slowest") == [f"{n / 4:.2f} s  c{n}[valkey]" for n in (8, 7, 6, 5, 4)]
    assert "slowest" not in summary(Report(results=[result(duration_s=0.5)]))


def test_notes_are_counted_and_told_when_asked() -> None:
    report = Report(results=[result(notes=["lost 2 of 100", "slow"]), result(check="b", notes=["late"]), result(check="c")])
    assert "\n3 notes on 2 checks; -v or the report shows them\n" in summary(report)
    assert block(summary(report, verbose=True), "3 notes on 2 checks") == [
        "plain_set_clears_ttl[valkey]: lost 2 of 100",
        "plain_set_clears_ttl[valkey]: slow",
        "b[valkey]: late",
    ]


def test_unfinished_checks_are_named() -> None:
    report = Report(unfinished=[f"a::{n}" for n in range(7)])
    expected = [f"a::{n}" for n in range(5)]
    assert block(summary(report), "unfinished (7)") == [*expected, "and 2 more; -v or the report shows them"]
    assert block(summary(report, verbose=True), "unfinished (7)") == [f"a::{n}" for n in range(7)]


def test_an_id_that_is_wider_than_the_terminal_stands_under_its_heading() -> None:
    identifier = f"prism_suites/interfaces/{'x' * 60}.py::a_check[memory]"
    assert f"\n  {identifier}\n" in summary(Report(unfinished=[identifier]), width=80)


def test_every_outcome_is_counted_in_the_last_line() -> None:
    report = Report(results=[result(outcome) for outcome in Outcome] * 2, seed=5, level="thorough")
    last = "2 passed, 2 failed, 2 waived, 2 inconclusive, 2 error, 2 unavailable; level thorough, seed 5"
    assert summary(report).splitlines()[-1] == last
    assert summary(Report()).splitlines()[-1] == "no check ran; level unknown, seed 0"


@given(report=reports, verbose=st.booleans(), encoding=st.sampled_from(["utf-8", "ascii", "latin-1"]))
def test_any_report_is_printable_and_says_every_reason(report: Report, verbose: bool, encoding: str) -> None:
    text = summary(report, verbose=verbose, encoding=encoding)
    assert text.encode(encoding)
    assert text.replace("\n", "").isprintable()
    for found in report.results:
        if found.outcome in (Outcome.UNAVAILABLE, Outcome.INCONCLUSIVE, Outcome.ERROR, Outcome.WAIVED):
            assert str(found.outcome) in text
    assert f"seed {report.seed}" in text


class Recorder:
    """Records the markup of each line, as pytest's reporter would be asked for it."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, bool]]] = []

    def write_sep(self, sep: str, title: str | None = None, **markup: bool) -> None:
        self.lines.append((f"{sep} {title}", markup))

    def write_line(self, line: str, **markup: bool) -> None:
        self.lines.append((line, markup))


def test_markup_is_what_pytest_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PY_COLORS", "1")
    recorder = Recorder()
    write_summary(recorder, Report(problems=["x"], unfinished=["y"], results=[result(outcome) for outcome in Outcome]))
    stream = io.StringIO()
    # pytest gives no public name to its terminal writer; its markup is what the reporter accepts.
    from _pytest._io import TerminalWriter

    writer = TerminalWriter(stream)
    for line, markup in recorder.lines:
        writer.line(line, **markup)
    assert "\x1b[31mproblems (1)\x1b[0m" in stream.getvalue()
    plain_writer = StreamWriter(coloured := io.StringIO(), colour=True)
    for line, markup in recorder.lines[1:]:
        plain_writer.write_line(line, **markup)
    assert coloured.getvalue() == stream.getvalue().partition("\n")[2]


@pytest.mark.parametrize(
    ("environ", "wanted"),
    [
        ({"TERM": "xterm"}, True),
        ({"TERM": "xterm", "NO_COLOR": ""}, True),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False),
        ({"TERM": "dumb"}, False),
        ({}, False),
    ],
)
def test_colour_needs_a_terminal_and_no_objection(environ: dict[str, str], wanted: bool) -> None:
    assert colour_wanted(Tty(), environ) is wanted
    assert colour_wanted(io.StringIO(), environ) is False


def test_a_pipe_gets_no_escape() -> None:
    assert "\x1b" not in summary(Report(problems=["x"], backends=[BackendReport(name="a", kind="fake", status="available")]))
