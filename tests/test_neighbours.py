"""Of a case that fails it is told with which other values of one argument the check passed."""

from prism_testkit.neighbours import neighbours

LATE = {"most": 1, "ending": "deadline", "look": "peek"}


def test_what_differs_in_one_argument_alone_is_told() -> None:
    passed = [
        {"most": 1, "ending": "release", "look": "peek"},
        {"most": 3, "ending": "release", "look": "peek"},
        {"most": 1, "ending": "deadline", "look": "receive"},
        {"most": 1, "ending": "deadline", "look": "list"},
    ]
    assert neighbours(LATE, passed) == {"ending": ["'release'"], "look": ["'receive'", "'list'"]}


def test_what_is_long_of_another_type_or_often_is_not_told() -> None:
    passed = [{"most": n, "ending": "deadline", "look": "peek"} for n in (True, 2, 2, 3, 4, 5, 6, "x" * 999)]
    assert neighbours(LATE, passed) == {"most": ["True", "2", "3", "4"]}
    assert neighbours({"a": 1}, [{"b": 1}, {}]) == {}
