"""A message of a queue as the server keeps it: one subject, whose last message says all of its state."""

from dataclasses import dataclass, field

from prism_backends.jetstream.api import Stored
from prism_backends.nats.envelope import mapping_of, opened, sealed, texts_of
from prism_testkit.interfaces.errors import CorruptPayload
from prism_testkit.interfaces.queue import QueueMessage

__all__ = ["Entry", "entry_of"]

_FIXED = 5


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a message. ``sequence`` names this state of it: a change says which one it changes, so that of two that
    are made at once one is refused by the server.

    ``lease`` names the delivery that holds it, empty for none, and ``lease_ns`` how long, from the instant of this state.
    ``origin`` is the queue in which it died, and its place among those that did. ``order`` is the turn of one that was put
    back, 0 for all others.
    """

    identity: str
    payload: bytes = field(repr=False)
    headers: dict[str, str] = field(default_factory=dict)
    attempt: int = 0
    lease: str = ""
    lease_ns: int = 0
    origin: str = ""
    order: int = 0
    subject: str = ""
    sequence: int = 0
    at_ns: int = 0

    @property
    def until_ns(self) -> int:
        """The instant from which on it is available."""
        return self.at_ns + self.lease_ns if self.lease else 0

    @property
    def died_in(self) -> str:
        return self.origin.partition(" ")[0]

    @property
    def turn(self) -> int:
        return self.order or self.sequence

    @property
    def message(self) -> QueueMessage:
        return QueueMessage(self.identity, self.payload, dict(self.headers))

    def sealed(self) -> bytes:
        """Return what is kept of it; subject, sequence and instant the server knows."""
        state = [self.identity, f"{self.attempt} {self.lease_ns}", self.lease, self.origin, str(self.order)]
        return sealed([*state, *texts_of(self.headers)], self.payload)


def entry_of(stored: Stored, what: str) -> Entry:
    """Return the entry of a message that is not gone."""
    try:
        texts, payload = opened(stored.data)
        identity, numbers, lease, origin, order = texts[:_FIXED]
        attempt, lease_ns = map(int, numbers.split())
        headers = mapping_of(texts[_FIXED:])
        return Entry(
            identity, payload, headers, attempt, lease, lease_ns, origin, int(order), stored.subject, stored.sequence, stored.at_ns
        )
    except ValueError as error:
        raise CorruptPayload(f"{what}: what is stored at {stored.sequence} is none of ours: {error}") from error
