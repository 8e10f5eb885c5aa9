"""The few errors that every driver raises, whatever its store calls them.

A driver raises one of these ``from`` its native error, so that ``__cause__`` keeps the detail. The message names the
operation, the name (key, queue, ...) and the backend, and never a credential.
"""

__all__ = [
    "AccessDenied",
    "AlreadyExists",
    "BackendUnavailable",
    "BucketNotFound",
    "Closed",
    "ConfigError",
    "Conflict",
    "CorruptPayload",
    "GroupNotFound",
    "InvalidName",
    "NotFound",
    "ObjectNotFound",
    "OperationTimeout",
    "PayloadTooLarge",
    "PrismError",
    "QuotaExceeded",
]


class PrismError(Exception):
    """Base of every error that a driver or a pattern raises on purpose."""


class InvalidName(PrismError):
    """A name is empty, too long, or not encodable; nothing was done."""


class PayloadTooLarge(PrismError):
    """A payload, or all headers together, exceed the limit; nothing was done."""


class NotFound(PrismError):
    """What the call operates on does not exist."""


class BucketNotFound(NotFound):
    """The bucket does not exist."""


class ObjectNotFound(NotFound):
    """The object does not exist."""


class GroupNotFound(NotFound):
    """The consumer group does not exist."""


class AlreadyExists(PrismError):
    """What the call creates exists already; it was left as it is."""


class Conflict(PrismError):
    """Somebody else was first: a transaction, an expected version or a lease no longer holds; nothing was done."""


class AccessDenied(PrismError):
    """The store refused for want of permission; nothing was done."""


class QuotaExceeded(PrismError):
    """The store is full or a quota is used up; nothing was done."""


class BackendUnavailable(PrismError):
    """The store could not be reached; the call may be retried. Of a write the effect is unknown."""


class OperationTimeout(PrismError):
    """No answer came in time; whether the call took effect is unknown."""


class CorruptPayload(PrismError):
    """Stored bytes do not match their checksum."""


class ConfigError(PrismError):
    """A configuration that cannot work, found before anything was done."""


class Closed(PrismError):
    """The driver is closed, or the transaction has ended."""
