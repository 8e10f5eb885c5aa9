"""The decorator that declares a mutant of the topics behind a wire: of the driver, its subscriptions, the broker or its parts."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .history_broker import Broker, JournalBroker
from .history_cursor import Cursor, Topic
from .history_driver import Ear, Hand, Wire, WirePubSub, wire_backend
from .history_tree import Tree
from .history_wire import Codec

__all__ = ["UNUSUAL", "declaring_history"]

_SLOTS: dict[type, str] = {Ear: "ear_type", Hand: "hand_type", Wire: "wire_type"}
_BROKERS: dict[type, str] = {Codec: "codec_type", Tree: "tree_type", Cursor: "cursor_type", Topic: "topic_type"}


def _with(base: type, slots: dict[type, str], wrong: type) -> type:
    slot = next(slot for part, slot in slots.items() if issubclass(wrong, part))
    return new_class(wrong.__name__, (base,), {}, lambda body: body.update({slot: wrong, "__module__": wrong.__module__}))


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in what is right; ``kept`` puts it over a journal, ``broker`` before another one."""
    name = f"zoo-pubsub-history-{name}"
    broker = JournalBroker if settings.pop("kept", False) else settings.pop("broker", Broker)
    if issubclass(wrong, Broker):
        return wire_backend(name, WirePubSub, wrong, **settings)
    if issubclass(wrong, tuple(_BROKERS)):
        return wire_backend(name, WirePubSub, _with(broker, _BROKERS, wrong), **settings)
    if issubclass(wrong, tuple(_SLOTS)):
        wrong = _with(WirePubSub, _SLOTS, wrong)
    return wire_backend(name, wrong, broker, **settings)


def declaring_history(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``pubsub_``."""
    return declaring_family(into, prefix="pubsub_", make=_make, home=HOME)


UNUSUAL: tuple[Backend[Any], ...] = (
    wire_backend("zoo-pubsub-wire"),
    wire_backend("zoo-pubsub-wire-journal", broker=JournalBroker),
)
"""A broker behind a wire: in memory, and over a journal."""
