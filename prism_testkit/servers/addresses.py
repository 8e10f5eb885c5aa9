"""Where a URL leads, and the same URL leading elsewhere."""

from urllib.parse import urlsplit, urlunsplit

__all__ = ["address_of", "readdressed"]


def address_of(url: str) -> tuple[str, int]:
    """Return host and port of a URL; ``ValueError`` if it names none, or several."""
    parts = urlsplit(url)
    if "," in parts.netloc:
        raise ValueError("its URL names several addresses")
    if not parts.hostname or not parts.port:
        raise ValueError("its URL names no host and port")
    return parts.hostname, parts.port


def readdressed(url: str, host: str, port: int) -> str:
    """Return a URL with another host and port; who is asked for, and everything else, stays."""
    parts = urlsplit(url)
    whom, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(parts._replace(netloc=f"{whom}{at}{host}:{port}"))
