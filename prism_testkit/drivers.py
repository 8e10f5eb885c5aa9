"""Drivers as the harness opens and closes them; what goes wrong then is told as the harness's call, not the check's."""

import contextlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

from prism_testkit.bindings import Candidate
from prism_testkit.worker import Site

__all__ = ["clean", "close_driver", "noted", "open_driver"]


async def open_driver(candidate: Candidate, connection: Any, namespace: str, opened: bool = True) -> Any:
    """Make a driver and, unless not ``opened``, open it."""
    kind = candidate.offer.driver
    with _around(f"{kind.__name__}(client, namespace)"):
        driver = kind(connection, namespace)
    opener = getattr(driver, "open", None)
    if opener is not None and opened:
        with _around(f"{kind.__name__}.open(), which the harness called,"):
            await opener()
    return driver


async def close_driver(driver: Any) -> None:
    """Close a driver that can be closed."""
    closer = getattr(driver, "close", None)
    if closer is not None:
        with _around(f"{type(driver).__name__}.close(), which the harness called,"):
            await closer()


async def clean(site: Site, namespace: str) -> None:
    """Clean a namespace where the backend can."""
    if site.backend.clean is not None:
        await site.client(0)  # what fails in connecting is not clean's
        with _around(f"clean(client, {namespace!r}), which the harness called,"):
            await site.clean(namespace)


def _around(what: str) -> AbstractContextManager[None]:
    """Note on what is raised in here that the harness made the call."""
    return noted("prism_around", what)


@contextlib.contextmanager
def noted(name: str, value: object) -> Iterator[None]:
    """Put an attribute on an exception that passes, unless one of that name is there from further inside."""
    try:
        yield
    except Exception as error:
        with contextlib.suppress(Exception):  # whoever forbids attributes goes without
            setattr(error, name, getattr(error, name, value))
        raise
