"""Queues that keep every promise in an unusual way. No check may fail on any of them."""

from typing import Any

from prism_testkit.backend import Backend

from .reference import FileQueue, Queue, backend

__all__ = ["UNUSUAL"]

UNUSUAL: tuple[Backend[Any], ...] = (backend("plain", Queue), backend("file", FileQueue))
