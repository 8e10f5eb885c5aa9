"""What is done with one object of S3, and with the keys below a prefix, whatever they mean. All of it blocks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

from minio.helpers import md5sum_hash

from prism_backends.s3.versions import HEADER, Version, read_header
from prism_backends.s3.wire import Refused, Wire, text_of

__all__ = ["ABSENT", "PAGE", "Cells", "Line", "unchanged"]

ABSENT: Mapping[str, str] = {"If-None-Match": "*"}
"""The condition that there is no object."""
PAGE = 1000
"""What a server lists, and removes, at a time."""


def unchanged(etag: str) -> dict[str, str]:
    """Return the condition that an object is still the one that has this ETag."""
    return {"If-Match": etag}


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a listing; ``version`` is None where the server does not list metadata."""

    key: str
    stored_bytes: int
    version: Version | None


class Cells:
    """The objects in one bucket of a server, by their keys."""

    def __init__(self, wire: Wire, bucket: str) -> None:
        self.wire, self.bucket = wire, bucket

    def put(self, key: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Write an object whole and return its ETag; `Refused` if a condition does not hold."""
        return self.wire.request("PUT", self.bucket, key, body=body, headers=headers).headers.get("etag", "")

    def swap(self, key: str, body: bytes, headers: Mapping[str, str]) -> str | None:
        """Like `put`, under a condition; None if it does not hold."""
        try:
            return self.put(key, body, headers)
        except Refused as error:
            if error.is_changed or error.code == "NoSuchKey":
                return None
            raise

    def get(self, key: str, headers: Mapping[str, str] | None = None) -> tuple[bytes, Mapping[str, str]] | None:
        """Return the data, or the range asked for, and the headers; None if it is missing."""
        try:
            answer = self.wire.request("GET", self.bucket, key, headers=headers)
        except Refused as error:
            if error.is_missing:
                return None
            raise
        return answer.data, answer.headers

    def head(self, key: str) -> Mapping[str, str] | None:
        """Return the headers of an object; None if it is missing."""
        try:
            return self.wire.request("HEAD", self.bucket, key).headers
        except Refused as error:
            if error.status == 404:
                return None
            raise

    def delete(self, key: str) -> None:
        """Remove what is there, if anything is."""
        try:
            self.wire.request("DELETE", self.bucket, key)
        except Refused as error:
            if not error.is_missing:
                raise

    def page(self, prefix: str, after: str) -> tuple[list[Line], bool]:
        """Return some of the objects whose keys begin with ``prefix``, in order, behind ``after``; and whether there are more."""
        # "metadata" is MinIO's own: who does not know it does not tell them, and each object has to be asked.
        query = {"list-type": "2", "max-keys": str(PAGE), "prefix": prefix, "metadata": "true"}
        try:
            root = self.wire.xml("GET", self.bucket, query=query | ({"start-after": after} if after else {}))
        except Refused as error:
            if error.is_missing:
                return [], False
            raise
        lines = [_line(element) for element in root.iter("Contents")]
        return lines, text_of(root, "IsTruncated") == "true"

    def keys(self, prefix: str) -> Iterator[list[str]]:
        """Yield all keys that begin with ``prefix``, a page at a time."""
        after, more = "", True
        while more:
            lines, more = self.page(prefix, after)
            if lines:
                yield [line.key for line in lines]
                after = lines[-1].key

    def delete_all(self, keys: Sequence[str]) -> None:
        """Remove up to `PAGE` objects."""
        listed = "".join(f"<Object><Key>{escape(key)}</Key></Object>" for key in keys)
        body = f"<Delete><Quiet>true</Quiet>{listed}</Delete>".encode()
        root = self.wire.xml("POST", self.bucket, body=body, headers={"Content-MD5": md5sum_hash(body) or ""}, query={"delete": ""})
        for error in root.iter("Error"):
            raise Refused(text_of(error, "Code"), 500)

    def delete_below(self, prefix: str) -> bool:
        """Remove every object whose key begins with ``prefix``; False if there was none."""
        found = False
        for keys in self.keys(prefix):
            self.delete_all(keys)
            found = True
        return found


def _line(element: Element) -> Line:
    stored_bytes = int(text_of(element, "Size"))
    told = element.find("UserMetadata")
    headers = {} if told is None else {each.tag.lower(): each.text or "" for each in told}
    version = None
    if stored_bytes and headers.get(HEADER):
        version = read_header({HEADER: headers[HEADER], "etag": text_of(element, "ETag")}, stored_bytes)
    return Line(text_of(element, "Key"), stored_bytes, version)
