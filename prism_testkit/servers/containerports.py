"""Where a container's port is reached from here: on this machine, on the engine's, or, from within a container, beside it."""

from typing import TYPE_CHECKING

from prism_testkit.servers.ports import is_free

if TYPE_CHECKING:
    from testcontainers.core.container import DockerContainer

__all__ = ["BINDINGS", "reached"]

_LOOPBACK, _ANY = "127.0.0.1", "0.0.0.0"
BINDINGS = (_LOOPBACK, _ANY)
"""The addresses to publish a port on, one after another: it is nobody else's business, where loopback is enough to reach it."""
_LOCAL = ("localhost", _LOOPBACK, "::1")


def reached(made: "DockerContainer", binding: str, port: int, container_port: int) -> str:
    """Return ``host:port`` of a started container; empty where one that is published on ``binding`` is not reached from here.

    What ``TESTCONTAINERS_CONNECTION_MODE`` says counts. Without it a local engine is believed to be on this machine if the port
    that it publishes is taken here: from within a container its socket does not tell, for it may be mounted from outside.
    """
    from testcontainers.core.config import testcontainers_config

    override = testcontainers_config.connection_mode_override
    client = made.get_docker_client()
    # In this order: one that ended by itself gave its port back, and is to be told of as ended.
    here = client.host() in _LOCAL and (override is not None or not is_free(port) or not _runs(made))
    if here and (override is None or override.value == "docker_host"):
        return f"{_LOOPBACK}:{port}"
    if binding == _LOOPBACK:
        return ""
    mapped = override is None or override.use_mapped_port
    return f"{made.get_container_host_ip()}:{port if mapped else container_port}"


def _runs(made: "DockerContainer") -> bool:
    made.reload()
    return made.status == "running"
