"""Names as tokens of subjects."""

from collections.abc import Sequence
from functools import lru_cache

from prism_testkit.naming import decode_name, encode_name, hash_name

__all__ = ["hashed", "pattern_of", "tokens_of", "topic_of"]

hashed = lru_cache(1024)(hash_name)
"""Remembered: the same few names come again and again."""

_BEFORE = "t"
"""Before each token of a topic, for NATS knows no empty one."""


def tokens_of(topic: str) -> str:
    """Return a topic token by token, each of them encoded, so that only the dots mean something."""
    return ".".join(map(_token, topic.split(".")))


def pattern_of(tokens: Sequence[str]) -> str:
    """Return the tokens of a pattern, as `check_pattern` gives them, so that it matches what `tokens_of` gives."""
    *first, last = ("*" if token == "*" else _token(token) for token in tokens)
    return ".".join([*first, ">" if tokens[-1] == ">" else last])


def topic_of(tokens: str) -> str:
    """Undo `tokens_of`; raise ``ValueError`` for what it never made."""
    return ".".join(decode_name(token.removeprefix(_BEFORE)).decode() for token in tokens.split("."))


def _token(text: str) -> str:
    return _BEFORE + encode_name(text.encode())
