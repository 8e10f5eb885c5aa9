"""PostgreSQL 15, the oldest that the driver takes, as a row of its own beside the newest."""

from dataclasses import replace

import prism_testkit as prism
from prism_backends.postgres import postgres
from prism_backends.postgres.server import server
from prism_testkit.registry import Registry

__all__ = ["postgres_15", "prism_register_backends"]

postgres_15 = replace(postgres, name="postgres@15", server=replace(server(), release="15", wheel="", image="postgres:15"))


@prism.hookimpl
def prism_register_backends(registry: Registry) -> None:
    registry.add(postgres_15)
