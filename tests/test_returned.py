"""References to results in the steps of a writing process."""

from prism_testkit.returned import Returned, filled_in, referred_to
from prism_testkit.witness import decode, encode


def test_what_others_refer_to_is_kept() -> None:
    steps = [("receive", ("q", 5)), ("receive", ("q", 5)), ("ack", (Returned(1),)), ("extend", (Returned(0), 7))]
    assert referred_to(steps) == {0, 1}
    assert referred_to(steps[:2]) == set()


def test_references_are_filled_in_and_the_rest_is_left() -> None:
    assert filled_in((Returned(1), 7, "x", [Returned(1)]), {1: "lease"}) == ("lease", 7, "x", [Returned(1)])


def test_a_reference_travels() -> None:
    assert decode(encode((Returned(3), b"x"))) == (Returned(3), b"x")
