"""What a trim that nobody was told of may leave of a stream after a kill."""

import pytest

from prism_suites.durability.stream_durability import part_of_a_trim

_BEFORE = [1, 2, 3, 4]


@pytest.mark.parametrize(("found", "after"), [([1, 2, 3], []), ([], []), ([2, 4], [4]), ([4], [4]), ([1, 3, 4], [3, 4])])
def test_any_part_of_what_is_trimmed_may_be_gone(found: list[int], after: list[int]) -> None:
    assert part_of_a_trim(found, _BEFORE, after)


@pytest.mark.parametrize(("found", "after"), [([1, 4], [3, 4]), ([3, 1], []), ([1, 2], [4]), ([5], []), ([1, 1, 4], [4])])
def test_what_is_not_trimmed_stays_and_in_its_order(found: list[int], after: list[int]) -> None:
    assert not part_of_a_trim(found, _BEFORE, after)
