"""Topics that keep every promise in an unusual way. No check may fail on any of them."""

from typing import Any

from prism_testkit.backend import Backend

from .reference import FilePubSub, PubSub, backend

__all__ = ["UNUSUAL"]

UNUSUAL: tuple[Backend[Any], ...] = (
    backend("plain", PubSub),
    backend("file", FilePubSub),
)
