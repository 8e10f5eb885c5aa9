"""Plans as data: what they are, how they are drawn, what they shrink to, and how they travel."""

import json

import pytest
from hypothesis import find, given, settings

import prism_testkit as prism
from prism_testkit.plan import MOST_CHANGES, MOST_PRIORITIES, Plan
from prism_testkit.witness import decode, encode


def test_the_default_does_not_deviate() -> None:
    assert not Plan().deviates
    assert Plan((0, 0, 0)) == Plan()
    assert Plan((0, 1)).deviates
    assert Plan(changes=((1, 0),)).deviates


def test_equal_plans_are_spelt_alike() -> None:
    assert Plan((1, 0, 0), ((9, 1), (4, 0), (9, 3))) == Plan((1,), ((4, 0), (9, 1)))


@pytest.mark.parametrize("wrong", [((-1,), ()), ((), ((0, 0),)), ((), ((1, -1),))])
def test_what_is_no_plan_is_refused(wrong: tuple[tuple[int, ...], tuple[tuple[int, int], ...]]) -> None:
    with pytest.raises(ValueError, match="priorities are 0 or more"):
        Plan(*wrong)


@given(plan=prism.plans(steps=9))
def test_drawn_plans_keep_to_their_bounds_and_travel_as_json(plan: Plan) -> None:
    assert len(plan.priorities) <= MOST_PRIORITIES
    assert len(plan.changes) <= MOST_CHANGES
    assert all(1 <= step <= 9 for step, _ in plan.changes)
    assert decode(json.loads(json.dumps(encode(plan)))) == plan


def test_they_shrink_to_none_and_to_one() -> None:
    once = settings(database=None, max_examples=2000)
    assert find(prism.plans(), lambda plan: True, settings=once) == Plan()
    late = find(prism.plans(), lambda plan: any(step >= 7 for step, _ in plan.changes), settings=once)
    assert late == Plan(changes=((7, 0),))
    assert find(prism.plans(), lambda plan: len(plan.priorities) > 1, settings=once) == Plan((0, 1))


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(), "no preemption"),
        (Plan(changes=((4, 0),)), "one preemption at step 4"),
        (Plan(changes=((4, 0), (7, 1), (9, 0))), "3 preemptions, at steps 4, 7 and 9"),
        (Plan((0, 2), ((4, 0),)), "priorities 0, 2; one preemption at step 4"),
    ],
)
def test_a_plan_says_itself_in_words(plan: Plan, words: str) -> None:
    assert str(plan) == words
