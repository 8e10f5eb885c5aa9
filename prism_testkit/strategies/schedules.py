"""A Hypothesis strategy for plans: who goes next where calls overlap."""

from hypothesis import strategies as st

from prism_testkit.plan import MOST_CHANGES, MOST_PRIORITIES, Plan

__all__ = ["plans"]


def plans(steps: int = 60) -> st.SearchStrategy[Plan]:
    """Return a strategy for plans of at most 8 priorities and 4 change points, the latter among the first ``steps`` choices.

    Each call makes two choices, one before and one after it, so 60 reach about 30 calls; smaller scenarios are found sooner with
    fewer. Shrinks to no deviation: fewer change points, then earlier ones.
    """
    priorities = st.lists(st.integers(0, MOST_PRIORITIES - 1), max_size=MOST_PRIORITIES)
    change = st.tuples(st.integers(1, steps), st.integers(0, MOST_CHANGES - 1))
    changes = st.lists(change, max_size=MOST_CHANGES, unique_by=lambda drawn: drawn[0])
    return st.builds(lambda drawn, at: Plan(tuple(drawn), tuple(at)), priorities, changes)
