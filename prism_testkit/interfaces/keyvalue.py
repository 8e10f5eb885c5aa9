"""Key-value stores: one basic interface and five flavours that extend it, each independent of the others.

Each Protocol's docstring holds its numbered promises; ``keyvalue_ttl.3`` is promise 3 of `KeyValueTtl`. Numbers are never
reused. Terms used by all of them:

* A *key* is a name: non-empty Unicode text without surrogates, at most ``limits.max_name`` bytes in UTF-8 (512 unless the
  backend states less, never under 64). No character is refused, and two names are the same only if all their code points are.
* A *value* is bytes: a call accepts ``bytes``, ``bytearray`` or ``memoryview`` and returns ``bytes``; at most
  ``limits.max_payload`` bytes.
* *Present* means set, not deleted since, and not expired; every other key is *missing*.
* A *client* is one driver object. All clients of one namespace see one set of keys; namespaces never see each other.
* A write is *acknowledged* when its call returned. Of a call that raised `BackendUnavailable` or `OperationTimeout`, or was
  cancelled, the effect is unknown: it happened once, or not at all.

A check of arguments comes before any effect: `InvalidName` for a name that is empty, too long or holds a surrogate,
`PayloadTooLarge` for a value over the limit, ``TypeError`` for a key that is not ``str`` or a value that is not bytes-like,
``ValueError`` for a number out of range. Concurrent calls on one driver from one event loop are safe.
"""

from abc import abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

__all__ = [
    "Bytes",
    "KeyValueBasic",
    "KeyValueBatch",
    "KeyValueCas",
    "KeyValueScan",
    "KeyValueTransaction",
    "KeyValueTransactional",
    "KeyValueTtl",
]

Bytes = bytes | bytearray | memoryview
"""What is accepted as a value. What is returned is always ``bytes``."""


class KeyValueBasic(Protocol):
    """A map from keys to values.

    1. `get` returns, byte for byte, what the latest `set` of that key stored: any bytes, of any length up to ``max_payload``.
    2. A missing key reads as None, `exists` says False, `delete` says False; none of them creates anything. An empty value
       is a value.
    3. Keys alias only if they are equal in every code point; every legal key is accepted and is its own key.
    4. `delete` removes the key and no other, and says whether it was present; of concurrent deletes of one present key
       exactly one is told True.
    5. `exists` is True exactly when `get` would not return None.
    6. A key that is empty, too long or holds a surrogate raises `InvalidName`, a value over ``max_payload`` raises
       `PayloadTooLarge`, both before any effect; at the limit they are accepted.
    7. The store keeps a copy: a buffer changed after the call changes nothing that is stored.
    8. A write that returned is seen by every call that any client of the namespace starts afterwards.
    9. Nothing written in one namespace is seen, counted or removed through another.
    10. Calls on one key, from any number of clients, are linearizable: each takes effect at one instant between its start and
        its return; a reader never sees a mixture of two values.
    11. A cancelled call leaves its effect whole or absent, and the driver usable.
    12. With ``durability="process"``, what was acknowledged survives SIGKILL of the process that wrote it and of the server;
        an unacknowledged write is whole or absent.
    13. While the server is away calls raise `BackendUnavailable` or `OperationTimeout`; once it is back the same driver
        works again.
    """

    @abstractmethod
    async def set(self, key: str, value: Bytes) -> None:
        """Store ``value`` under ``key``, replacing what was there, its time to live included. Idempotent."""

    @abstractmethod
    async def get(self, key: str) -> bytes | None:
        """Return the value of ``key``, or None if it is missing."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove ``key``; True if it was present. A repeat returns False."""

    @abstractmethod
    async def exists(self, key: str) -> bool:
        """Say whether ``key`` is present."""


