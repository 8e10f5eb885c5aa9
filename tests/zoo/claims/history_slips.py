"""The slip of a claim, which travels in a header, and how the headers of users make room for it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from prism_patterns.claim_check import Claim
from prism_testkit.interfaces import CorruptPayload, PayloadTooLarge

__all__ = ["MOST_HEADERS", "MOST_NAME", "Headers", "Slip", "headers_size"]

MOST_HEADERS = 8192
MOST_NAME = 512
_WIDEST = 10**19
_HEX = re.compile("[0-9a-f]{64}")


@dataclass(frozen=True)
class Slip:
    """A claim, and how its object looks as it lies there: so many bytes, with that digest."""

    claim: Claim
    packed: int
    digest: str

    def written(self) -> str:
        claim = self.claim
        fields = [claim.bucket, claim.key, claim.size, claim.checksum, claim.compression, claim.stored_ms, self.packed, self.digest]
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    @staticmethod
    def longest(bucket: str, key: str, compression: str) -> int:
        """Return the most bytes that a slip of this claim may come to."""
        claim = Claim(bucket, key, _WIDEST, f"sha256:{'0' * 64}", compression, _WIDEST)
        return len(Slip(claim, _WIDEST, "0" * 64).written().encode())

    @staticmethod
    def read(text: str) -> "Slip":
        """Return what was written; `CorruptPayload` for anything else."""
        try:
            found = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise CorruptPayload(f"the slip of a claim is no JSON: {text!r:.80}") from error
        if not (isinstance(found, list) and [type(each) for each in found] == [str, str, int, str, str, int, int, str]):
            raise CorruptPayload(f"the slip of a claim cannot be read: {text!r:.80}")
        bucket, key, size, checksum, compression, stored_ms, packed, digest = found
        known = checksum.startswith("sha256:") and _HEX.fullmatch(checksum[7:]) and _HEX.fullmatch(digest)
        if not known or compression not in ("none", "gzip", "zstd") or not bucket or not key or min(size, packed) < 0:
            raise CorruptPayload(f"the slip of a claim makes no sense: {text!r:.80}")
        return Slip(Claim(bucket, key, size, checksum, compression, stored_ms), packed, digest)


class Headers:
    """Makes room for the header ``field``: a user's of that name, with any number of tildes behind it, gets one tilde more."""

    def __init__(self, field: str) -> None:
        self._field = field

    def _is_ours(self, name: str) -> bool:
        return name.rstrip("~") == self._field.rstrip("~") and len(name) >= len(self._field)

    def outward(self, headers: Mapping[str, str] | None, room: int) -> dict[str, str]:
        """Return the headers as they travel; `PayloadTooLarge` if they do not leave ``room`` bytes, or no room to be escaped."""
        if headers is None:
            return {}
        given = dict(headers)
        sent = {self._outward(name): value for name, value in given.items()}
        if len(sent) < len(given):  # cannot be: the escape is one to one
            raise AssertionError(f"headers fell together: {sorted(given)}")
        size = headers_size(sent)
        if (sent != given or room) and size + room > MOST_HEADERS:
            raise PayloadTooLarge(f"headers of {size} bytes leave no room for the {room} bytes of a reference to the payload")
        return sent

    def _outward(self, name: str) -> str:
        if not isinstance(name, str) or not self._is_ours(name):
            return name
        longer = f"{name}~"
        if len(longer.encode(errors="surrogatepass")) > MOST_NAME:
            raise PayloadTooLarge(
                f"a header of the name {name!r:.80} fills its {MOST_NAME} bytes, and leaves no room to be escaped"
            )
        return longer

    def inward(self, headers: Mapping[str, str]) -> tuple[dict[str, str], str | None]:
        """Return the user's headers, and the slip if there is one."""
        users = {(name[:-1] if self._is_ours(name) else name): value for name, value in headers.items() if name != self._field}
        return users, headers.get(self._field)

    def with_slip(self, headers: dict[str, str], slip: str) -> dict[str, str]:
        return {**headers, self._field: slip}


def headers_size(headers: Mapping[Any, Any]) -> int:
    """Return how many bytes headers come to; what is no text is left for the queue to refuse."""
    texts = (text for pair in headers.items() for text in pair if isinstance(text, str))
    return sum(len(text.encode(errors="surrogatepass")) for text in texts)
