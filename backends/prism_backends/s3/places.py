"""Where a namespace's objects are, and how they are removed."""

import re

from prism_backends.s3.cells import Cells
from prism_backends.s3.client import S3Client
from prism_backends.s3.wire import Refused, Wire, insisting, text_of
from prism_testkit.naming import encode_name, hash_name

__all__ = ["bucket_of", "clean", "prefix_of"]

_NAMESPACE_WIDTH = 24
_RUN_WIDTH = 13
"""A namespace's first characters, which all of a run have in common."""
_NAMESPACE = re.compile(rf"[0-9a-z]{{{_NAMESPACE_WIDTH}}}")


def bucket_of(wire: Wire, namespace: str) -> str:
    """Return the bucket of S3: that of the URL, else one for all namespaces of a run, which is made when it is needed."""
    return wire.bucket or (namespace[:_RUN_WIDTH] if _NAMESPACE.fullmatch(namespace) else f"prism-{hash_name(namespace.encode())}")


def prefix_of(namespace: str) -> str:
    """Return with what the keys of a namespace begin."""
    return f"{namespace}/" if _NAMESPACE.fullmatch(namespace) else f"-{encode_name(namespace.encode())[:100]}/"


async def clean(client: S3Client, prefix: str) -> None:
    """Remove every namespace that begins with ``prefix``; if that is more than one, also the bucket of S3 that was made for them.

    It goes if nothing is left in it: to make it anew for each namespace would take as long as some checks. A bucket that the URL
    names stays, and what others have in it.
    """
    if not re.fullmatch(rf"[0-9a-z]{{1,{_NAMESPACE_WIDTH}}}", prefix):
        raise ValueError(f"clean: expected 1 to {_NAMESPACE_WIDTH} digits of base 36, found {prefix!r}")
    await client.change(f"s3: clean {prefix}", lambda: insisting(lambda: _clean(client.wire, prefix)))


def _clean(wire: Wire, prefix: str) -> None:
    if wire.bucket:
        _clean_bucket(wire, wire.bucket, prefix)
        return
    for bucket in [prefix[:_RUN_WIDTH]] if len(prefix) >= _RUN_WIDTH else _buckets(wire, prefix):
        _clean_bucket(wire, bucket, prefix)
        if len(prefix) < _NAMESPACE_WIDTH:
            _remove(wire, bucket)


def _clean_bucket(wire: Wire, bucket: str, prefix: str) -> None:
    cells = Cells(wire, bucket)
    for keys in cells.keys(prefix):
        ours = [key for key in keys if _NAMESPACE.fullmatch(key.partition("/")[0])]
        if ours:
            cells.delete_all(ours)


def _remove(wire: Wire, bucket: str) -> None:
    try:
        wire.request("DELETE", bucket)
    except Refused as error:
        if error.code not in ("BucketNotEmpty", "NoSuchBucket"):
            raise


def _buckets(wire: Wire, prefix: str) -> list[str]:
    pattern = re.compile(rf"{prefix}[0-9a-z]{{{_RUN_WIDTH - len(prefix)}}}")
    names = [text_of(element, "Name") for element in wire.xml("GET", "").iter("Bucket")]
    return [name for name in names if pattern.fullmatch(name)]
