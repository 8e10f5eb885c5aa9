"""Which channels the server sends to a subscription by pattern."""

import re
from collections.abc import Sequence
from itertools import takewhile

__all__ = ["glob_of"]


def glob_of(before: bytes, tokens: Sequence[str]) -> bytes:
    """Return a glob for the channels of all topics that a pattern matches, and of others: ``before``, then the topic.

    A star of the server's crosses dots, so it cannot say what the pattern says; and of many of them in one glob each costs the
    server a search in every publish of anybody. So there is one at most, for everything from the first wildcard on.
    """
    plain = list(takewhile(lambda token: token not in ("*", ">"), tokens))
    channel = before + ".".join(plain).encode()
    is_whole = len(plain) == len(tokens)
    return _escaped(channel) if is_whole else _escaped(channel + b"." if plain else channel) + b"*"


def _escaped(text: bytes) -> bytes:
    return re.sub(rb"([*?\[\]^\\-])", rb"\\\1", text)
