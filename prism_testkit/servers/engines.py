"""Container engines: which one answers here. A ``docker`` command on PATH says nothing, for it may be only the client.

What is asked is the engine itself, by its socket or address, with a short deadline. The client library comes with testcontainers.
"""

import functools
import importlib.util
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prism_testkit.servers.masking import describe

__all__ = [
    "EXTRA",
    "Engine",
    "EngineAway",
    "ask",
    "can_pause",
    "client_arguments",
    "container_state",
    "find_engine",
    "remove_container",
]

EXTRA = "pip install 'prism-testkit[containers]'"
_ANSWER_S = 2.0
_STATE_S = 10.0
_WORK_S = 60.0
"""An engine that answers may take its time to stop a container, or to remove one."""

_API: dict[str, str] = {}
"""Which version of its interface an engine speaks."""


class EngineAway(Exception):
    """No engine can be asked: why, and what mends it."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine that answered. ``host`` is its address as ``DOCKER_HOST`` spells it; ``product`` says what it is."""

    host: str
    product: str


def find_engine(environ: Mapping[str, str] = os.environ) -> Engine:
    """Return the first that answers: ``DOCKER_HOST``, and nothing else, if it is set; else the usual sockets of Docker and Podman.

    Raise `EngineAway` with what was asked. An answer counts for as long as this process lives.
    """
    if importlib.util.find_spec("testcontainers") is None:
        raise EngineAway("testcontainers is not installed", f"add it with: {EXTRA}")
    hosts = tuple(_hosts(environ))
    if not hosts:
        raise EngineAway(
            "there is no container engine: DOCKER_HOST is not set, and neither Docker nor Podman has a socket in a usual place",
            "start one, or: export DOCKER_HOST=unix:///path/of/its/socket",
        )
    found, answers = _first(hosts)
    if found is None:
        raise EngineAway(f"no container engine answers: {'; '.join(answers)}", "start it, or: export DOCKER_HOST=ADDRESS")
    return found


@functools.cache
def _first(hosts: tuple[str, ...]) -> tuple[Engine | None, tuple[str, ...]]:
    answers = []
    for host in hosts:
        try:
            return Engine(host, _product(host)), ()
        except Exception as error:  # of the client, of what it connects with, of what it takes an address apart with
            answers.append(f"{host}: {_briefly(error)}")
    return None, tuple(answers)


def _hosts(environ: Mapping[str, str]) -> Iterator[str]:
    if environ.get("DOCKER_HOST"):
        yield environ["DOCKER_HOST"]
        return
    runtime = environ.get("XDG_RUNTIME_DIR", "")
    homes = [Path(environ.get("HOME") or Path.home(), ".docker/run")]
    places = [Path("/var/run"), Path("/run/podman"), *([Path(runtime), Path(runtime, "podman")] if runtime else []), *homes]
    for place in places:
        for name in ("docker.sock", "podman.sock"):
            if (place / name).is_socket():
                yield f"unix://{place / name}"


def _product(host: str) -> str:
    """Ping the engine; return what it says that it is, and keep which version of its interface it speaks.

    The headers of the answer tell both. To ask for the version itself takes some engines most of a second.
    """
    import docker
    from docker.constants import DEFAULT_DOCKER_API_VERSION

    arguments = {**client_arguments(host), "version": DEFAULT_DOCKER_API_VERSION}
    client = docker.from_env(timeout=_ANSWER_S, **arguments)
    try:
        answer = client.api.get(f"{client.api.base_url}/_ping", timeout=_ANSWER_S)
        answer.raise_for_status()
        _API[host] = answer.headers["Api-Version"]
    finally:
        client.close()
    name, _, version = answer.headers.get("Server", "").partition(" ")[0].partition("/")
    return f"{'Podman' if 'Libpod-Api-Version' in answer.headers else name or 'an engine'} {version}".strip()


class ask:  # noqa: N801  a context manager, named like a function
    """``with ask(host) as client``: a client of the engine there, closed at the end."""

    def __init__(self, host: str, within_s: float = _WORK_S) -> None:
        self._host = host
        self._within_s = within_s

    def __enter__(self) -> Any:
        import docker

        self._client = docker.from_env(timeout=self._within_s, **client_arguments(self._host))
        _API[self._host] = self._client.api.api_version
        return self._client

    def __exit__(self, *error: object) -> None:
        self._client.close()


def client_arguments(host: str) -> dict[str, Any]:
    """Return what ``docker.from_env`` is to be told of the engine at ``host``."""
    return {
        "environment": {**os.environ, "DOCKER_HOST": host},
        "version": _API.get(host, "auto"),
        "use_ssh_client": host.startswith("ssh://"),  # the user's own ssh, which knows the user's keys
    }


def container_state(host: str, name: str) -> str:
    """Return what the engine shows it as: ``running``, ``paused``, ``exited``, ...; nothing where it cannot be asked."""
    try:
        with ask(host, _STATE_S) as client:
            return str(client.containers.get(name).status)
    except Exception:
        return ""


@functools.cache
def can_pause(host: str) -> bool:
    """Say whether the engine there can stop all processes of a container at once.

    It has the kernel do it by their control group, which a user who is not root may do since version 2 of those.
    """
    try:
        with ask(host, _STATE_S) as client:
            told = client.info()
    except Exception:
        return False
    is_rootless = told.get("Rootless") or any("rootless" in option for option in told.get("SecurityOptions") or ())
    return not is_rootless or str(told.get("CgroupVersion")) != "1"


def remove_container(host: str, name: str) -> bool:
    """End and remove the container and its data; True if there was one. Raise `EngineAway` if it cannot be removed now."""
    try:
        from docker.errors import NotFound

        with ask(host) as client:
            try:
                client.containers.get(name).remove(force=True, v=True)
            except NotFound:
                return False
    except ImportError as error:
        raise EngineAway("testcontainers is not installed", EXTRA) from error
    except Exception as error:
        raise EngineAway(f"the engine at {host} cannot do it: {_briefly(error)}", f"export DOCKER_HOST={host}") from error
    return True


def _briefly(error: BaseException) -> str:
    text = describe(error)
    return text if len(text) <= 200 else f"{text[:200]} ..."
