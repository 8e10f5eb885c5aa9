"""Compares what a call said with what the model allows, and names the promise that broke."""

from collections.abc import Iterable, Mapping
from typing import NoReturn

from prism_suites._keyvalue_model import Held, Model, Status, Window
from prism_testkit.outcomes import Violation

__all__ = ["Judge"]

_LOST = {
    "set": "keyvalue_basic.1",
    "batch_set": "keyvalue_batch.1",
    "compare_and_swap": "keyvalue_cas.1",
    "transaction": "keyvalue_transactional.1",
}
_FREED = {
    "set": "keyvalue_ttl.3",
    "batch_set": "keyvalue_ttl.3",
    "transaction": "keyvalue_ttl.3",
    "compare_and_swap": "keyvalue_ttl.4",
    "persist": "keyvalue_ttl.8",
}
_BACK = {
    "delete": "keyvalue_basic.4",
    "expiry": "keyvalue_ttl.2",
    "ttl<=0": "keyvalue_ttl.9",
    "batch_delete": "keyvalue_batch.3",
    "compare_and_delete": "keyvalue_cas.4",
    "transaction": "keyvalue_transactional.1",
}
_READS = {
    "scan": "keyvalue_scan.1",
    "scan_keys": "keyvalue_scan.5",
    "batch_get": "keyvalue_batch.2",
    "exists": "keyvalue_basic.5",
    "transaction": "keyvalue_transactional.5",
}


