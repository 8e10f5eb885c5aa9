"""Names as tokens of subjects, remembered: the same few come again and again, and to encode one costs what a request does."""

from functools import lru_cache

from prism_testkit.naming import encode_name, hash_name

__all__ = ["encoded", "hashed"]

_REMEMBERED = 1024

encoded = lru_cache(_REMEMBERED)(encode_name)
hashed = lru_cache(_REMEMBERED)(hash_name)
