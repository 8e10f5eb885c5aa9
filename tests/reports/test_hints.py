"""What is likely the cause of a failure, read out of the calls of its case."""

import pytest

from prism_testkit.clock import VirtualClock
from prism_testkit.hints import hint_of
from prism_testkit.histories import History
from prism_testkit.outcomes import Violation


def _hint(*sent: tuple[int, str, str, str]) -> str:
    """Return the hint for messages that were sent: the client, the call, the queue or topic, and the id it gave."""
    history = History(VirtualClock())
    history.namespace(9, 1)
    for client, op, to, given in sent:
        history.respond(history.invoke(client, op, (to, b"x"), {}), given)
    return hint_of(Violation("not received"), history.entries, ["PubSubPersistent", "QueueBasic"])


def test_an_id_that_two_messages_have_is_told() -> None:
    told = _hint((0, "publish_persistent", "t", "1"), (1, "publish_persistent", "u", "2"), (1, "publish_ordered", "t", "1"))
    assert (
        told
        == "publish_persistent and publish_ordered gave two messages of 't' the same id, '1'; an id is unique there, whoever sends"
    )
    assert "enqueue gave two messages of 'q' the same id" in _hint((0, "enqueue", "q", "1"), (0, "enqueue", "q", "1"))


@pytest.mark.parametrize(
    "second",
    [
        pytest.param((0, "publish_persistent", "u", "1"), id="of another topic"),
        pytest.param((9, "publish_persistent", "t", "1"), id="in another namespace"),
        pytest.param((0, "publish", "t", "1"), id="that are not kept"),
        pytest.param((0, "publish_persistent", "t", "2"), id="that differ"),
    ],
)
def test_ids_that_may_be_alike_are_not_told(second: tuple[int, str, str, str]) -> None:
    assert _hint((0, "publish_persistent", "t", "1"), second) == ""