class Judge:
    """Judges one namespace; ``sibling`` is the model of the other one, to tell whose data turned up."""

    def __init__(self, model: Model, sibling: Model) -> None:
        self.model = model
        self.sibling = sibling

    def value(self, name: str, got: bytes | None, now: Window, path: str) -> None:
        """Judge a value that was read; what it says of a key that may have expired is believed from now on."""
        status = self.model.status(name, now)
        if got is None:
            if status == "present":
                self.lost(name, path)
            self.model.drop(name, "expiry")
            return
        if not isinstance(got, bytes):
            fail(_READS.get(path, "keyvalue_basic.1"), f"{path} returned {type(got).__name__}, not bytes", "bytes", got)
        if status == "missing":
            self.back(name, got, path)
        wanted = self.model.held[name].value
        if got != wanted:
            self.mixed(name, wanted, got, path)

    def presence(self, name: str, got: object, now: Window, path: str, promise: str) -> bool:
        """Judge a True or False about a key; return it."""
        status = self.model.status(name, now)
        if not isinstance(got, bool | int):
            fail(promise, f"{path} returned {type(got).__name__}, not a truth value", _truth(status), got)
        if not got:
            if status == "present":
                if path in ("exists", "delete"):
                    held = self.model.held[name]
                    fail(
                        self._lost(held) if held.deadline or held.freed_by else promise,
                        f"{path} says that a present key is missing",
                        True,
                        got,
                    )
                fail(promise, f"{path} says False of a present key", True, got)
            self.model.drop(name, "expiry")
            return False
        if status == "missing":
            fail(self._back(name, promise), f"{path} says True of a missing key{self._why(name)}", False, got)
        return True

    def listing(self, prefix: str, got: Mapping[str, bytes] | Iterable[str], now: Window, path: str, limit: int | None) -> None:
        """Judge what a scan gave."""
        sure, maybe = self.model.certain(prefix, now)
        names = list(got)
        if len(names) != len(set(names)):
            twice = next(name for name in names if names.count(name) > 1)
            fail("keyvalue_scan.1", f"{path} gave a key twice", "each key once", twice)
        for name in names:
            if name not in sure and name not in maybe:
                self._stray(name, prefix, path)
            if isinstance(got, Mapping):
                self.value(name, got[name], now, path)
        self._length(sure, maybe, names, path, limit)

    def _length(
        self, sure: Mapping[str, bytes], maybe: Mapping[str, bytes], names: list[str], path: str, limit: int | None
    ) -> None:
        absent = [name for name in sure if name not in names]
        if limit is None:
            if absent:
                held = self.model.held[absent[0]]
                promise = self._lost(held) if held.deadline or held.freed_by else _READS[path]
                fail(promise, f"{path} left out a present key", absent[0], names)
            for name in maybe:
                if name not in names:
                    self.model.drop(name, "expiry")
        elif len(names) > limit or len(names) < min(limit, len(sure)):
            fail("keyvalue_scan.4", f"{path} with limit={limit} gave {len(names)} keys", min(limit, len(sure)), len(names))

    def count(self, prefix: str, got: object, now: Window) -> None:
        """Judge a count."""
        sure, maybe = self.model.certain(prefix, now)
        least, most = len(sure), len(sure) + len(maybe)
        if not isinstance(got, int) or not least <= got <= most:
            expired = isinstance(got, int) and got > most and "expiry" in self.model.gone.values()
            promise = "keyvalue_ttl.2" if expired else "keyvalue_scan.5"
            sentence = f"count of the keys that begin with {prefix[:20]!a}"
            fail(promise, sentence, least if least == most else f"{least} to {most}", got)

    def lost(self, name: str, path: str) -> NoReturn:
        """A key that is present was said to be missing."""
        held = self.model.held[name]
        promise = self._lost(held)
        if promise == "keyvalue_basic.1":
            promise = _READS.get(path, promise)
        note = ", whose time to live had been taken away," if held.freed_by else ", before its deadline," if held.deadline else ""
        fail(promise, f"{path} does not find a key{note} that {held.by} wrote", held.value, None)

    def back(self, name: str, got: bytes, path: str) -> NoReturn:
        """A key that is missing was read."""
        for other, held in self.model.held.items():
            if held.value == got and name not in self.model.gone:
                fail("keyvalue_basic.3", f"{path} of one key gives the value of another, {other[:40]!a}", None, got)
        if got in [held.value for held in self.sibling.held.values()] and name not in self.model.gone:
            fail("keyvalue_basic.9", f"{path} gives a value that was written in another namespace", None, got)
        fail(self._back(name, "keyvalue_basic.2"), f"{path} finds a missing key{self._why(name)}", None, got)

    def mixed(self, name: str, wanted: bytes, got: bytes, path: str) -> NoReturn:
        """A key was read with another value than it holds."""
        for other, held in self.model.held.items():
            if other != name and held.value == got:
                fail("keyvalue_basic.3", f"{path} gives the value of another key, {other[:40]!a}", wanted, got)
        if got in [held.value for held in self.sibling.held.values()]:
            fail("keyvalue_basic.9", f"{path} gives a value that was written in another namespace", wanted, got)
        by = self.model.held[name].by
        fail(_LOST.get(by, "keyvalue_basic.1"), f"{path} gives another value than {by} wrote", wanted, got)

    def _stray(self, name: str, prefix: str, path: str) -> NoReturn:
        if name in self.model.gone:
            fail(self._back(name, _READS[path]), f"{path} gives a missing key{self._why(name)}", "not given", name)
        if name in self.model.held:
            fail(
                "keyvalue_scan.2",
                f"{path} gives a key that does not begin with the prefix",
                f"keys that begin with {prefix!a}",
                name,
            )
        if name in self.sibling.held:
            fail("keyvalue_basic.9", f"{path} gives a key of another namespace", "keys of this namespace", name)
        fail(_READS[path], f"{path} gives a key that was never written", sorted(self.model.held), name)

    def _lost(self, held: Held) -> str:
        if held.freed_by:
            return _FREED.get(held.freed_by, "keyvalue_ttl.3")
        if held.deadline is not None:
            return "keyvalue_ttl.7" if held.by != "set_with_ttl" else "keyvalue_ttl.1"
        return _LOST.get(held.by, "keyvalue_basic.1")

    def _back(self, name: str, otherwise: str) -> str:
        return _BACK.get(self.model.gone.get(name, ""), otherwise)

    def _why(self, name: str) -> str:
        by = self.model.gone.get(name)
        return {None: "", "expiry": ", whose deadline has passed", "ttl<=0": ", which was given no time to live"}.get(
            by, f", which {by} removed"
        )


def _truth(status: Status) -> object:
    return {"present": True, "missing": False, "either": "True or False"}[status]


def fail(promise: str, message: str, expected: object, got: object) -> NoReturn:
    """Raise the violation of a promise."""
    raise Violation.of(promise, message, expected=expected, got=got)
