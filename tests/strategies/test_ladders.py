"""Ladders hold what they say, and nothing over the limit; no instant lies where present and missing are both legal."""

import math
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prism_testkit.strategies.ladders import around, counts, durations, over, rungs, sizes

_SECONDS = st.floats(0.001, 1e10)
_SLACK = st.sampled_from([0.0, 1e-9, 0.001, 0.1, 1 / 3, 1.0, 60.0])


@given(st.integers(0, 2_000_000), st.lists(st.integers(0, 2_000_000), max_size=4))
def test_sizes_are_the_ladder_up_to_the_limit(limit: int, thresholds: list[int]) -> None:
    found = sizes(limit, thresholds)
    assert found == sorted(set(found))
    assert found[0] == 0
    assert found[-1] == limit
    centres = [2**n for n in range(22)] + [10**n for n in range(8)] + thresholds
    wanted = {centre + step for centre in centres for step in (-1, 0, 1)} | {limit, limit - 1}
    assert set(found) == {size for size in wanted if 0 <= size <= limit} | {0} | {size for size in (1,) if size <= limit}


@pytest.mark.parametrize(("limit", "expected"), [(0, [0]), (1, [0, 1]), (3, [0, 1, 2, 3]), (6, [0, 1, 2, 3, 4, 5, 6])])
def test_small_limits_have_every_size(limit: int, expected: list[int]) -> None:
    assert sizes(limit) == expected


@pytest.mark.parametrize("limit", [1, 64, 255, 512, 1_000_000])
def test_over_is_over_and_near(limit: int) -> None:
    assert over(limit)[0] == limit + 1
    assert all(size > limit for size in over(limit))
    assert {limit + 2**8, limit + 2**16, 2 * limit + 1} <= set(over(limit)), "what a field of 8 or 16 bits takes for the limit"


@pytest.mark.parametrize("ceiling", [0, 1, 2, 10, 11, 100, 1030, 5000])
def test_counts_hold_every_page_size_with_its_neighbours(ceiling: int) -> None:
    pages = {near for page in (1, 10, 25, 50, 100, 128, 256, 500, 512, 1000, 1024) for near in (page - 1, page, page + 1)}
    assert {page for page in pages if page <= ceiling} <= set(counts(ceiling))
    assert counts(ceiling) == sorted(set(counts(ceiling)))
    assert counts(ceiling)[-1] == ceiling


def test_rungs_are_where_columns_end() -> None:
    assert {1, 63, 64, 100, 127, 128, 255, 256, 511, 512} <= set(rungs(512))
    assert rungs(0) == []
    assert rungs(600)[-1] == 512


def test_durations_hold_every_unit_and_every_width() -> None:
    wanted = [
        0.001,
        0.25,
        0.5,
        0.999,
        1,
        1.5,
        2,
        59.9,
        60,
        61,
        3599,
        3600,
        86400,
        2**31 / 1000,
        2**32 / 1000,
        2**31 - 1,
        2**31,
        2**32,
    ]
    assert set(wanted) | {1e9, 1e10} <= set(durations())
    assert durations() == sorted(set(durations()))
    assert durations(60, 61) == [60, 60.5, 61]


@given(_SECONDS, _SLACK, _SLACK)
def test_no_offset_lies_in_the_slack(deadline: float, resolution: float, late: float) -> None:
    before, after = around(deadline, resolution, late)
    gone = Fraction(deadline) + Fraction(resolution) + Fraction(late)
    assert all(0 <= Fraction(offset) <= Fraction(deadline) - max(Fraction(resolution), Fraction(1, 1000)) for offset in before)
    assert all(Fraction(offset) >= gone for offset in after)
    assert math.nextafter(after[0], 0) < gone
    assert list(before) == sorted(set(before))
    assert list(after) == sorted(set(after))
    assert len(after) >= 4
    assert after[-1] > 2 * deadline


def test_before_and_after_a_minute() -> None:
    before, after = around(60, 0.001, 2)
    assert {0, 0.001, 30, 54} <= set(before)
    assert before[-1] == pytest.approx(59.999, abs=1e-9)
    assert after[0] == pytest.approx(62.001, abs=1e-9)


@pytest.mark.parametrize("deadline", [-1e10, -1.0, 0.0, 0.0005])
def test_what_expires_at_once_has_no_before(deadline: float) -> None:
    before, after = around(deadline, 0.001, 0.0)
    assert before == ()
    assert after[0] >= 0.001


def test_a_resolution_longer_than_the_deadline_leaves_no_before() -> None:
    assert around(0.5, 1.0, 0.0)[0] == ()
