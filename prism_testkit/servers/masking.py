"""No credential of a URL reaches a message."""

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qsl, quote, unquote, unquote_plus

__all__ = ["describe", "mask"]

_MASK = "***"
_USERINFO = re.compile(r"(?<=//)[^/@\s]+(?=@)")
_SECRET_OPTION = re.compile(r"pass|pwd|secret|token|key|auth", re.IGNORECASE)


def mask(text: str, url: str) -> str:
    """Return ``text`` without the credentials of ``url``, however they are quoted, and without any other URL's user information.

    A password of one letter takes that letter out of the whole text: better an odd message than a leak.
    """
    secrets = {spelling for secret in _secrets(url) for spelling in _spellings(secret)}
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, _MASK)
    return _USERINFO.sub(_MASK, text)


def describe(error: BaseException, url: str = "") -> str:
    """Return the error as ``Class: text``, masked."""
    text = str(error)
    name = type(error).__name__
    return mask(f"{name}: {text}" if text else name, url)


def _secrets(url: str) -> Iterator[str]:
    # Up to the last @, whatever stands between: a password with a raw slash or @ is not legal, and is seen all the same.
    userinfo = url.partition("//")[2].rpartition("@")[0]
    yield userinfo
    yield userinfo.partition(":")[2]
    for name, value in parse_qsl(url.partition("?")[2]):
        if _SECRET_OPTION.search(name):
            yield value


def _spellings(secret: str) -> Iterator[str]:
    for plain in filter(None, (secret, unquote(secret), unquote_plus(secret))):
        yield plain
        yield quote(plain, safe="")
        yield quote(plain)
        yield repr(plain)[1:-1]
        yield ascii(plain)[1:-1]
        yield json.dumps(plain)[1:-1]
