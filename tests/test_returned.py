"""References to results in the steps of a writing process."""

from types import MappingProxyType

from prism_testkit.interfaces import Lease, QueueMessage
from prism_testkit.returned import TELL, Returned, filled_in, portable, referred_to
from prism_testkit.witness import decode, encode


def test_what_others_refer_to_is_kept() -> None:
    steps = [("receive", ("q", 5)), ("receive", ("q", 5)), ("ack", (Returned(1),)), ("extend", (Returned(0), 7))]
    assert referred_to(steps) == {0, 1}
    assert referred_to(steps[:2]) == set()
    assert referred_to([*steps[:2], (TELL, (Returned(0),))]) == {0}


def test_references_are_filled_in_and_the_rest_is_left() -> None:
    assert filled_in((Returned(1), 7, "x", [Returned(1)]), {1: "lease"}) == ("lease", 7, "x", [Returned(1)])


def test_a_reference_travels() -> None:
    assert decode(encode((Returned(3), b"x"))) == (Returned(3), b"x")


class _OwnLease(Lease):
    """What a driver derives; another process need not know it."""


class _OwnBytes(bytes):
    pass


def test_a_result_is_told_as_the_interface_has_it() -> None:
    message = QueueMessage("1", _OwnBytes(b"\xff"), MappingProxyType({"a": "b"}))
    told = decode(encode(portable((_OwnLease("q", message, 2, "token"), [None, 1.5]))))
    assert told == [Lease("q", QueueMessage("1", b"\xff", {"a": "b"}), 2, "token"), [None, 1.5]]
    assert type(told[0]) is Lease
    assert type(told[0].message.payload) is bytes
