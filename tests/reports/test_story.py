"""A failure reads like a story, and its last line repeats it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report_samples import entry, result, results

from prism_suites.interfaces import keyvalue_ttl_forgetting
from prism_testkit.checks import Check
from prism_testkit.interfaces import (
    InvalidName,
    ObjectMetadata,
)
from prism_testkit.outcomes import Outcome
from prism_testkit.promises import promise_text
from prism_testkit.reports.steps import steps_of
from prism_testkit.reports.story import tell, width_of_terminal
from prism_testkit.results import Failure

COMMAND = "pytest --prism-replay=.prism/witnesses/ttl3.json"
STORY = """\
valkey breaks keyvalue_ttl.3
  "A plain write of the key (`set`, `batch_set`, a transaction's `set`) clears an earlier time to
  live; `set_with_ttl` replaces it, be the new one shorter or longer."

  check     prism_suites/interfaces/keyvalue_ttl.py::plain_set_clears_ttl
  binding   valkey

  the time to live survived a plain set
  expected  None
  got       59.98

  steps
    1. client 0: set_with_ttl('a', b'x', ttl_s=60) -> None
    2. client 0: set('a', b'y') -> None
    3. client 0: ttl('a') -> 59.98

  with
     key = 'a'
     value = b'y'

  137 cases passed before this one (seed 123).
  Flaky: the same case was run again and passed
  The case is in .prism/witnesses/ttl3.json

  Repeat exactly this case:
    pytest --prism-replay=.prism/witnesses/ttl3.json"""


def failure(**changes: object) -> Failure:
    fields = {
        "promise": "keyvalue_ttl.3",
        "promise_text": promise_text("keyvalue_ttl.3"),
        "message": "the time to live survived a plain set",
        "expected": "None",
        "got": "59.98",
        "steps": [
            "client 0: set_with_ttl('a', b'x', ttl_s=60) -> None",
            "client 0: set('a', b'y') -> None",
            "client 0: ttl('a') -> 59.98",
        ],
        "arguments": {"key": "'a'", "value": "b'y'"},
        "cases_before": 137,
        "flaky": "the same case was run again and passed",
        "witness": ".prism/witnesses/ttl3.json",
        "command": COMMAND,
    }
    return Failure.model_validate(fields | changes)


def test_a_failure_reads_like_a_story() -> None:
    assert tell(result(Outcome.FAILED, failure=failure()), 123) == STORY


def test_colour_changes_no_word() -> None:
    told = result(Outcome.FAILED, failure=failure(traceback="  File 'x.py', line 1, in f\n"))
    coloured = tell(told, 123, colour=True)
    assert "\x1b[31m" in coloured
    assert re.sub(r"\x1b\[\d+m", "", coloured) == tell(told, 123)


def test_steps_left_out_are_said_and_numbered_on() -> None:
    steps = [f"client 0: get('{n}') -> None" for n in range(20)]
    lines = tell(
        result(Outcome.FAILED, failure=failure(steps=steps, step_numbers=[*range(1, 6), *range(1206, 1221)])), 1
    ).splitlines()
    first = lines.index("    5. client 0: get('4') -> None")
    assert lines[first + 1 : first + 3] == ["       (1,200 steps left out)", " 1206. client 0: get('5') -> None"]


@pytest.mark.parametrize(
    ("cases", "sentence"),
    [
        (0, "The first case failed (seed 9)."),
        (1, "1 case passed before this one (seed 9)."),
        (1_500, "1,500 cases passed before this one (seed 9)."),
    ],
)
def test_cases_before_are_counted(cases: int, sentence: str) -> None:
    assert f"  {sentence}\n" in tell(result(Outcome.FAILED, failure=failure(cases_before=cases)), 9)


def test_an_error_tells_its_reason_and_how_to_run_it_again() -> None:
    story = tell(result(Outcome.ERROR, reason="the server of 'valkey' is gone"), 9)
    assert story.splitlines()[0] == "valkey: plain_set_clears_ttl: error"
    assert "  the server of 'valkey' is gone\n" in story
    command = "pytest --prism-backend=valkey --prism-seed=9 'prism_suites/interfaces/keyvalue_ttl.py::plain_set_clears_ttl[valkey]'"
    assert story.endswith(f"  Run it again:\n    {command}")


def test_without_a_named_promise_those_judged_stand_there() -> None:
    story = tell(result(Outcome.FAILED, failure=failure(promise="", promise_text="")), 9)
    assert story.startswith("valkey: plain_set_clears_ttl: failed\n  It judges keyvalue_ttl.3.\n")


def test_a_waived_failure_says_so() -> None:
    story = tell(result(Outcome.WAIVED, reason="upstream rounds", failure=failure()), 9)
    assert story.splitlines()[0] == "valkey breaks keyvalue_ttl.3, which is waived: upstream rounds"


def test_data_cannot_move_the_cursor_or_fill_the_screen() -> None:
    bad = failure(
        message="\x1b[2J" + "word\n" * 1_000,
        steps=["a\nb\x1b[H" * 100],
        arguments={"k": "\r" * 1_000},
        traceback="line\n" * 1_000,
        got="x" * 10_000,
    )
    story = tell(result(Outcome.FAILED, failure=bad), 9)
    assert not set(story) - {"\n"} & set(map(chr, range(32)))
    assert "(985 lines left out)" in story
    assert len(story.splitlines()) < 175


@given(told=results, seed=st.integers(min_value=0))
def test_any_result_can_be_told(told: object, seed: int) -> None:
    story = tell(told, seed)  # type: ignore[arg-type]
    assert not set(story) - {"\n"} & set(map(chr, range(32)))
    assert story.splitlines()[-2].endswith(":")


def test_prose_is_wrapped_and_the_command_is_not() -> None:
    long = failure(message="word " * 100, flaky="word " * 100, got="b'" + r"\x00" * 28 + "'", command="pytest " + "x" * 200)
    lines = tell(result(Outcome.FAILED, failure=long), 9).splitlines()
    assert max(map(len, lines[:-1])) <= 100
    assert lines[-1] == "    pytest " + "x" * 200


@pytest.mark.parametrize(("most", "first"), [(20, 5), (4, 1), (3, 0), (1, 0)])
def test_of_many_steps_the_first_and_the_last_stay(most: int, first: int) -> None:
    entries = [entry(2 * n, "get", str(n), client=n % 2) for n in range(50)]
    steps, numbers = steps_of(entries, most)
    kept = [*range(first), *range(50 - (most - first), 50)]
    assert steps == [f"client {n % 2}: get('{n}') -> None" for n in kept]
    told = tell(result(Outcome.FAILED, failure=failure(steps=steps, step_numbers=numbers)), 1)
    assert [n + 1 for n in kept] == numbers == [int(n) for n in re.findall(r"^ +(\d+)\. client", told, re.MULTILINE)]


def test_of_a_long_etag_the_beginning_is_told_and_no_remark_is_broken() -> None:
    made = ObjectMetadata(3, "cba06b5736faf67e54b07b561eae9439", 1_800_000_000_000)
    entries = [entry(0, "put", "bucket", "a key", b"some data" * 2, result=made, ret=9)]
    entries += [entry(2 * n, "get", "k") for n in range(1, 4)]
    (step, *_), numbers = steps_of(entries)
    assert step.partition(" -> ")[2] == "object of 3 bytes, etag 'cba06b5736fa…', put at 1800000000000 (overlaps steps 2 to 4)"
    told = tell(result(Outcome.FAILED, failure=failure(steps=[step], step_numbers=numbers[:1])), 1, width=80).splitlines()
    assert told[told.index("  steps") + 2 :][:2] == [
        "           -> object of 3 bytes, etag 'cba06b5736fa…', put at 1800000000000",
        "               (overlaps steps 2 to 4)",
    ]


def test_of_a_long_step_what_came_back_begins_a_line_and_lines_end_between_words() -> None:
    refused = InvalidName("acme: put_stream 'k': a value must be bytes, bytearray or memoryview")
    steps, numbers = steps_of([entry(0, "put_stream", "a bucket", "a key of some length", None, error=refused)])
    told = tell(result(Outcome.FAILED, failure=failure(steps=steps, step_numbers=numbers)), 1, width=80).splitlines()
    assert told[told.index("  steps") + 1 :][:3] == [
        "    1. client 0: put_stream('a bucket', 'a key of some length', None)",
        "           raises InvalidName(acme: put_stream 'k': a value must be bytes,",
        "               bytearray or memoryview)",
    ]


@pytest.mark.parametrize("width", [72, 80, 100])
def test_a_story_is_as_wide_as_the_terminal(width: int) -> None:
    long = failure(message="word " * 50, flaky="word " * 50, got="b'" + r"\x00" * 28 + "'", steps=["x" * 200], hint="word " * 30)
    lines = tell(result(Outcome.FAILED, failure=long), 1, width=width).splitlines()
    assert width - 6 < max(len(line) for line in lines[:-1] if "::" not in line) <= width


@pytest.mark.parametrize(("columns", "width"), [("80", 80), ("40", 72), ("200", 100)])
def test_the_width_is_that_of_the_terminal_within_bounds(monkeypatch: pytest.MonkeyPatch, columns: str, width: int) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert width_of_terminal() == width


def test_a_story_tells_what_the_check_says() -> None:
    told = result(Outcome.FAILED, failure=failure()).model_copy(update={"says": "A plain set clears a time to live."})
    lines = tell(told, 1).splitlines()
    place = next(number for number, line in enumerate(lines) if line.startswith("  check  "))
    assert lines[place + 1] == "            A plain set clears a time to live."


def test_a_check_that_holds_the_same_as_the_one_above_says_both() -> None:
    said = {name: thing.says for name, thing in vars(keyvalue_ttl_forgetting).items() if isinstance(thing, Check)}
    assert not [name for name, words in said.items() if words.startswith("The same ") or "(KV-" in words]
    assert any(words.endswith(". The same with transactions.") for words in said.values())
