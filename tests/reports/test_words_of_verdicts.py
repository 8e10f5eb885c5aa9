"""What a check says of a wrong answer is told so that whoever reads nothing else knows what is meant."""

import asyncio

import pytest

from prism_suites._judging import refused
from prism_suites._queue_taking import Put, is_message, spoil
from prism_testkit.causes import judge
from prism_testkit.interfaces import PayloadTooLarge, QueueMessage, Record, RecordDelivery
from prism_testkit.outcomes import Violation, Words
from prism_testkit.records import CaseRecord
from prism_testkit.selection import SelectionError, matching


@pytest.mark.parametrize(
    ("kept", "why"),
    [
        ({}, "its headers are what somebody made of them whom they were given before, so what is given is no copy"),
        ({"spoiled": "by its sender"}, "its headers are not those that were enqueued"),
    ],
)
def test_headers_that_are_shared_are_told_apart_from_headers_that_are_lost(kept: dict[str, str], why: str) -> None:
    got = QueueMessage("1", b"x", dict(kept))
    spoil(got)
    with pytest.raises(Violation, match=f"^it is odd: {why}$"):
        is_message("queue_basic.1", got, Put("1", b"x", kept), "it is odd")


async def _raises(error: Exception) -> None:
    raise error


def test_another_error_than_the_one_that_is_due_is_said_to_be_raised() -> None:
    asyncio.run(refused("keyvalue_basic.6", _raises(PayloadTooLarge("mine: large")), PayloadTooLarge, "set takes too much"))
    with pytest.raises(Violation) as caught:
        asyncio.run(refused("keyvalue_basic.6", _raises(TypeError("no backend")), PayloadTooLarge, "set takes too much"))
    assert (caught.value.expected, caught.value.got) == ("PayloadTooLarge", "TypeError: no backend")
    assert str(caught.value) == "set takes too much"


def test_the_words_of_an_error_are_told_whole_and_other_texts_as_data() -> None:
    words = "ClaimNotFound: " + "the claim is not there, " * 8 + "although it is not older than 10000 s"
    violation = Violation.of("CC4", "a message has no payload", expected="x" * 200, got=words)
    told = judge(violation, CaseRecord({}), [])
    assert told.got == words
    assert told.expected is not None
    assert told.expected.startswith(f"'{'x' * 32}…")
    said = judge(Violation.of("CC4", "so", expected=Words("b'old' or None"), got="None"), CaseRecord({}), [])
    assert (said.expected, said.got) == ("b'old' or None", "'None'")


def test_of_very_many_names_the_likely_one_is_told_and_how_all_are_listed() -> None:
    many = [f"keyvalue_{n}" for n in range(50)]
    with pytest.raises(SelectionError) as caught:
        matching(["keyvalue_x1"], many, "--prism-suite")
    assert str(caught.value).endswith("; there are 50: prism list suites names them")
    assert "did you mean 'keyvalue_" in str(caught.value)


def _words(expected: object, got: object) -> tuple[str | None, str | None]:
    told = judge(Violation.of("queue_basic.3", "so", expected=expected, got=got), CaseRecord({}), [])
    return told.expected, told.got


def test_what_was_handed_out_and_what_was_sent_are_told_as_in_the_steps() -> None:
    record = RecordDelivery(Record(3, None, b"v"), 2, "token")
    assert _words([], [record]) == ("[]", "[delivery 2 of record 3]")
    assert _words(Put("1", b"x", {}), QueueMessage("3", b"y")) == ("message '1' b'x'", "message '3' b'y'")
    assert _words([Put("1", b"x", {}), Put("2", b"z", {})], [])[0] == "[message '1' b'x', message '2' b'z']"
    expected, got = _words(Put("1", b"x", {"a": "1"}), QueueMessage("1", b"x", {"a": "2"}))
    assert expected != got, "what differs does not look alike"


@pytest.mark.parametrize(
    ("expected", "got", "told"),
    [
        ({"claims/" + "a" * 60}, {"claims/" + letter * 60 for letter in "ab"}, f"; too many: 'claims/{'b' * 60}'"),
        (set("abc"), set("ab"), "{'a', 'b'}"),
        ({str(n) * 20 for n in range(9)}, set(), f"set(); missing: '{'0' * 20}', '{'1' * 20}', '{'2' * 20}' and 6 more"),
        (
            b"a" * 900 + b"\r\n" + b"b" * 90,
            b"a" * 900 + b"\n" + b"b" * 90,
            "; they differ at [900]: b'aaaaaa\\nbbbbb' instead of b'aaaaaa\\r\\nbbbb'",
        ),
        (b"a" * 900, b"a" * 899, "; it ends early, behind the first 899"),
        ("a" * 900, "a" * 901, "; it goes on behind the first 900"),
        ([*range(99)], [*range(98)], "; 98 instead of 99; missing: 98"),
        ([*range(99)], [*range(97), 98, 97], "; first at [97]: 98 instead of 97"),
        (b"a" * 900, None, "None"),
    ],
)
def test_of_long_data_it_is_told_where_they_differ(expected: object, got: object, told: str) -> None:
    said = _words(expected, got)[1]
    assert said is not None
    assert said.endswith(told)
    assert len(said) < 400
