"""What the tap saw: every call, what it was given and what it was told, in the order in which things happened."""

import enum
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Any

from prism_testkit.asides import SCALE, Aside, asking
from prism_testkit.clock import Clock
from prism_testkit.interfaces.errors import BackendUnavailable, OperationTimeout, PrismError
from prism_testkit.keeping import ATOMS, kept

__all__ = ["VERDICT", "Entry", "History", "Operation", "Outcome", "outcome_of"]

VERDICT = "verdict"


class Outcome(enum.Enum):
    """How a call ended, as far as its effect goes."""

    OK = "ok"
    FAILED = "failed"
    """Refused: it had no effect, and never will."""
    UNKNOWN = "unknown"
    """It may have had its effect, may have it later, or never; once at most."""


@dataclass(frozen=True, slots=True)
class Operation:
    """One call on one named object, as a checker sees it.

    ``arguments`` are positional, in the order of the interface, without the name of the object. ``call`` and ``ret`` count
    events of one history: an operation whose ``ret`` is smaller than another's ``call`` came before it. ``ret`` None: it never
    returned, so its outcome is unknown. ``output`` means something only if the outcome is OK.
    """

    client: int
    op: str
    key: str
    arguments: tuple[Any, ...]
    call: int
    ret: int | None
    outcome: Outcome = Outcome.OK
    output: object = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One call as it is told in the story of a failure. Times are the clock's seconds since the epoch."""

    client: int
    label: str
    op: str
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    call: int
    called_s: float
    ret: int | None = None
    returned_s: float | None = None
    result: Any = None
    error: BaseException | None = None
    within: int | None = None
    """The ``call`` of what entered the context whose method this is: the subscription that receives, the transaction that sets."""

    asked: int | None = None
    """The ``call`` of what was asked of a pattern, for which it made this one."""
    aside: bool = False
    """It passed no tap; see `asides`."""
    left_by: str = ""
    """The class of the exception by which a context is left; `VERDICT` for the check's."""
    space: int = 0
    """In which namespace of the case it was made; 0 is the first."""

    @property
    def returned(self) -> bool:
        """It ended, with a result or an error."""
        return self.ret is not None

    @property
    def outcome(self) -> Outcome:
        if self.error is not None:
            return outcome_of(self.error)
        return Outcome.OK if self.returned else Outcome.UNKNOWN


_REFUSALS = (PrismError, ValueError, TypeError, IndexError)
"""What the contract lets a driver raise before any effect."""


def outcome_of(error: BaseException) -> Outcome:
    """Say what an error tells of the effect.

    FAILED is a refusal that the contract knows. Everything else is UNKNOWN: no answer, a cancellation, a crash, and also a
    native error that leaked, for nobody says what it left behind.
    """
    if isinstance(error, BackendUnavailable | OperationTimeout):
        return Outcome.UNKNOWN
    return Outcome.FAILED if isinstance(error, _REFUSALS) else Outcome.UNKNOWN


