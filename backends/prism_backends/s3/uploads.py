"""An object that comes in parts: seen by nobody before it is complete. All of it blocks."""

import itertools
from collections.abc import Mapping

from prism_backends.s3.cells import Cells
from prism_backends.s3.wire import Refused, text_of
from prism_testkit.interfaces.errors import QuotaExceeded

__all__ = ["MOST_PARTS", "PART_BYTES", "Upload"]

PART_BYTES = 5 << 20
"""The least that a part may have, but for the last."""
MOST_PARTS = 10_000
_COPIED_BYTES = 1 << 30
"""What a server copies in one request."""


class Upload:
    """A multipart upload (https://docs.aws.amazon.com/AmazonS3/latest/userguide/mpuoverview.html), begun by its first part."""

    def __init__(self, cells: Cells, key: str, headers: Mapping[str, str]) -> None:
        self._cells, self._key, self._headers = cells, key, headers
        self._identity = ""
        self._etags: list[str] = []

    @property
    def is_begun(self) -> bool:
        return bool(self._identity)

    def add(self, data: bytes) -> None:
        """Write a part of `PART_BYTES` or more; the last may be shorter."""
        query = self._part()
        answer = self._cells.wire.request("PUT", self._cells.bucket, self._key, body=data, query=query)
        self._etags.append(answer.headers.get("etag", "").strip('"'))

    def copy(self, size: int, etag: str) -> None:
        """Let the server write parts out of the first ``size`` bytes of the object under this key, if it still has this ETag."""
        count = -(-size // _COPIED_BYTES)
        edges = [size * number // count for number in range(count + 1)]
        for start, end in itertools.pairwise(edges):
            headers = {
                "x-amz-copy-source": f"/{self._cells.bucket}/{self._key}",
                "x-amz-copy-source-range": f"bytes={start}-{end - 1}",
                "x-amz-copy-source-if-match": etag,
            }
            root = self._cells.wire.xml("PUT", self._cells.bucket, self._key, headers=headers, query=self._part())
            self._etags.append(text_of(root, "ETag").strip('"'))

    def complete(self, condition: Mapping[str, str]) -> bool:
        """Give the object its name; False if the condition does not hold."""
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in enumerate(self._etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        headers = {"Content-Type": "application/xml", **condition}
        query = {"uploadId": self._identity}
        try:
            self._cells.wire.xml("POST", self._cells.bucket, self._key, body=body, headers=headers, query=query)
        except Refused as error:
            if condition and (error.is_changed or error.code == "NoSuchKey"):
                return False
            raise
        self._identity = ""
        return True

    def abort(self) -> None:
        """Remove the parts of what is not complete. A repeat does nothing."""
        if self._identity:
            query = {"uploadId": self._identity}
            self._identity = ""
            self._cells.wire.request("DELETE", self._cells.bucket, self._key, query=query)

    def _part(self) -> dict[str, str]:
        if len(self._etags) == MOST_PARTS:
            raise QuotaExceeded(f"s3: an object is over {MOST_PARTS} parts, the most that S3 takes")
        if not self._identity:
            root = self._cells.wire.xml("POST", self._cells.bucket, self._key, headers=self._headers, query={"uploads": ""})
            self._identity = text_of(root, "UploadId")
        return {"partNumber": str(len(self._etags) + 1), "uploadId": self._identity}
