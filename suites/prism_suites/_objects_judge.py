"""Judges what one call of a program said against the model, and names the promise that broke."""

from collections.abc import Mapping
from typing import Any

from prism_suites._judging import broken
from prism_suites._keyvalue_model import Window
from prism_suites._objects_asking import told
from prism_suites._objects_descriptions import instant_window
from prism_suites._objects_model import Kept, Namespace
from prism_testkit.case import Case
from prism_testkit.clock import VirtualClock
from prism_testkit.interfaces import ObjectInfo

__all__ = ["Judge"]


class Judge:
    """What one client may be told. ``other`` is the model of the other namespace, which must not show through."""

    def __init__(self, case: Case, model: Namespace, other: Namespace) -> None:
        self.case = case
        self.model = model
        self.other = other

    def now_ns(self) -> int:
        """Return the time, exact on a virtual clock."""
        clock = self.case.clock
        return clock.now_ns() if isinstance(clock, VirtualClock) else round(clock.now_s() * 1e9)

    def answer(self, promise: str, call: str, got: object, expected: bool | None) -> None:
        """Judge a truth value; None expects either."""
        if not isinstance(got, bool | int) or (expected is not None and got != expected):
            broken(promise, f"{call} says the opposite of what is there", expected=expected, got=got)

    def _lost(self, bucket: str, key: str) -> str:
        """Return the promise by which an object that is not found is there."""
        kept = self.model.buckets[bucket][key]
        return "object_storage.9" if kept.deadline is not None else "object_storage.10" if kept.freed else "object_storage.14"

    def _found(self, bucket: str, key: str, promise: str) -> str:
        """Return the promise by which an object that is found is missing."""
        by = {"expiry": "object_storage.9", "delete": "object_storage.4", "delete_bucket": "object_storage.11"}
        return by.get(self.model.gone.get((bucket, key), ""), promise)

    def presence(self, bucket: str, key: str, got: object, now: Window, call: str, promise: str) -> bool:
        """Judge whether an object is present; return it. What may be either is settled by the answer."""
        status = self.model.status(bucket, key, now)
        if not isinstance(got, bool | int):
            broken(promise, f"{call} gives no truth value", expected="True or False", got=got)
        if status == "present" and not got:
            broken(self._lost(bucket, key), f"{call} does not find an object that is there", expected=True, got=got)
        if status == "missing" and got:
            broken(self._found(bucket, key, promise), f"{call} finds an object that is missing", expected=False, got=got)
        if status == "either" and not got:
            self.model.drop(bucket, key, "expiry")
        return bool(got)

    def data(self, bucket: str, key: str, got: bytes | None, now: Window, call: str) -> None:
        """Judge what a read returned."""
        status = self.model.status(bucket, key, now)
        if got is None:
            if status == "present":
                kept = self.model.buckets[bucket][key]
                broken(self._lost(bucket, key), f"{call} does not find an object that is there", expected=kept.data, got=None)
            self.model.drop(bucket, key, "expiry")
            return
        if status == "missing":
            promise = self._found(bucket, key, self._alien(bucket, key, got))
            broken(promise, f"{call} finds an object that is missing", expected=None, got=got)
        expected = self.model.buckets[bucket][key].data
        if got != expected or not isinstance(got, bytes):
            broken(self._alien(bucket, key, got), f"{call} gives other data than were put last", expected=expected, got=got)

    def _alien(self, bucket: str, key: str, got: bytes) -> str:
        """Return which promise data of somewhere else break."""
        if any(kept.data == got for objects in self.model.buckets.values() for kept in objects.values()):
            return "object_storage.3"
        other = self.other.buckets.get(bucket, {}).get(key)
        return "object_storage.15" if other is not None and other.data == got else "object_storage.1"

    def told(self, bucket: str, key: str, kept: Kept, got: Any, now: Window, call: str) -> None:
        """Judge metadata, by the object and by what its put returned; remember what only the store can tell."""
        told("object_storage.5", got, kept.data, kept.given, call, lives=True)  # `_deadline` judges that
        if self.model.etags.setdefault((bucket, key, got.etag), kept.data) != kept.data:
            broken("object_storage.5", f"{call}: an etag that other content of this key had", expected="another", got=got.etag)
        if kept.etag is None or kept.touched:
            kept.etag = got.etag
        if got.etag != kept.etag:
            broken("object_storage.5", f"{call}: another etag than its put returned", expected=kept.etag, got=got.etag)
        self._instant(kept, got.last_modified_ms, call, "object_storage.5")
        self._deadline(kept, got.expires_at_ms, call)

    def _instant(self, kept: Kept, got: object, call: str, promise: str) -> None:
        least, most = instant_window(self.case, kept.put.start / 1e6, kept.put.end / 1e6)
        if isinstance(got, bool) or not isinstance(got, int) or not least <= got <= most:
            broken(promise, f"{call}: another instant than that of the put", expected=f"{least:.3f} to {most:.3f}", got=got)
        if kept.instant_ms is None:
            kept.instant_ms = got
        if got != kept.instant_ms:
            broken(promise, f"{call}: another instant than was told before", expected=kept.instant_ms, got=got)

    def _deadline(self, kept: Kept, got: int | None, call: str) -> None:
        if kept.deadline is None:
            if got is not None:
                promise = "object_storage.10" if kept.freed else "object_storage.9"
                broken(promise, f"{call}: a deadline of an object without one", expected=None, got=got)
            return
        clocks_ms = 60_000 if self.case.server else 0 if self.case.clock.virtual else 50
        least = kept.deadline.start / 1e6 - 1 - clocks_ms
        most = (kept.deadline.end + self.model.slack_ns) / 1e6 + 1 + clocks_ms
        if isinstance(got, bool) or not isinstance(got, int) or not least <= got <= most:
            broken("object_storage.9", f"{call}: expires_at_ms is not the deadline", expected=f"{least:.3f} to {most:.3f}", got=got)

    def listing(self, bucket: str, prefix: str, got: Mapping[str, ObjectInfo], now: Window) -> None:
        """Judge a listing: the keys, their sizes and instants."""
        statuses = {key: status for key, status in self.model.statuses(bucket, now).items() if key[: len(prefix)] == prefix}
        for key, line in got.items():
            if key not in statuses:
                other = key in self.other.buckets.get(bucket, {}) and (bucket, key) not in self.model.gone
                promise = "object_storage.15" if other else self._found(bucket, key, "object_storage.8")
                broken(promise, f"list_objects({prefix!a}) gives what is missing", expected=sorted(statuses), got=sorted(got))
            kept = self.model.buckets[bucket][key]
            if line.size != len(kept.data):
                broken("object_storage.8", f"the size of {key!a} is listed wrongly", expected=len(kept.data), got=line.size)
            self._instant(kept, line.last_modified_ms, "list_objects", "object_storage.8")
        for key, status in statuses.items():
            if status == "present" and key not in got:
                promise = self._lost(bucket, key)
                promise = "object_storage.8" if promise == "object_storage.14" else promise
                broken(promise, f"list_objects({prefix!a}) leaves out {key!a}", expected=sorted(statuses), got=sorted(got))
            if status == "either" and key not in got:
                self.model.drop(bucket, key, "expiry")
