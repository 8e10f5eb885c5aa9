"""One request to an S3 server, on the thread that asks: the client library signs and sends it, and no change is sent twice.

The library's own calls do not know the conditions that drivers need (``If-Match``, ``If-None-Match``), so they are not used: its
method ``_execute`` is, which they all go through.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import certifi
import urllib3
from minio import Minio
from minio.error import InvalidResponseError, MinioException, S3Error, ServerError

from prism_backends.s3.serverclock import ServerClock
from prism_testkit.interfaces import errors

__all__ = ["CONNECTIONS", "TIMEOUT_S", "Answer", "Refused", "Wire", "insisting", "text_of", "translated"]

T = TypeVar("T")

CONNECTIONS = 16
"""Requests in flight at once, of one client."""
TIMEOUT_S = 10.0
"""How long a connection may take, and how long a server may be silent."""

_GIVEN_UP = 499
"""MinIO's answer if something of its own, such as a listing that it shared with another request, gave up meanwhile."""
_TIMES = 4

_DENIED = frozenset({"AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "RequestTimeTooSkewed", "AllAccessDisabled"})
_FULL = frozenset({"XMinioStorageFull", "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "TooManyBuckets", "TooManyParts"})


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said. Names of headers are alike in upper and in lower case."""

    headers: Mapping[str, str]
    data: bytes


class Refused(Exception):
    """The server answered that it did not; ``code`` is S3's, or the status where there is no text."""

    def __init__(self, code: str, status: int) -> None:
        self.code, self.status = code, status
        super().__init__(f"{code} ({status})")

    @property
    def is_missing(self) -> bool:
        """The object, or all that it would be in, is not there."""
        return self.code in ("NoSuchKey", "NoSuchBucket")

    @property
    def is_changed(self) -> bool:
        """A condition does not hold, or another write was under way: it is to be looked at again."""
        return self.status in (409, 412) and self.code not in ("NoSuchBucket", "BucketNotEmpty")


class Wire:
    """A server, as its URL names it: ``http://USER:PASSWORD@HOST:PORT/BUCKET?region=REGION``; bucket and region may be left out."""

    def __init__(self, url: str, clock: ServerClock) -> None:
        parts, host = _parts(url)
        self.bucket = unquote(parts.path).strip("/")
        """All objects are to be in this one; empty if it is not said."""
        self._clock = clock
        self._http = urllib3.PoolManager(
            maxsize=CONNECTIONS,
            retries=False,
            timeout=urllib3.Timeout(connect=TIMEOUT_S, read=TIMEOUT_S),
            ca_certs=os.environ.get("SSL_CERT_FILE") or certifi.where(),
        )
        self._client = Minio(
            host,
            unquote(parts.username or ""),
            unquote(parts.password or ""),
            secure=parts.scheme == "https",
            region=parse_qs(parts.query).get("region", ["us-east-1"])[0],
            http_client=self._http,
        )

    def request(
        self,
        method: str,
        bucket: str,
        key: str | None = None,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Answer:
        """Return the answer; raise `Refused`, or one of the errors that `translated` knows.

        A look that the server gave up is made again.
        """
        asking = partial(self._asked, method, bucket, key, body, headers, query)
        return insisting(asking) if method in ("GET", "HEAD") else asking()

    def _asked(
        self,
        method: str,
        bucket: str,
        key: str | None,
        body: bytes | None,
        headers: Mapping[str, str] | None,
        query: Mapping[str, str] | None,
    ) -> Answer:
        sent_s = self._clock.now_s()
        with _refusals():
            response = self._client._execute(
                method, bucket, key, body=body, headers=dict(headers or {}), query_params=dict(query or {}), no_body_trace=True
            )
        self._clock.heard(response.headers.get("date", ""), sent_s)
        return Answer(response.headers, response.data)

    def xml(self, method: str, bucket: str, key: str | None = None, **more: Any) -> ElementTree.Element:
        """Return an answer that is XML; one that is an error in spite of its status is `Refused`."""
        root = ElementTree.fromstring(self.request(method, bucket, key, **more).data)
        for element in root.iter():
            element.tag = element.tag.rpartition("}")[2]
        if root.tag == "Error":
            raise Refused(text_of(root, "Code"), 412 if text_of(root, "Code") == "PreconditionFailed" else 500)
        return root

    def close(self) -> None:
        """End the connections that nobody uses."""
        self._http.clear()


def _parts(url: str) -> tuple[SplitResult, str]:
    """Return an address in parts, and host and port in one; raise `ConfigError`, which does not tell it, for what is none."""
    with suppress(ValueError):  # its text may hold a part of a password
        parts = urlsplit(url)
        if parts.scheme in ("http", "https") and parts.hostname:
            host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
            return parts, f"{host}:{parts.port}" if parts.port else host
    raise errors.ConfigError(
        "s3: the address of a server is http://USER:PASSWORD@HOST:PORT or https://..., a password with / in it has %2F"
    )


def text_of(element: ElementTree.Element, name: str) -> str:
    """Return the text of a child; empty if there is none."""
    return element.findtext(name) or ""


def insisting(work: Callable[[], T]) -> T:
    """Do what may be done again; again, up to `_TIMES` times in all, if the server gave up."""
    for _ in range(_TIMES - 1):
        try:
            return work()
        except Refused as error:
            if error.status != _GIVEN_UP:
                raise
    return work()


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except S3Error as error:
        if error.response.status < 500:
            raise Refused(error.code or "", error.response.status) from error
        raise
    except ServerError as error:
        if error.status_code < 500:
            raise Refused("", error.status_code) from error
        raise


def translated(error: Exception, what: str) -> errors.PrismError:
    """Return the shared error for what a request raised; ``what`` names backend, operation and name."""
    refused = isinstance(error, urllib3.exceptions.NewConnectionError)  # to urllib3 a timeout, too
    if isinstance(error, urllib3.exceptions.TimeoutError | TimeoutError) and not refused:
        return errors.OperationTimeout(f"{what}: no answer in time, so whether it took effect is unknown")
    code = error.code if isinstance(error, Refused | S3Error) else ""
    if code in _DENIED or (isinstance(error, Refused) and error.status in (401, 403)):
        return errors.AccessDenied(f"{what}: the server refuses it: {code}")
    if code in _FULL or (isinstance(error, InvalidResponseError | ServerError) and "507" in str(error)):
        return errors.QuotaExceeded(f"{what}: {code or 'the server is full'}")
    told = code or (str(error) if not isinstance(error, MinioException) else type(error).__name__)
    return errors.BackendUnavailable(f"{what}: {told}")