class History:
    """An append-only record of one case, cheap enough to be always on.

    One counter numbers calls and returns alike, so comparing two numbers says which came first; ``len()`` is how many events
    there were. What is kept of a value is said in `keeping`.
    """

    __slots__ = ("_asides", "_asked", "_events", "_latest", "_left_by", "_now", "_spaces", "_within", "labels")

    def __init__(self, clock: Clock) -> None:
        self.labels: dict[int, str] = {}
        """How a story calls a client; ``client 2`` unless named here."""
        self._spaces: dict[int, int] = {}
        self._now = clock.now_s
        self._events: list[_Call | _End] = []
        self._within: dict[int, int] = {}
        self._left_by: dict[int, str] = {}
        self._asides: list[Aside] = []
        self._latest = -SCALE
        self._asked: dict[int, Aside] = {}

    def __len__(self) -> int:
        return len(self._events)

    def invoke(self, client: int, op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], within: int | None = None) -> int:
        """Record that a call begins; return the number by which `respond` or `fail` ends it.

        ``within`` is the number of the call that entered the context whose method this is.
        """
        if not ATOMS.issuperset(map(type, args)):
            args = tuple(map(kept, args))
        if kwargs:
            kwargs = {name: kept(value) for name, value in kwargs.items()}
        events = self._events
        event = len(events)
        events.append((client, op, args, kwargs, self._now()))
        if within is not None:
            self._within[event] = within
        aside = asking.get()
        if aside is not None:
            self._asked[event] = aside
        return event

    def namespace(self, client: int, number: int) -> None:
        """Note in which namespace of the case a client is; stories name all but the first, which has the number 0."""
        self._spaces[client] = number

    def respond(self, event: int, output: Any) -> None:
        """Record that a call returned."""
        self._events.append((event, output if type(output) in ATOMS else kept(output), None, self._now()))

    def left_by(self, event: int, error: BaseException) -> None:
        """Note by which exception a context is left; ``verdict`` if it is that of the check, which is no part of the case."""
        self._left_by[event] = VERDICT if isinstance(error, AssertionError) else type(error).__name__

    def fail(self, event: int, error: BaseException) -> None:
        """Record that a call raised."""
        self._events.append((event, None, error, self._now()))

    @property
    def events(self) -> "Sequence[_Call | _End]":
        """What was recorded, as it stands: a call has five parts, an end four. Cheaper than `entries`."""
        return self._events

    @property
    def entries(self) -> list[Entry]:
        """Every call so far, in the order in which they began."""
        ends = {event[0]: (number, event) for number, event in enumerate(self._events) if len(event) == 4}
        return [self._entry(number, event, ends.get(number)) for number, event in enumerate(self._events) if len(event) == 5]

    def _entry(self, number: int, call: "_Call", end: "tuple[int, _End] | None") -> Entry:
        client, op, args, kwargs, called_s = call
        label, space = self.labels.get(client) or f"client {client}", self._spaces.get(client, 0)
        if space:
            label = f"{label} in namespace {space + 1}"
        begun = (client, label, op, args, kwargs, number, called_s)
        within, left_by = self._within.get(number), self._left_by.get(number, "")
        if end is None:
            return Entry(*begun, within=within, left_by=left_by, space=space)
        ret, (_, result, error, returned_s) = end
        return Entry(*begun, ret, returned_s, result, error, within, left_by=left_by, space=space)

    def aside(self, client: int, label: str, op: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Aside:
        """Note that a call begins that passes no tap."""
        aside = Aside(client, label, op, args, kwargs, self._place(len(self._events)), self._now())
        self._asides.append(aside)
        return aside

    def answered(self, aside: Aside, result: Any, error: BaseException | None = None) -> None:
        """Note that it ended."""
        aside.ret, aside.returned_s = self._place(len(self._events)), self._now()
        aside.result, aside.error = result, error

    def done_before(self, event: int, aside: Aside) -> None:
        """Note a call that somebody else made before an event, ``called_s``; where it has a ``returned_s`` it ended, too."""
        aside.call = self._place(event)
        aside.ret = None if aside.returned_s is None else self._place(event)
        self._asides.append(aside)

    def _place(self, event: int) -> int:
        """Return a place before an event, and behind all places that were given."""
        self._latest = max((event - 1) * SCALE, self._latest) + 1
        return self._latest

    def step(self, event: int) -> str:
        """Name an event by the call in the story that began there, or was the last to begin before: ``step 7``."""
        return f"step {sum(entry.call <= event * SCALE for entry in self.told)}"

    @property
    def told(self) -> list[Entry]:
        """`entries` and asides, in the order in which they began: what a story tells. Their ``call`` counts in `SCALE`."""
        entries = [
            replace(
                entry,
                call=entry.call * SCALE,
                ret=None if entry.ret is None else entry.ret * SCALE,
                within=None if entry.within is None else entry.within * SCALE,
                asked=self._asked[entry.call].call if entry.call in self._asked else None,
            )
            for entry in self.entries
        ]
        asides = [
            Entry(
                *(a.client, a.label, a.op, a.args, a.kwargs, a.call, a.called_s),
                *(a.ret, a.returned_s, a.result, a.error, a.within),
                aside=True,
            )
            for a in self._asides
        ]
        return sorted([*entries, *asides], key=attrgetter("call"))

    def operations(self, interface: type, key: str = "key") -> list[Operation]:
        """Return the calls of ``interface``'s methods that name one object by their parameter ``key``, for a checker.

        Calls of other methods are left out, also when they change the same objects (a batch, a transaction): a check that
        judges by the result must not make such calls. Defaults that the caller left out are filled in.
        """
        parameters = {
            name: inspect.signature(method).parameters
            for name, method in inspect.getmembers(interface, inspect.isfunction)
            if name[0] != "_" and key in inspect.signature(method).parameters
        }
        return [_operation(entry, parameters[entry.op], key) for entry in self.entries if entry.op in parameters]


def _operation(entry: Entry, parameters: Mapping[str, inspect.Parameter], key: str) -> Operation:
    names = list(parameters)[1:]  # without self
    given = dict(zip(names, entry.args, strict=False)) | dict(entry.kwargs)
    values = {
        name: given.get(name, parameters[name].default)
        for name in names
        if name in given or parameters[name].default is not inspect.Parameter.empty
    }
    named = values.pop(key, "")
    outcome = entry.outcome
    ret = None if outcome is Outcome.UNKNOWN else entry.ret
    return Operation(entry.client, entry.op, named, tuple(values.values()), entry.call, ret, outcome, entry.result)


_Call = tuple[int, str, tuple[Any, ...], Mapping[str, Any], float]
"""(client, operation, positional, keyword, when): five parts, and its place in the list is its number."""
_End = tuple[int, Any, BaseException | None, float]
"""(number of the call, result, error, when): four parts. Plain tuples, for a named one takes three times as long to make."""
