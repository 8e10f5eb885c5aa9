"""Names as file names: ``0-9a-v`` only, so that no file system refuses, folds or normalises one.

A name of up to `_WHOLE` characters stands there whole. Of a longer one the beginning does, then ``-``, which no whole one holds,
and a digest; a directory is then one level deep, and the name itself is kept in the file.
"""

from functools import lru_cache

from prism_testkit.naming import encode_name, hash_name

__all__ = ["beginning_of", "file_name"]

_WHOLE = 200
"""Characters; a file system takes 255 bytes."""
_BEGINNING = 160


@lru_cache(1024)
def file_name(name: bytes) -> str:
    """Return the file name of a name; no two have the same, but for a collision of 200 bits."""
    encoded = encode_name(name)
    return encoded if len(encoded) <= _WHOLE else f"{encoded[:_BEGINNING]}-{hash_name(name)}"


def beginning_of(prefix: bytes) -> str:
    """Return with what the name of a file begins whose name may begin with ``prefix``; that no other one does is certain."""
    # The last character of a prefix may hold bits of what follows it.
    sure = encode_name(prefix)[: len(prefix) * 8 // 5]
    return sure[:_BEGINNING]
