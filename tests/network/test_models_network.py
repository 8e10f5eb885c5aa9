"""The checks of the other models over a failing network are watched failing, each on a driver that is wrong in that way."""

import pytest
from judged import judged


def leaks(found: dict[str, str], *promises: str) -> bool:
    """Say whether a native error was told as one. Which call it meets first is the network's to say, so not by every check."""
    return not set(promises).isdisjoint(found.values())


def test_wrong_queues_are_caught(pytester: pytest.Pytester) -> None:
    found = judged(pytester, "wrong_drivers", "queue_network", ["retries-queue", "leaks-queue", "hasty-queue"])
    assert found["retries-queue"]["a_message_whose_answer_was_lost_is_one"] == "queue_basic.2"
    assert found["retries-queue"]["a_leased_message_whose_answer_was_lost_is_one"] == "queue_visibility.11"
    assert leaks(found["leaks-queue"], "queue_basic.13", "queue_visibility.14")
    assert found["hasty-queue"]["who_is_cut_off_enqueues_nothing"] == "queue_basic.10"
    assert found["hasty-queue"]["who_is_cut_off_leases_nothing"] == "queue_visibility.11"


def test_wrong_streams_are_caught(pytester: pytest.Pytester) -> None:
    found = judged(pytester, "wrong_drivers", "stream_network", ["retries-stream", "leaks-stream"])
    assert found["retries-stream"]["a_record_whose_answer_was_lost_is_one"] == "stream_basic.12"
    assert leaks(found["leaks-stream"], "stream_basic.16", "stream_consumer_groups.17")


def test_wrong_durable_subscriptions_are_caught(pytester: pytest.Pytester) -> None:
    found = judged(pytester, "wrong_drivers", "pubsub_network", ["retries-pubsub", "leaks-pubsub"])
    assert found["retries-pubsub"]["a_message_whose_answer_was_lost_is_one"] == "pubsub_persistent.1"
    assert leaks(found["leaks-pubsub"], "pubsub_persistent.17")


def test_a_durable_publish_that_is_acknowledged_early_is_caught(pytester: pytest.Pytester) -> None:
    found = judged(pytester, "wrong_drivers", "pubsub_network", ["hasty-pubsub"], "-k", "who_is_cut_off")
    assert found["hasty-pubsub"] == {"who_is_cut_off_publishes_nothing": "pubsub_persistent.13"}


def test_wrong_object_stores_are_caught(pytester: pytest.Pytester) -> None:
    found = judged(pytester, "wrong_drivers", "object_storage_network", ["retries-object-storage", "leaks-object-storage"])
    assert found["retries-object-storage"]["an_object_whose_answer_was_lost_is_written_once"] == "object_storage.14"
    assert found["retries-object-storage"]["an_object_whose_answer_was_lost_is_created_once"] == "object_storage_conditional.1"
    assert leaks(found["leaks-object-storage"], "object_storage.20")


@pytest.mark.parametrize("model", ["pubsub", "object-storage"])
def test_one_that_never_connects_again_is_caught(pytester: pytest.Pytester, model: str) -> None:
    suite = f"{model.replace('-', '_')}_network"
    found = judged(pytester, "wrong_drivers", suite, [f"gives-up-{model}"], "-k", "who_is_cut_off")
    assert found[f"gives-up-{model}"]
