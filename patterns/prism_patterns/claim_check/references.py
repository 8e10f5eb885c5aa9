"""The header that refers to a claim, and how a user's header of the same name gets past it."""

import json
from collections.abc import Mapping
from typing import get_args

from prism_patterns.claim_check.config import ClaimCheckConfig
from prism_patterns.claim_check.contract import Claim
from prism_testkit.interfaces.errors import CorruptPayload, InvalidName, PayloadTooLarge
from prism_testkit.naming import HEADER_NAME_BYTES, HEADERS_BYTES, check_name
from prism_testkit.traits import Limits

__all__ = ["escaped", "reference_of", "reference_to", "unescaped", "with_room"]

_MARK = "'"
_FIELDS = ("bucket", "key", "size", "checksum", "compression", "stored_ms")

_COMPRESSIONS = get_args(ClaimCheckConfig.model_fields["compression"].annotation)


_in_json = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def reference_to(claim: Claim) -> str:
    """Return the text by which a message refers to a claim."""
    return _in_json({name: getattr(claim, name) for name in _FIELDS})


def with_room(headers: Mapping[str, str], field: str, longest: int, what: str) -> dict[str, str]:
    """Return the headers, escaped; `PayloadTooLarge` if the user's leave no room for a reference of ``longest`` bytes."""
    mine = escaped(headers, field, what)
    size, ours = _size(mine), len(field.encode()) + longest
    if size + ours > HEADERS_BYTES:
        raise PayloadTooLarge(
            f"{what}: the headers have {size} bytes, and the reference to the claim needs {ours} of the {HEADERS_BYTES} "
            "there are in all"
        )
    return mine


def reference_of(headers: Mapping[str, str], field: str, what: str) -> Claim | None:
    """Return the claim that a message refers to, None if its payload is inline; `CorruptPayload` if nobody can read it."""
    text = headers.get(field)
    if text is None:
        return None
    try:
        found = json.loads(text)
        claim = Claim(**{name: found[name] for name in _FIELDS})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CorruptPayload(f"{what}: its header {field!a} refers to no claim: {error!r:.200}") from error
    if wrong := _wrong(claim):
        raise CorruptPayload(f"{what}: its header {field!a} refers to no claim: {wrong}: {text[:80]!a}")
    return claim


def _wrong(claim: Claim) -> str:
    """Return what no publish can have written of a claim, "" if there is nothing."""
    for name in ("bucket", "key", "checksum", "compression"):
        text = getattr(claim, name)
        if not (isinstance(text, str) and _is_name(text)):
            return f"{name} is no name"
    if claim.compression not in _COMPRESSIONS:
        return "nobody knows its compression"
    for name in ("size", "stored_ms"):
        number = getattr(claim, name)
        if type(number) is not int or number < 0:
            return f"{name} is no number of 0 or more"
    return ""


def _is_name(text: str) -> bool:
    try:
        check_name(text, "read", "claim check", Limits())
    except InvalidName:
        return False
    return True


def escaped(headers: Mapping[str, str], field: str, what: str) -> dict[str, str]:
    """Return the headers with one quote more behind each name that is ``field`` and quotes.

    `PayloadTooLarge` if there is no room for a quote: no way to escape has room for all, since the reserved name is one of them.
    """
    mine = {}
    escapes = 0
    for name, value in headers.items():
        if _is_ours(name, field):
            escapes += 1
            if len(name.encode()) >= HEADER_NAME_BYTES:
                raise PayloadTooLarge(
                    f"{what}: the header {field[:40]!a} and quotes behind it is escaped by one quote more, and with "
                    f"{len(name.encode())} bytes it leaves no room for that: a name has {HEADER_NAME_BYTES}"
                )
            name += _MARK
        mine[name] = value
    if escapes and _size(mine) > HEADERS_BYTES:
        raise PayloadTooLarge(
            f"{what}: the headers have {_size(headers)} bytes, and need {escapes} more to escape those named {field[:40]!a}; "
            f"there are {HEADERS_BYTES} in all"
        )
    return mine


def _size(headers: Mapping[str, str]) -> int:
    return sum(len(name.encode()) + len(value.encode()) for name, value in headers.items())


def unescaped(headers: Mapping[str, str], field: str) -> dict[str, str]:
    """Undo `escaped`, and leave out the reference."""
    return {name[: -len(_MARK)] if _is_ours(name, field) else name: value for name, value in headers.items() if name != field}


def _is_ours(name: str, field: str) -> bool:
    return name.startswith(field) and not name[len(field) :].strip(_MARK)
