"""Correct claim checks whose references are no text: fields of a binary format, in base64 as a header needs it, or in digits."""

import base64
import binascii
from collections.abc import Iterator

from prism_patterns.claim_check import Claim
from prism_testkit.interfaces import InvalidName
from prism_testkit.naming import check_name

from .stranger_consumer import StrangeConsumer
from .strangers import StrangeClaimCheck

__all__ = ["BinaryConsumer", "BinaryReferences", "HexadecimalReferences", "fields_of"]

_DIGEST = 32
_COMPRESSIONS = ("none", "gzip", "zstd")


def fields_of(data: bytes) -> Iterator[bytes]:
    """Yield the fields, each behind two bytes of its length; ValueError for what is not whole."""
    while data:
        end = 2 + int.from_bytes(data[:2], "big")
        if end > len(data):
            raise ValueError("it is not whole")
        yield data[2:end]
        data = data[end:]


class BinaryConsumer(StrangeConsumer):
    """Reads such references."""

    def bytes_of(self, reference: str) -> bytes:
        return base64.b64decode(reference, validate=True)

    def claim_of(self, reference: str) -> Claim:
        bucket, key, size, digest, compression, stored = fields_of(self.bytes_of(reference))
        claim = Claim(
            bucket.decode(),
            key.decode(),
            int.from_bytes(size, "big"),
            f"sha256:{digest.hex()}",
            compression.decode(),
            int.from_bytes(stored, "big"),
        )
        self.check(claim, digest)
        return claim

    def check(self, claim: Claim, digest: bytes) -> None:
        """ValueError for what no publish has written."""
        try:
            check_name(claim.bucket, "read", "claims")
            check_name(claim.key, "read", "claims")
        except InvalidName as error:
            raise ValueError(str(error)) from error
        if len(digest) != _DIGEST or claim.compression not in _COMPRESSIONS:
            raise ValueError("no checksum, or no compression")


class BinaryReferences(StrangeClaimCheck):
    """The checksum is in it as 32 bytes, every field behind its length."""

    consumer_type = BinaryConsumer

    def written(self, data: bytes) -> str:
        return base64.b64encode(data).decode()

    def reference(self, claim: Claim) -> str:
        fields = (
            claim.bucket.encode(),
            claim.key.encode(),
            claim.size.to_bytes(8, "big"),
            bytes.fromhex(claim.checksum.removeprefix("sha256:")),
            claim.compression.encode(),
            claim.stored_ms.to_bytes(8, "big"),
        )
        return self.written(b"".join(len(field).to_bytes(2, "big") + field for field in fields))


class HexadecimalReferences(BinaryReferences):
    """The same bytes as digits."""

    class _Consumer(BinaryConsumer):
        def bytes_of(self, reference: str) -> bytes:
            return binascii.unhexlify(reference)

    consumer_type = _Consumer

    def written(self, data: bytes) -> str:
        return data.hex()
