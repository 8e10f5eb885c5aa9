"""The decorator that declares a mutant of the streams of a broker: of driver, member or codec, or of what the broker is made of."""

from types import new_class
from typing import Any

from prism_testkit.backend import Backend
from tests.zoo.declare import Mutant
from tests.zoo.family import Declare, declaring_family

from .declare import HOME
from .history_broker import Broker, Cursor, DiskBroker, Log, Topic
from .history_members import BrokerMember
from .history_streams import BrokerStreams, Codec, broker_backend

__all__ = ["UNUSUAL", "declaring_history"]

_DRIVER_SLOTS: dict[type, str] = {BrokerMember: "member_type", Codec: "codec_type"}
_BROKER_SLOTS: dict[type, str] = {Log: "log_type", Cursor: "cursor_type", Topic: "topic_type"}


def _with(base: type, slot: str, wrong: type) -> type:
    return new_class(wrong.__name__, (base,), {}, lambda body: body.update({slot: wrong, "__module__": wrong.__module__}))


def _make(name: str, wrong: type, /, **settings: Any) -> Backend[Any]:
    """Put what is wrong where it belongs in a right driver; ``kept`` puts it over files, ``broker`` over one of its own."""
    name = f"zoo-stream-history-{name}"
    broker: type = settings.pop("broker", DiskBroker if settings.pop("kept", False) else Broker)
    driver: type = BrokerStreams
    for part, slot in _BROKER_SLOTS.items():
        if issubclass(wrong, part):
            return broker_backend(name, driver, _with(broker, slot, wrong), **settings)
    if issubclass(wrong, Broker):
        return broker_backend(name, driver, wrong, **settings)
    for part, slot in _DRIVER_SLOTS.items():
        if issubclass(wrong, part):
            wrong = _with(BrokerStreams, slot, wrong)
    return broker_backend(name, wrong, broker, **settings)


def declaring_history(into: list[Mutant]) -> Declare:
    """Return a decorator that appends what it is put on to ``into``; promises are given without ``stream_``."""
    return declaring_family(into, prefix="stream_", make=_make, home=HOME)


UNUSUAL: tuple[Backend[Any], ...] = (
    broker_backend("zoo-stream-history-broker"),
    broker_backend("zoo-stream-history-disk", broker=DiskBroker),
)
"""Clients of a broker that keeps logs in segments, and of one that writes images of its topics."""
