"""Mistakes with names that real stores and their clients shipped, over the gateway."""

import re
import unicodedata
from collections.abc import Callable, Iterator
from urllib.parse import unquote

from prism_testkit.interfaces import AlreadyExists, BackendUnavailable, ObjectInfo
from tests.zoo.declare import Mutant

from .history import declaring_history
from .history_client import GatewayObjects
from .history_gateway import Bucket, Facts, Gateway, Head, Page, Upload

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_history(MUTANTS)

KIND = "names"


@mutant("3", KIND, trap="a key that begins with a slash", also="1 4 8")
class StripsLeadingSlashes(Gateway):
    """All slashes before a key are taken off with the one that ends the bucket's name (getmoto/moto#2909)."""

    def key(self, bucket: Bucket, key: str) -> str:
        return key.lstrip("/")


@mutant("3", KIND, trap="two slashes in a row", also="1 4 8")
class CleansPaths(Gateway):
    """The path of a request is cleaned: ``a//b`` is ``a/b`` (aws/aws-sdk-go#2559)."""

    def key(self, bucket: Bucket, key: str) -> str:
        return re.sub("/{2,}", "/", key)


@mutant("3", KIND, trap="a key that ends with a slash beside the one without", also="1 4 8")
class DropsTheTrailingSlash(Gateway):
    """``path/`` and ``path`` are one object (adobe/S3Mock#165)."""

    def key(self, bucket: Bucket, key: str) -> str:
        return key.removesuffix("/") or key


@mutant("3", KIND, trap="a key that ends with .metadata", also="1 4 5 8")
class KeepsFactsInSidecars(Gateway):
    """Facts of ``x`` are kept under ``x.metadata``, among the objects, and left out of listings (fsouza/fake-gcs-server#1933)."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        bucket.heads[key + ".metadata"] = Head(self.number(), repr(head.facts).encode(), "", head.at_ms, Facts(), head.expires_ms)
        return super().store(bucket, key, head)

    def remove(self, bucket: Bucket, key: str) -> None:
        bucket.heads.pop(key + ".metadata", None)
        super().remove(bucket, key)

    def empty(self, space: str, name: str) -> bool:
        heads = self.buckets(space)[name].heads
        return not any(self.present(head) for key, head in heads.items() if not key.endswith(".metadata"))

    def listed(self, bucket: Bucket, prefix: str, token: str | None) -> Iterator[tuple[str, Head]]:
        return (row for row in super().listed(bucket, prefix, token) if not row[0].endswith(".metadata"))


@mutant("3", KIND, trap="a plus in a key", also="1 4 8")
class PlusIsABlank(Gateway):
    """Keys of requests are decoded as forms are: a plus is a blank (floci-io/floci#1736)."""

    def key(self, bucket: Bucket, key: str) -> str:
        return key.replace("+", " ")


@mutant("3", KIND, trap="a key with a percent sign and two digits, listed", also="8")
class ListingsUndoPercents(GatewayObjects):
    """Keys of listings are decoded once more than they were encoded (minio/minio#6706)."""

    def info(self, key: str, head: Head) -> ObjectInfo:
        return super().info(unquote(key), head)


@mutant("3", KIND, trap="a key that is the folder of another", also="1 14")
class FilesAreNoFolders(Gateway):
    """``foo/bar`` and ``foo/bar/baz`` cannot be there at once: they are files (versity/versitygw#137)."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        for other in bucket.heads:
            if other != key and (other.startswith(key.rstrip("/") + "/") or key.startswith(other.rstrip("/") + "/")):
                raise AlreadyExists(f"gateway: {other[:40]!a} is in the way")
        return super().store(bucket, key, head)


class _Collates(Gateway):
    same: Callable[[str], str] = str.lower

    def key(self, bucket: Bucket, key: str) -> str:
        if key in bucket.heads:
            return key
        folded = type(self).same(key)
        return next((there for there in bucket.heads if type(self).same(there) == folded), key)


@mutant("3", KIND, trap="keys that differ in case alone", also="1 4 8")
class CollatesCase(_Collates):
    """The column of keys has the collation of its database, to which A is a (agentscope-ai/agentscope-java#3217)."""


@mutant("3", KIND, trap="keys that differ in blanks at their end", also="1 4 8")
class CollatesBlanksAtTheEnd(_Collates):
    """A collation that pads ignores blanks at the end (indigo-iam/iam#1136)."""

    same = staticmethod(lambda key: key.rstrip(" "))


@mutant("3", KIND, trap="a key that is not in the composed form", also="1 4 8")
class ComposesKeys(Gateway):
    """Keys are brought to the composed form of Unicode before they are sent (fog/fog#2790)."""

    def key(self, bucket: Bucket, key: str) -> str:
        return unicodedata.normalize("NFC", key)


@mutant("3", KIND, trap="more than 255 bytes between two slashes", also="12")
class SegmentsAreFileNames(Gateway):
    """What is between two slashes is the name of a file, of at most 255 bytes (rustfs/rustfs#5785)."""

    def store(self, bucket: Bucket, key: str, head: Head) -> Head:
        if any(len(segment.encode()) > 255 for segment in key.split("/")):
            raise BackendUnavailable("gateway: [Errno 36] File name too long")
        return super().store(bucket, key, head)


@mutant("3", KIND, trap="a control character in a key that is listed", also="8")
class ListingsRefuseControls(Gateway):
    """A listing is XML, in which control characters cannot be; that of their bucket fails as a whole (basho/riak_cs#974)."""

    def page(self, space: str, name: str, prefix: str, token: str | None) -> Page:
        rows, more = super().page(space, name, prefix, token)
        if any(character < " " and character not in "\t\r\n" for key, _ in rows for character in key):
            raise BackendUnavailable("gateway: invalid character in the answer")
        return rows, more


@mutant("3", KIND, trap="a carriage return in a key that is listed", also="8")
class ListingsReadReturnsAsLines(GatewayObjects):
    """A parser of XML reads a carriage return as a line feed (flyology-ada/flyology-object-storage#17)."""

    def info(self, key: str, head: Head) -> ObjectInfo:
        return super().info(key.replace("\r\n", "\n").replace("\r", "\n"), head)


@mutant("3", KIND, trap="an object named 0", also="8")
class ZeroIsNoName(GatewayObjects):
    """Listings leave out what has no name, and ``0`` is none (thephpleague/flysystem#527)."""

    async def list_objects(self, bucket: str, prefix: str = ""):  # type: ignore[no-untyped-def]
        async for info in super().list_objects(bucket, prefix):
            if info.key.rpartition("/")[2] != "0":
                yield info


@mutant("4", KIND, trap="a key that is another one, a newline and more", also="1 3 6 8")
class PartsAreBesideTheirKey(Gateway):
    """Parts are kept under the key, a newline and a number; the end of an upload removes what begins so (leo-project/leofs#903)."""

    def abort(self, upload: Upload) -> None:
        super().abort(upload)
        for key in [key for key in upload.bucket.heads if key.startswith(upload.key + "\n")]:
            del upload.bucket.heads[key]
