"""What an earlier step of a writing process returned: an argument of a later one, or told to whoever judges it afterwards."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from prism_testkit.interfaces import (
    Delivery,
    GroupInfo,
    Lease,
    Message,
    ObjectInfo,
    ObjectMetadata,
    QueueMessage,
    Record,
    RecordDelivery,
    Retention,
)
from prism_testkit.witness import decode, register

__all__ = ["TELL", "Returned", "Told", "decoded", "filled_in", "portable", "referred_to"]

TELL = "tell"
"""The method of a step that is no call: its arguments, results of earlier steps, are kept for whoever judges, in
`killing.Survivors.told`, under the number of the step."""

_TYPES = (Lease, QueueMessage, Delivery, Message, RecordDelivery, Record, ObjectMetadata, ObjectInfo, GroupInfo, Retention)
_KINDS: tuple[type, ...] = tuple(map(register, _TYPES))


@register
@dataclass(frozen=True, slots=True)
class Returned:
    """In the arguments of a step (see `killing.Step`), by itself: what step number ``step``, counted from 0, returned."""

    step: int


@dataclass(frozen=True, slots=True)
class Told:
    """One call of one process. ``call`` and ``ret`` count the events of all of them in the order in which they happened."""

    process: int
    step: int
    op: str
    arguments: tuple[Any, ...]
    began_ns: int
    ended_ns: int
    result: Any = None
    error: Exception | None = None
    call: int = -1
    ret: int = -1


def referred_to(steps: Sequence[tuple[str, tuple[Any, ...]]]) -> set[int]:
    """Return the numbers of the steps whose results are arguments of others."""
    return {argument.step for _, arguments in steps for argument in arguments if isinstance(argument, Returned)}


def filled_in(arguments: tuple[Any, ...], results: Mapping[int, Any]) -> tuple[Any, ...]:
    """Return the arguments with results in place of references."""
    return tuple(results[argument.step] if isinstance(argument, Returned) else argument for argument in arguments)


def portable(result: Any) -> Any:
    """Return a result as data that a witness can carry: of the types of the interfaces, whatever a driver derives from them."""
    kind = next((kind for kind in _KINDS if isinstance(result, kind)), None)
    if kind is not None:
        return kind(**{field.name: portable(getattr(result, field.name)) for field in fields(kind)})
    if isinstance(result, Mapping):
        return {portable(name): portable(value) for name, value in result.items()}
    if isinstance(result, list | tuple):
        return [portable(each) for each in result]
    return bytes(result) if isinstance(result, bytes) else result


def decoded(data: Any) -> Any:
    """Undo what `portable` and ``witness.encode`` made of a result: of the types that are registered here, too."""
    return decode(data)
