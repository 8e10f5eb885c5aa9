"""Each change of a shipped driver still fits its text, and a check over the real server names the promise that it breaks."""

import os
import zlib
from collections import Counter

import pytest

from .change import Change, hunt, judge
from .changes import CHANGES, MISSED, UNUSUAL

WHOLE = os.environ.get("PRISM_ZOO") == "all"
QUICK = ("valkey",)
ONE_IN = 40
"""Of those on a server that every machine has; each takes a run of pytest. `make kills` hunts all."""

HUNTED = [c for c in CHANGES if WHOLE or (c.backend in QUICK and zlib.crc32(c.name.encode()) % ONE_IN == 0)]


def test_names_are_unique() -> None:
    assert not [name for name, count in Counter(change.name for change in [*CHANGES, *MISSED]).items() if count > 1]


@pytest.mark.parametrize("change", [*CHANGES, *MISSED, *(change for change, _, _ in UNUSUAL)], ids=lambda change: change.name)
def test_a_change_is_of_a_text_that_stands_there_once(change: Change) -> None:
    assert [change.source.count(before) for before, _ in change.texts] == [1] * len(change.texts)
    assert change.changed != change.source
    compile(change.changed, change.module, "exec")


@pytest.mark.parametrize("change", HUNTED, ids=lambda change: change.name)
def test_a_check_names_the_promise_that_a_change_breaks(change: Change) -> None:
    found = hunt(change)
    if not found.ran:
        pytest.skip(f"{change.backend} was not judged here: {found.said}")
    assert found.caught, f"{change.name} breaks {change.promise}: {found.how}"


@pytest.mark.parametrize(("change", "suites", "named"), UNUSUAL, ids=[change.name for change, _, _ in UNUSUAL])
def test_no_check_fails_on_a_driver_that_is_right_but_unusual(change: Change, suites: str, named: str) -> None:
    found = judge(change, suites, named)
    if not found.ran:
        pytest.skip(f"{change.backend} was not judged here: {found.said}")
    assert not found.named, found.how
