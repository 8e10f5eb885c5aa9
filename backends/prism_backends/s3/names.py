"""Names as keys of S3: ``0-9a-v``, ``-`` and ``/`` only, in segments, so that no server refuses, folds or hides one.

A server that keeps objects as files takes 255 bytes between two ``/``, and hides ``a/b`` while there is an ``a``. So a long name is
cut, every segment but the last ends with ``-``, and no name is what another one's segments stand below.
"""

from prism_testkit.naming import decode_name, encode_name

__all__ = ["beginning_of", "name_of", "path_of"]

_SEGMENT = 200


def path_of(name: bytes) -> str:
    """Return the path of a name: up to 828 characters for 512 bytes, of the 1,024 that S3 takes in all."""
    return _cut(encode_name(name))


def name_of(path: str) -> bytes:
    """Undo `path_of`; raise ``ValueError`` for what it never made."""
    name = decode_name(path.replace("-/", ""))
    if path_of(name) != path:
        raise ValueError(f"{path!r} is not the path of a name")
    return name


def beginning_of(prefix: bytes) -> str:
    """Return with what the path of every name begins that begins with ``prefix``; that no other one does is not certain."""
    # The last character of a prefix may hold bits of what follows it.
    return _cut(encode_name(prefix)[: len(prefix) * 8 // 5])


def _cut(encoded: str) -> str:
    return "-/".join(encoded[start : start + _SEGMENT] for start in range(0, len(encoded), _SEGMENT))
