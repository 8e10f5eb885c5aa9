"""What stands in the brackets of an id where a slot has alternatives: no two of them are called the same."""

from typing import Any, Protocol

from prism_testkit.bindings import bindings_for
from prism_testkit.checks import check
from prism_testkit.discovery import Discovery
from prism_testkit.interfaces import QueueBasic, QueueDelayed, QueueVisibility
from prism_testkit.selection import BackendSelection


class DelayedTaken(QueueBasic, QueueDelayed, Protocol): ...


class DelayedLeased(QueueVisibility, QueueDelayed, Protocol): ...


async def a_delay_is_kept(queue: DelayedTaken | DelayedLeased) -> None:
    """A delay is kept."""


async def a_message_is_given(queue: QueueBasic | QueueVisibility) -> None:
    """A message is given."""


def names(function: Any) -> list[str]:
    judged = check("queue_delayed.1")(function)  # at the top of a module it would be run
    found: Any = Discovery().find(BackendSelection(("memory",)))
    bindings, refused = bindings_for(judged, found.registry, ["memory"])
    assert refused == {}
    return [binding.name for binding in bindings]


def test_an_alternative_is_called_by_its_last_interface() -> None:
    assert names(a_message_is_given) == ["memory.queue_basic", "memory.queue_visibility"]


def test_alternatives_with_the_same_last_interface_are_told_apart_by_the_others() -> None:
    assert names(a_delay_is_kept) == ["memory.queue_basic", "memory.queue_visibility"]
