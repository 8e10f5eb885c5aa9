"""Ports on the loopback interface: free ones, and whose a listening one is."""

import random
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from prism_testkit.servers.families import family

__all__ = ["free_ports", "is_free", "listens"]

_LOOPBACK = "127.0.0.1"
_LOWEST = 15_000
_TRIES = 200
_random = random.SystemRandom()  # not the seeded one: what servers take must not move what a check draws


def free_ports(count: int) -> list[int]:
    """Return ``count`` distinct ports that were free a moment ago.

    They lie below the range from which the system serves outgoing connections, if there is room: a client that reconnects
    while a server is down could otherwise be given the server's own port, and so keep it from coming back.
    """
    with ExitStack() as held:
        return [_reserve(held) for _ in range(count)]


def _reserve(held: ExitStack) -> int:
    for port in [*_candidates(), 0]:
        listener = socket.socket()
        try:
            listener.bind((_LOOPBACK, port))
        except OSError:
            listener.close()
            continue
        held.enter_context(listener)
        return int(listener.getsockname()[1])
    raise OSError("no port is free on 127.0.0.1")


def _candidates() -> list[int]:
    highest = _ephemeral_start() - 1
    if highest - _LOWEST < 1000:
        return []
    return [_random.randint(_LOWEST, highest) for _ in range(_TRIES)]


def _ephemeral_start() -> int:
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        return 32_768


def is_free(port: int) -> bool:
    """Say whether a server could listen on ``port`` now; connections that are only closing do not count."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((_LOOPBACK, port))
        except OSError:
            return False
        return True


def listens(port: int, leader: int) -> bool | None:
    """Say whether ``leader``, or a process it started, listens on ``port``; None where the system does not tell.

    A server of another run may have taken the port first, and would answer in the place of ours.
    """
    sockets = set(_listening(port))
    if not sockets:
        return None
    try:
        return _holds(leader, sockets) or any(_holds(pid, sockets) for pid in family(leader))
    except PermissionError:
        return None


def _listening(port: int) -> Iterator[str]:
    """Yield ``socket:[inode]`` of each socket that listens on ``port``: proc_net(5), state 0A, local address in hexadecimal."""
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = Path(table).read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            if fields[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{fields[9]}]"


def _holds(pid: int, sockets: set[str]) -> bool:
    try:
        descriptors = list(Path(f"/proc/{pid}/fd").iterdir())
    except FileNotFoundError:
        return False
    return any(_link(descriptor) in sockets for descriptor in descriptors)


def _link(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink())
    except FileNotFoundError:
        return ""
