"""Many failures of one cause are told as one: the first whole, the others in three lines, and what to mend first."""

from typing import Any

import pytest
from hypothesis import given
from report_samples import reports, result

from prism_testkit.outcomes import Outcome
from prism_testkit.reports.causes import MOST_WHOLE, Told, beginning_lines, cause_key
from prism_testkit.reports.story import tell_again
from prism_testkit.results import CheckResult, Failure, Report

AT = '  File "/x/mine.py", line 7, in get\n    return 1 + ""\n'


def failed(check: str, message: str, promise: str = "keyvalue_basic.1", binding: str = "mine", **changes: Any) -> CheckResult:
    failure = Failure(
        promise=promise, promise_text="So.", message=message, command=f"pytest --prism-replay={check}.json", **changes
    )
    return result(Outcome.FAILED, check=check, binding=binding, failure=failure)


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (
            failed("a", "get('a') raised TypeError: x", traceback=AT),
            failed("b", "get('b') raised TypeError", traceback=AT),
            True,
        ),
        (
            failed("a", "get('a') raised TypeError: x", traceback=AT),
            failed("b", "get('b') raised KeyError", traceback=AT),
            False,
        ),
        (
            failed("a", "get('a') raised TypeError", traceback=AT),
            failed("b", "get('a') raised TypeError", binding="yours"),
            False,
        ),
        (failed("a", "get gives 5 of 6 keys"), failed("b", "get gives 1 of 2 keys"), True),
        (failed("a", "it is late", binding="mine.queue_basic"), failed("b", "it is late", binding="mine.queue_delayed"), True),
        (failed("a", "get gives 5 of 6 keys"), failed("b", "get gives 5 of 6 keys", promise="keyvalue_basic.2"), False),
        (failed("a", "one thing", hint="an await is missing"), failed("b", "another", hint="an await is missing"), True),
        (failed("a", "get('a') never returned: no end"), failed("b", "get(key='b') never returned: nothing is ready"), True),
        (failed("a", "get('a') did not return within 2 s"), failed("b", "set('a', b'') did not return within 2 s"), False),
    ],
)
def test_what_is_taken_for_one_cause(one: CheckResult, other: CheckResult, same: bool) -> None:
    assert (cause_key(one) == cause_key(other)) is same


def test_only_the_first_of_a_cause_is_told_whole_also_when_it_comes_again() -> None:
    first, second, apart = failed("a", "wrong"), failed("b", "wrong"), failed("c", "otherwise")
    told = Told()
    assert [told.before(each) for each in (first, second, apart, first)] == [None, first.id, None, None]


def test_of_very_many_causes_only_the_first_are_told_whole() -> None:
    told = Told()
    each = [failed("a", "wrong " + "x" * n) for n in range(MOST_WHOLE + 5)]
    each = [one.model_copy(update={"id": f"a.py::a{n}[mine]"}) for n, one in enumerate(each)]
    assert [told.before(one) for one in each] == [None] * MOST_WHOLE + [""] * 5
    assert tell_again(each[-1], "", 80).splitlines()[-2:] == [
        "  much fails: it is told whole by this command, and by -v",
        "    pytest --prism-replay=a.json",
    ]


def test_a_failure_of_a_cause_that_was_told_takes_three_lines_the_last_of_which_repeats_it() -> None:
    again = tell_again(failed("b", "get gives\nnothing \x1b[31m"), "prism_suites/interfaces/keyvalue_ttl.py::a[mine]")
    assert again.splitlines() == [
        "mine breaks keyvalue_basic.1: get gives nothing \\x1b[31m",
        "  as in a[mine], which is told whole; -v tells all so",
        "    pytest --prism-replay=b.json",
    ]


def test_where_to_begin_names_each_cause_once_by_its_simplest_case() -> None:
    lines = list(
        beginning_lines(
            [
                failed("vague", "a key is lost"),
                failed("late", "scan is wrong", promise="keyvalue_scan.1"),
                failed("long", "get('a') raised TypeError: x", promise="keyvalue_scan.1", traceback=AT, steps=["1", "2"]),
                failed("short", "get('a') raised TypeError: x", promise="keyvalue_scan.2", traceback=AT, steps=["1"]),
                result(Outcome.PASSED),
            ]
        )
    )
    assert lines == [
        "where to begin: 4 failures of 3 causes, it seems; the simplest first",
        "  1. get('a') raised TypeError: x",
        "     keyvalue_scan.2: short[mine], and 1 more",
        "     pytest --prism-replay=short.json",
        "  2. a key is lost",
        "     keyvalue_basic.1: vague[mine]",
        "     pytest --prism-replay=vague.json",
        "  3. scan is wrong",
        "     keyvalue_scan.1: late[mine]",
        "     pytest --prism-replay=late.json",
    ]


def test_a_hint_stands_under_what_it_explains_and_answers_of_wrong_types_are_of_one_cause() -> None:
    one = failed("one", "exists finds a key", hint="exists returned a tuple; the contract says bool")
    other = failed("other", "exists finds no key", hint="exists returned None; the contract says bool")
    assert list(beginning_lines([one, other]))[:3] == [
        "where to begin: 2 failures of 1 cause, it seems",
        "  1. exists finds a key",
        "     hint: exists returned a tuple; the contract says bool",
    ]


def test_one_failure_is_told_on_the_last_screen_too_and_many_causes_are_cut() -> None:
    assert list(beginning_lines([failed("a", "wrong", expected="None", got="b'v'")])) == [
        "where to begin: 1 failure",
        "  1. wrong",
        "     expected None, got b'v'",
        "     keyvalue_basic.1: a[mine]",
        "     pytest --prism-replay=a.json",
    ]
    assert list(beginning_lines([result(Outcome.PASSED)])) == []
    many = [failed(word, f"wrong {word}") for word in "abcdefgh"]
    assert next(beginning_lines(many)) == "where to begin: 8 failures of 1 promise, often of 1 cause; the simplest first"
    many[0] = failed("a", "wrong a", promise="keyvalue_basic.2")
    lines = list(beginning_lines(many))
    assert lines[0] == "where to begin: 8 failures of 8 causes at most, often one; simplest first"
    assert lines[-1] == "  and 3 more failures, told above"
    assert list(beginning_lines(many[:6]))[-1] == "  and 1 more failure, told above"


def test_what_differs_at_the_end_of_long_data_is_told_on_the_last_screen_too() -> None:
    got = f"{{'{'a' * 60}', … 1 more}}; too many: 'b'"
    result = failed("a", "wrong", expected="{" + "a" * 90 + "}", got=got, arguments={"n": "1"}, passes_with={"n": ["2", "3"]})
    expected, told, passes = list(beginning_lines([result], 80))[2:5]
    assert len(expected) == len(told) == 80
    assert told.startswith("     got {'aaaa")
    assert told.endswith("… 1 more}; too many: 'b'")
    assert passes == "     with n = 1 (passes with 2, 3)"


def test_a_binding_that_is_long_stands_on_a_line_of_its_own() -> None:
    binding = "claim-check:mine[queue=memory.pubsub_persistent,store=memory.object_storage]"
    assert list(beginning_lines([failed("a", "wrong", promise="CC4", binding=binding)]))[2:4] == [
        "     CC4: a",
        f"       on {binding}",
    ]


@given(report=reports)
def test_any_report_has_a_beginning_in_lines_that_fit(report: Report) -> None:
    lines = list(beginning_lines(report.results, 60))
    assert (len(lines) > 0) is any(each.failure is not None for each in report.results)
    assert all(len(line) < 120 for line in lines if line.startswith(("  1.", "     hint:")))
