"""What a check says of a wrong answer is told so that whoever reads nothing else knows what is meant."""

import asyncio

import pytest

from prism_suites._judging import refused
from prism_suites._queue_taking import Put, is_message, spoil
from prism_testkit.causes import judge
from prism_testkit.interfaces import PayloadTooLarge, QueueMessage
from prism_testkit.opening import CaseRecord
from prism_testkit.outcomes import Violation, Words
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
