"""Mistakes of connections and of limits that real stores and their clients shipped, over the gateway; a second look."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from prism_testkit.interfaces import BackendUnavailable, PayloadTooLarge
from prism_testkit.naming import check_headers
from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects
from .history_gateway import Facts, Gateway

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

KIND = "limits"


@mutant("12", KIND, trap="a name of user metadata of more than 239 bytes", also="5")
class LabelsAreAttributes(Gateway):
    """A name of user metadata is that of an attribute of a file, behind a prefix of 16 bytes (versity/versitygw#1909)."""

    def made(self, etag: str, data: bytes, facts: Facts) -> Any:
        if any(len(name.encode()) > 239 for name in facts.labels):
            raise BackendUnavailable("gateway: set user attribute: file name too long")
        return super().made(etag, data, facts)


class _Counts(GatewayObjects):
    def counted(self, labels: Mapping[str, str]) -> int:
        return sum(len(name.encode()) + len(value.encode()) for name, value in labels.items())

    def facts(self, operation: str, content_type: str | None, encoding: str | None, labels: Mapping[str, str] | None) -> Facts:
        facts = super().facts(operation, content_type, encoding, None)
        checked = check_headers(labels, operation, "gateway", 1 << 30)
        if self.counted(checked) > 1024:
            raise PayloadTooLarge(f"gateway: {operation}: user metadata of more than 1 KiB")
        return Facts(facts.content_type, facts.content_encoding, checked)


@mutant("12", KIND, trap="user metadata of letters that take more than a byte")
class LabelsAreCountedInLetters(_Counts):
    """User metadata are counted by letters, not by bytes (scality/cloudserver#756)."""

    def counted(self, labels: Mapping[str, str]) -> int:
        return sum(len(name) + len(value) for name, value in labels.items())


@mutant("12", KIND, trap="user metadata at their limit")
class LabelsAreCountedWithTheirHeader(_Counts):
    """The header that each name stands behind is counted, too (treeverse/lakeFS#9909, of another store)."""

    def counted(self, labels: Mapping[str, str]) -> int:
        return super().counted(labels) + len("x-amz-meta-") * len(labels)


@mutant("17", "connections", trap="a read behind a stream that was left early", also="1 7")
class LeftoversAreReadNext(GatewayObjects):
    """The connection of a stream that was left is used again, with what is still to come on it (scylladb/seastar#2762)."""

    leftover = b""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        pending, self.leftover = self.leftover, b""
        rest: list[bytes] = []
        whole = False
        try:
            async for piece in super().get_stream(bucket, key):
                rest.append(piece)
                yield pending + piece
                pending = b""
            whole = True
        finally:
            if rest and not whole and len(rest[-1]) > 1000:
                self.leftover = rest[-1][-1000:]


@mutant("2", "connections", trap="the call behind one that failed", also="1 8 11 12 14")
class ErrorsAreAnsweredTwice(GatewayObjects):
    """An error is answered twice, and the second answer is taken for that of the next request (crate/crate#7191)."""

    failed: Exception | None = None

    async def request(self, ask: Any, *arguments: Any) -> Any:
        if self.failed is not None:
            error, self.failed = self.failed, None
            raise error
        try:
            return await super().request(ask, *arguments)
        except Exception as error:
            self.failed = error
            raise


@mutant("2", "names", trap="exists of what is the folder of another key", also="3")
class FoldersExist(GatewayObjects):
    """What others are below of is said to exist (SociallyDev/Spaces-API#35)."""

    async def exists(self, bucket: str, key: str) -> bool:
        there = await super().exists(bucket, key)
        heads = self.gateway.bucket(self.space, bucket).heads
        return there or (key.endswith("/") and any(other.startswith(key) for other in heads))


@mutant("4", "names", trap="delete of what is missing", also="2")
class DeletesAlwaysSucceed(GatewayObjects):
    """A request to delete does not tell whether anything was there, and so it was (awslabs/aws-java-nio-spi-for-s3#210)."""

    async def erase(self, names: tuple[str, str, str]) -> bool:
        await super().erase(names)
        return True


@mutant("17", "connections", trap="streams that are left behind their last chunk, again and again", also="7 1 14")
class ReadToTheLastByteIsNoEnd(GatewayObjects):
    """A connection is given back at the end of a stream, or when it is left before; to have read all is neither
    (Azure/azure-sdk-for-cpp#518)."""

    async def get_stream(self, bucket: str, key: str) -> AsyncIterator[bytes]:
        head = self.gateway.find(self.gateway.bucket(self.space, bucket), key) if bucket and key else None
        size, read, whole = len(head.data) if head is not None else 0, 0, False
        try:
            async for piece in super().get_stream(bucket, key):
                read += len(piece)
                yield piece
            whole = True
        finally:
            if read == size and read and not whole:
                self.pool._value = max(0, self.pool._value - 1)
