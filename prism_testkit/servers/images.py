"""Which image a server's container is made from: given on the command line, in the environment, in the ini file, or its own."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from prism_testkit.backend import Backend
from prism_testkit.registry import environment_name
from prism_testkit.selection import SelectionError, closest

__all__ = ["with_images"]


def with_images(
    backends: Mapping[str, Backend[Any]],
    option: Iterable[str] = (),
    ini: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
    others: Iterable[str] = (),
) -> dict[str, Backend[Any]]:
    """Return ``backends`` with the images that were asked for: ``NAME=IMAGE`` on the command line counts more than
    ``PRISM_<NAME>_IMAGE``, and that more than ``NAME=IMAGE`` in the ini file.

    Raise `SelectionError` for an option that is no such pair, or names no server; ``others`` are names that were not selected.
    """
    asked, settled = _pairs(option), _pairs(ini)
    servers = sorted(name for name, backend in backends.items() if backend.server is not None)
    known = sorted({*servers, *others})
    for name in asked:
        if name not in known:
            there = f"{closest(name, known)}; there are: {', '.join(known)}"
            raise SelectionError(f"--prism-image={name}=...: there is no server {name!r}{there}")
    found = dict(backends)
    for name in servers:
        image = asked.get(name) or environ.get(f"PRISM_{environment_name(name)}_IMAGE") or settled.get(name)
        server = found[name].server
        if image and server is not None:
            found[name] = replace(found[name], server=replace(server, image=image))
    return found


def _pairs(texts: Iterable[str]) -> dict[str, str]:
    pairs = {}
    for text in texts:
        name, equals, image = text.partition("=")
        if not (name and equals and image):
            raise SelectionError(f"--prism-image={text}: expected NAME=IMAGE, such as valkey=valkey/valkey:9")
        pairs[name] = image
    return pairs
