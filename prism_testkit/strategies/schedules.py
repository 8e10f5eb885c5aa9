"""A Hypothesis strategy for plans: who goes next where calls overlap."""

from hypothesis import strategies as st

from prism_testkit.plan import MOST_CHANGES, MOST_PRIORITIES, Plan

__all__ = ["plans"]


def plans(steps: int = 60, *, dense: bool = False) -> st.SearchStrategy[Plan]:
    """Return a strategy for plans of at most 8 priorities and 4 change points, the latter among the first ``steps`` choices.

    Each call makes two choices, one before and one after it, so 60 reach about 30 calls; smaller scenarios are found sooner with
    fewer. Shrinks to no deviation: fewer change points, then earlier ones. ``dense``: two of three plans have three change points
    or more, and half of them no priorities: where a dozen examples are all there is, each has to meet several windows.
    """
    priorities = st.lists(st.integers(0, MOST_PRIORITIES - 1), max_size=MOST_PRIORITIES)
    change = st.tuples(st.integers(1, steps), st.integers(0, MOST_CHANGES - 1))

    def changes(least: int) -> st.SearchStrategy[list[tuple[int, int]]]:
        # Lists all of them, so that the shrinker gets from one to the next.
        return st.lists(change, min_size=min(least, steps), max_size=MOST_CHANGES, unique_by=lambda drawn: drawn[0])

    given = st.one_of(st.just([]), priorities) if dense else priorities
    at = st.one_of(changes(0), changes(3), changes(MOST_CHANGES)) if dense else changes(0)
    return st.builds(lambda drawn, changed: Plan(tuple(drawn), tuple(changed)), given, at)
