"""What a group of the Kafka drivers knows, without a server: turns, keys, members, and that a log has one outcome."""

from typing import Any

import pytest

from prism_backends.kafka.book import Book, Divided
from prism_backends.kafka.groups import HORIZON_MS, Group
from prism_testkit.interfaces.errors import CorruptPayload


def taken(group: Group, end: int, most: int, keys: dict[int, str] | None = None, now_ms: int = 0) -> list[int]:
    """Let one member hold the next of partition 1."""
    found = group.turns([1], {1: end}, {(1, offset): key for offset, key in (keys or {}).items()}, now_ms)
    places = []
    while len(places) < most and (place := next(found, None)) is not None:
        group.hold(place, "m", 1)
        places.append(place[1])
    return places


def test_what_its_member_left_has_its_old_turn() -> None:
    group = Group()
    assert taken(group, 4, 2) == [0, 1]
    group.give_back("m", lambda batch: True)
    assert taken(group, 4, 4) == [0, 1, 2, 3]
    assert group.counts == {(1, 0): 2, (1, 1): 2, (1, 2): 1, (1, 3): 1}


def test_what_is_nacked_to_the_end_lets_pass_what_was_there() -> None:
    group = Group()
    assert taken(group, 4, 2) == [0, 1]
    group.nack((1, 1), 0, to_the_end=True)
    group.nack((1, 0), 0, to_the_end=True)
    assert taken(group, 6, 9) == [2, 3, 1, 0, 4, 5]


def test_what_is_nacked_otherwise_keeps_its_turn_once_it_is_due() -> None:
    group = Group()
    assert taken(group, 4, 2) == [0, 1]
    group.nack((1, 0), 10, to_the_end=False)
    group.nack((1, 1), 0, to_the_end=False)
    assert taken(group, 4, 2) == [1, 2]
    assert taken(group, 4, 2, now_ms=10) == [0, 3]


def test_a_key_is_held_by_one_at_a_time() -> None:
    group = Group()
    keys = {0: "a", 1: "a", 2: "b", 4: "a"}
    assert taken(group, 5, 9, keys) == [0, 2, 3]
    group.done((1, 0))
    assert taken(group, 5, 9) == [1]
    group.nack((1, 1), 0, to_the_end=True)
    assert taken(group, 5, 9) == [1], "what was behind it does not come before"
    group.done((1, 1))
    assert taken(group, 5, 9) == [4]
    for offset in (2, 3, 4):
        group.done((1, offset))
    assert (group.counts, group.held, group.again, group.keys, group.behind) == ({}, {}, {}, {}, {})


def test_what_is_gone_frees_what_was_behind_it() -> None:
    group = Group()
    assert taken(group, 4, 9, dict.fromkeys(range(4), "a")) == [0]
    group.give_back("m", lambda batch: True)
    group.drop(lambda place: place[1] >= 2)
    assert taken(group, 4, 9) == [2]


def test_the_dead_leave_and_those_who_are_known_live() -> None:
    group = Group(members={"old": 0, "known": 0, "m": HORIZON_MS})
    assert taken(group, 2, 2) == [0, 1]
    group.bury(HORIZON_MS + 1, {"known"})
    assert set(group.members) == {"known", "m"}
    assert set(group.held) == {(1, 0), (1, 1)}
    group.bury(2 * HORIZON_MS + 1, set())
    assert (group.members, group.held, set(group.again)) == ({}, {}, {(1, 0), (1, 1)})


# The book


def play(*steps: dict[str, Any]) -> tuple[Book, list[Any]]:
    book = Book()
    return book, [book.apply(step, number) for number, step in enumerate(steps)]


def create(stream: str, group: str = "g", start: int | None = None) -> dict[str, Any]:
    return {"do": "create", "stream": stream, "group": group, "start": start, "positions": []}


def test_partitions_are_given_away_once() -> None:
    divide = {"do": "divide", "stream": "b", "n": 3}
    book, outcomes = play({"do": "open", "stream": "a"}, divide, {**divide, "n": 4}, divide, create("c"), create("c"))
    assert outcomes == [None, True, False, True, True, False]
    assert {name: stream.partitions for name, stream in book.streams.items()} == {"a": [1], "b": [2, 3, 4], "c": [5]}
    with pytest.raises(Divided):
        book.apply(create("b", start=1), 9)
    assert book.streams["b"].groups == {}


def test_one_of_two_who_want_the_same_gets_it_and_one_taken_for_dead_joins_again() -> None:
    def take(member: str, **more: Any) -> dict[str, Any]:
        rest = {"alive": [], "void": [], "ends": [[1, 2]], "keys": [], "most": 1, "batch": 1, "new": member + "'"}
        return {"do": "take", "stream": "s", "group": "g", "member": member, **rest, **more}

    def join(member: str) -> dict[str, Any]:
        return {"do": "join", "stream": "s", "group": "g", "member": member, "positions": None}

    book, outcomes = play(join("a"), create("s"), join("a"), join("b"), take("a"), take("b"), take("a", batch=2))
    assert outcomes == [False, True, True, True, ("a", [(1, 0, 1)]), ("b", [(1, 1, 1)]), ("a", [])]
    later = 10 * HORIZON_MS
    assert book.apply(take("b", batch=2), later) == ("b", [(1, 0, 2)])
    ack = {"do": "answer", "stream": "s", "group": "g", "delay_ms": None, "to_the_end": False}
    assert book.apply({**ack, "member": "a", "places": [[1, 0, 1]]}, later) is False
    assert book.apply(take("a", batch=3), later) == ("a'", [])
    assert book.apply({**ack, "member": "b", "places": [[1, 0, 1], [1, 1, 1]]}, later) is True, "0 was held in another batch"
    group = book.group("s", "g")
    assert group is not None
    assert set(group.held) == {(1, 0)}


def test_a_step_of_another_version_is_said_to_be_one() -> None:
    with pytest.raises(CorruptPayload, match="none that this driver knows: 'jump'"):
        Book().apply({"do": "jump"}, 0)