class KeyValueScan(KeyValueBasic, Protocol):
    """Listing by prefix. No order is promised.

    1. Over a quiet store, `scan` gives exactly the present keys that begin with the prefix, each once, with its value;
       however many there are.
    2. A prefix is literal text: ``%``, ``_``, ``*``, ``?``, ``[`` and ``\\`` stand for themselves, nothing is folded,
       trimmed or normalised, and the empty prefix means every key.
    3. A key present during the whole scan appears exactly once, whatever is written or deleted meanwhile; keys added or
       removed meanwhile may appear or not, at most once. A value given is one that the key held during the scan.
    4. ``limit`` bounds the number of keys given: over a quiet store exactly ``min(limit, matching)``; 0 gives nothing, None
       is no bound, negative raises ``ValueError``, at the latest at the first step.
    5. `scan_keys` gives the keys that `scan` would; `count` their number.
    6. A prefix has the rules of a key, but may be empty: too long, or holding a surrogate, it raises `InvalidName`, at the
       latest at the first step.
    7. A scan that is left before its end, by ``break`` or cancellation, leaves the driver usable and nothing changed.
    """

    @abstractmethod
    def scan(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[tuple[str, bytes]]:
        """Iterate over (key, value) of the present keys that begin with ``prefix``, at most ``limit`` of them."""

    @abstractmethod
    def scan_keys(self, prefix: str = "", limit: int | None = None) -> AsyncIterator[str]:
        """Iterate over the present keys that begin with ``prefix``, at most ``limit`` of them."""

    @abstractmethod
    async def count(self, prefix: str = "") -> int:
        """Return the number of present keys that begin with ``prefix``."""


class KeyValueTtl(KeyValueBasic, Protocol):
    """Keys with a time to live.

    The deadline is the instant of the write plus ``ttl_s``, by the server's clock where it has one, else by the place's
    clock. ``limits.clock_resolution_s`` and ``traits.ttl_late_s`` are the only slack: between the deadline and the deadline
    plus both, a key may be present or missing, the same for every method. ``ttl_s`` may be any finite number up to 1e10;
    above that a driver may raise ``ValueError``.

    1. Before its deadline a key is present for every method; it never expires early.
    2. From its deadline on (plus the slack) a key is missing for every method: get, exists, delete, ttl, expire, persist,
       scan, count, batch, compare-and-swap and transactions alike.
    3. A plain write of the key (`set`, ``batch_set``, a transaction's ``set``) clears an earlier time to live;
       `set_with_ttl` replaces it, be the new one shorter or longer.
    4. A successful ``compare_and_swap`` clears it too; a failed one leaves it.
    5. Reads never extend it.
    6. `ttl` returns the seconds left, never more than were given and never fewer than are left, less the slack; None for a
       key without expiry; a missing key raises `NotFound`.
    7. `expire` sets the deadline anew, from now, shorter or longer, keeps the value, and says True; of a missing key it says
       False and creates nothing.
    8. `persist` removes the deadline, keeps the value, and says True if there was one; False if there was none or the key is
       missing.
    9. ``ttl_s <= 0`` expires at once: `set_with_ttl` leaves the key missing, whatever it held; `expire` removes it and
       still says True. NaN and infinities raise ``ValueError`` before any effect.
    10. What is deleted or expired is forgotten whole: a key written again has the value and the deadline of the new write
        only, and is never removed by an old deadline. An expired key is not revived by persist, expire or compare-and-swap.
    11. The deadline of one key changes nothing of another.
    12. With ``durability="process"``, a deadline survives SIGKILL and restart unchanged: time that passes while the store is
        down counts.
    """

    @abstractmethod
    async def set_with_ttl(self, key: str, value: Bytes, ttl_s: float) -> None:
        """Store ``value`` under ``key`` for ``ttl_s`` seconds from now. A repeat starts the time anew."""

    @abstractmethod
    async def expire(self, key: str, ttl_s: float) -> bool:
        """Let ``key`` expire ``ttl_s`` seconds from now; False if it is missing. A repeat starts the time anew."""

    @abstractmethod
    async def ttl(self, key: str) -> float | None:
        """Return the seconds left, or None without expiry; raise `NotFound` if ``key`` is missing."""

    @abstractmethod
    async def persist(self, key: str) -> bool:
        """Remove the expiry of ``key``; True if there was one. A repeat returns False."""


class KeyValueTransaction(Protocol):
    """An open transaction; usable until the ``async with`` block is left, after that every call raises `Closed`."""

    @abstractmethod
    async def get(self, key: str) -> bytes | None:
        """Return the value as this transaction sees it: its own write, else the store's."""

    @abstractmethod
    async def set(self, key: str, value: Bytes) -> None:
        """Write at commit. The argument is checked, and copied, at once."""

    @abstractmethod
    async def delete(self, key: str) -> bool:
        """Remove at commit; True if the key is present as this transaction sees it."""


class KeyValueTransactional(KeyValueBasic, Protocol):
    """Several keys, one atomic, serializable transaction.

    1. What a transaction wrote takes effect at exit, all or none: no client ever sees a part.
    2. An exception raised in the body, or its cancellation, discards every write and is passed on unchanged.
    3. Inside, a transaction sees its own writes and deletes; the last one of a key wins.
    4. Writes are buffered: nobody outside sees them before exit, and a plain call never waits for an open transaction.
    5. A commit, of a read-only transaction too, succeeds only if all it read was consistent and still is, so that committed
       transactions are serializable, plain calls being transactions of one step; else exit raises `Conflict`.
    6. A transaction that raised `Conflict` left nothing behind; retried alone, it succeeds. A needless `Conflict` is legal.
    7. After exit every call of the transaction raises `Closed`. Transactions of one driver may be open side by side.
    8. A name or value that is refused raises at its call and leaves the transaction usable, the refused write left out.
    """

    @abstractmethod
    def transaction(self) -> AbstractAsyncContextManager[KeyValueTransaction]:
        """Open a transaction that commits when the block is left without an exception."""


class KeyValueBatch(KeyValueBasic, Protocol):
    """Many keys in one call. Not promised atomic, but refused as a whole before any effect.

    1. `batch_set` leaves every key with its value, as single sets would.
    2. `batch_get` returns exactly the present keys among those asked, with their values; missing ones are left out.
    3. `batch_delete` removes the keys and returns how many of them were present; a key named twice counts once.
    4. An empty batch does nothing and succeeds; there is no limit on the number of items.
    5. One refused name or value refuses the batch: `InvalidName` or `PayloadTooLarge`, with nothing done.
    6. A cancelled batch has each item whole or not at all.
    """

    @abstractmethod
    async def batch_set(self, items: Mapping[str, Bytes]) -> None:
        """Store every item. Idempotent."""

    @abstractmethod
    async def batch_get(self, keys: Sequence[str]) -> dict[str, bytes]:
        """Return the present ones of ``keys``."""

    @abstractmethod
    async def batch_delete(self, keys: Sequence[str]) -> int:
        """Remove ``keys``; return how many were present. A repeat returns 0."""


class KeyValueCas(KeyValueBasic, Protocol):
    """Compare-and-swap by value.

    1. `compare_and_swap` stores ``new`` and says True exactly if the key's value equals ``expected`` at that instant.
    2. ``expected=None`` means missing: it creates the key, and says False if it is present, with an empty value too.
    3. A call that says False changed nothing.
    4. `compare_and_delete` removes the key and says True exactly if its value equals ``expected``; a missing key says False.
    5. Compared are whole values, byte for byte, of any length.
    6. Of n concurrent swaps from one value exactly one succeeds; swaps and all other calls on a key are linearizable.
    7. Names and values are refused as in `KeyValueBasic`, before any effect, whether or not ``expected`` matches.
    """

    @abstractmethod
    async def compare_and_swap(self, key: str, expected: Bytes | None, new: Bytes) -> bool:
        """Replace the value ``expected`` (None: missing) by ``new``; True if it was replaced. Clears a time to live."""

    @abstractmethod
    async def compare_and_delete(self, key: str, expected: Bytes) -> bool:
        """Remove ``key`` if its value is ``expected``; True if it was removed."""
