"""Does a backend open and close? Once, under a deadline, with each of its driver classes."""

from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.cli._drivers import Line, edit
from prism_testkit.cli._inventory import command_of
from prism_testkit.cli._opened import Opened, opened
from prism_testkit.outcomes import Hung
from prism_testkit.signatures import claimed

__all__ = ["connect_lines"]


def connect_lines(backend: Backend[Any], state: Path, deadline_s: float) -> Iterator[Line]:
    """Start the server if there is one, connect, open and close each driver, clean, and leave; one line for each thing wrong."""
    lines: list[Line] = []
    with opened(backend, state, deadline_s=deadline_s) as site:
        if site.reason:
            lines.append(_not_open(backend, site.reason))
        else:
            lines += _drivers(backend, site)
    lines += [Line("wrong", problem, f"{edit(backend.connect)}: let what it started end") for problem in site.problems]
    yield from lines or [Line("ok", f"connect opened and closed, with {len(backend.drivers)} driver class(es)")]


def _not_open(backend: Backend[Any], reason: str) -> Line:
    if reason.startswith("connect() "):
        return Line("wrong", reason, f"{edit(backend.connect)}: {_advice(reason)}")
    return Line("wrong", reason, command_of(reason))


def _advice(reason: str) -> str:
    if "async context manager" in reason:
        return "decorate it with @asynccontextmanager"
    if "did not return" in reason:
        return "let it return, or raise, when nobody answers"
    return "mend what it raises"


def _drivers(backend: Backend[Any], site: Opened) -> Iterator[Line]:
    namespace = site.worker.namespaces.new()
    for driver in backend.drivers:
        if isinstance(driver, type) and claimed(driver) and not getattr(driver, "__abstractmethods__", None):
            yield from _try(site, f"opening {driver.__qualname__}", driver, partial(_open, driver, namespace))
    if backend.clean is not None:
        yield from _try(site, "clean()", backend.clean, partial(_clean, backend.clean, namespace))


async def _open(driver: Any, namespace: str, client: Any) -> None:
    made = driver(client, namespace)
    for step in ("open", "close"):
        if hasattr(made, step):
            await getattr(made, step)()


async def _clean(clean: Callable[[Any, str], Awaitable[None]], namespace: str, client: Any) -> None:
    await clean(client, namespace)


def _try(site: Opened, what: str, source: object, work: Callable[[Any], Coroutine[Any, Any, None]]) -> Iterator[Line]:
    try:
        site.run(work)
    except (Exception, Hung) as error:
        yield Line("wrong", f"{what} raised {type(error).__name__}: {error}", f"{edit(source)}: mend what it raises")
