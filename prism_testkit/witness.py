"""A failing case in a file: which check, which binding, and the data itself, so that it repeats without any search.

JSON, versioned. Data are JSON values; what JSON cannot say is an object with one key that begins with ``$``.
"""

import base64
import dataclasses
import hashlib
import json
import math
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

__all__ = ["WITNESS_VERSION", "NotEncodable", "Witness", "WitnessError", "decode", "encode", "register"]

WITNESS_VERSION = 1


class WitnessError(Exception):
    """A file is no witness, or one that this version cannot read; the message says which file and why."""


class NotEncodable(TypeError):
    """A case holds data that no witness can carry."""


_TYPES: dict[str, type] = {}


def register(kind: type) -> type:
    """Let instances of a dataclass travel in witnesses, under the name of the class, which must be free. Use as a decorator."""
    if not dataclasses.is_dataclass(kind):
        raise TypeError(f"{kind!r} is not a dataclass")
    other = _TYPES.get(kind.__name__, kind)
    if (other.__module__, other.__qualname__) != (kind.__module__, kind.__qualname__):
        raise TypeError(f"{kind!r}: {other!r} is registered under the same name")
    _TYPES[kind.__name__] = kind
    return kind


def encode(value: Any) -> Any:
    """Return ``value`` as JSON data; raise `NotEncodable` for what has no form there."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$float": repr(value)}
    if isinstance(value, bytes):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [encode(item) for item in value]
    if isinstance(value, tuple):
        return {"$tuple": [encode(item) for item in value]}
    if isinstance(value, dict):
        return {"$dict": [[encode(key), encode(item)] for key, item in value.items()]}
    if dataclasses.is_dataclass(value) and _TYPES.get(type(value).__name__) is type(value):
        fields = {field.name: encode(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"$object": type(value).__name__, "fields": fields}
    raise NotEncodable(f"{type(value).__qualname__} has no form in a witness; use JSON values, bytes, or a registered dataclass")


def decode(data: Any) -> Any:
    """Undo `encode`; raise `WitnessError` for an unknown form."""
    if isinstance(data, list):
        return [decode(item) for item in data]
    if not isinstance(data, dict):
        return data
    if "$object" in data:
        kind = _TYPES.get(data["$object"])
        if kind is None:
            raise WitnessError(f"it holds a {data['$object']!r}, which is not known here")
        return kind(**{name: decode(item) for name, item in data["fields"].items()})
    for mark, undo in _FORMS.items():
        if mark in data:
            return undo(data[mark])
    raise WitnessError(f"it holds an unknown form with the keys {sorted(data)}")


_FORMS: dict[str, Callable[[Any], Any]] = {
    "$float": float,
    "$bytes": base64.b64decode,
    "$tuple": lambda items: tuple(decode(item) for item in items),
    "$dict": lambda items: {decode(key): decode(item) for key, item in items},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Witness:
    """One failing case."""

    check: str
    """Id without the brackets: ``prism_suites/interfaces/keyvalue_ttl.py::reads_never_extend``."""
    binding: str
    backends: tuple[str, ...]
    promise: str
    seed: int
    arguments: Mapping[str, Any]
    """Encoded, for the dataclasses in it may be registered by modules that nobody has imported yet."""

    @classmethod
    def of(
        cls, *, check: str, binding: str, backends: tuple[str, ...], promise: str, seed: int, arguments: Mapping[str, Any]
    ) -> "Witness":
        """Make one of a case's data; raise `NotEncodable` for what it cannot carry."""
        encoded = {name: encode(value) for name, value in arguments.items()}
        return cls(check=check, binding=binding, backends=backends, promise=promise, seed=seed, arguments=encoded)

    def decoded(self, names: Collection[str]) -> dict[str, Any]:
        """Return the data for a check that takes ``names``; raise `WitnessError` if it is not the data of such a check."""
        if set(names) != set(self.arguments):
            raise WitnessError(f"it holds {_listed(self.arguments)}, and the check now takes {_listed(names)}")
        try:
            return {name: decode(value) for name, value in self.arguments.items()}
        except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise WitnessError(f"incomplete: {type(error).__name__}: {error}") from error

    def save(self, directory: Path) -> Path:
        """Write it under a name made of check, binding and content; the same case gives the same file."""
        body = {
            "format": "prism-testkit-witness",
            "version": WITNESS_VERSION,
            "check": self.check,
            "binding": self.binding,
            "backends": list(self.backends),
            "promise": self.promise,
            "seed": self.seed,
            "arguments": dict(self.arguments),
        }
        text = json.dumps(body, indent=1, sort_keys=True)
        # Without the seed: the same case is the same file, whichever run found it.
        digest = hashlib.blake2b(json.dumps(body | {"seed": 0}, sort_keys=True).encode(), digest_size=5).hexdigest()
        stem = "".join(c if c.isalnum() else "-" for c in f"{self.check.rpartition('::')[2]}-{self.binding}")[:80]
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / f"{stem}-{digest}.json"
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(text)
        temporary.replace(path)
        return path

    @classmethod
    def load(cls, path: Path) -> "Witness":
        """Read a file; raise `WitnessError` naming it, and why it cannot be read."""
        try:
            body = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise WitnessError(f"{path}: {error.strerror or error}") from error
        except (ValueError, RecursionError) as error:
            raise WitnessError(f"{path}: not JSON: {error}") from error
        if not isinstance(body, dict) or body.get("format") != "prism-testkit-witness":
            raise WitnessError(f"{path}: not a witness of prism-testkit")
        if body.get("version") != WITNESS_VERSION:
            raise WitnessError(f"{path}: version {body.get('version')!r}, this prism-testkit reads version {WITNESS_VERSION}")
        for name, kind in _FIELDS.items():
            if not isinstance(body.get(name), kind):
                raise WitnessError(f"{path}: incomplete: expected {name} to be {kind.__name__}, found {body.get(name)!r}")
        return cls(
            check=body["check"],
            binding=body["binding"],
            backends=tuple(map(str, body["backends"])),
            promise=body["promise"],
            seed=body["seed"],
            arguments=body["arguments"],
        )


_FIELDS = {"check": str, "binding": str, "backends": list, "promise": str, "seed": int, "arguments": dict}


def _listed(names: Collection[str]) -> str:
    return ", ".join(sorted(names)) or "no data"
