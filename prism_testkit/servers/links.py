"""The connections that a `proxy` forwards, what is done to them, and what was."""

import asyncio
import contextlib
import socket
import struct
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["BOTH", "Counts", "Direction", "Link", "Mode", "abort"]

Direction = Literal["up", "down"]
"""Up: what clients send to the server. Down: what it answers."""
BOTH: tuple[Direction, ...] = ("up", "down")

_LINGER = struct.pack("ii", 1, 0)
"""SO_LINGER on, for no time: a close sends RST in the place of FIN, and what was not sent is thrown away."""


@dataclass
class Counts:
    """What a proxy has done since it was started. Numbers of chunks, unless it says otherwise."""

    connections: int = 0
    """Of clients, that reached the server."""
    requests: int = 0
    """That went up to the server."""
    answers: int = 0
    """That went down to a client."""
    dropped: int = 0
    """Swallowed in any direction."""
    lost_answers: int = 0
    """Swallowed on their way down, after a request of that connection had reached the server."""
    held: int = 0
    """Kept back until something else was asked of the proxy."""
    delayed: int = 0
    cut: int = 0
    """Connections that were reset in the middle of a chunk, or behind it."""
    reset: int = 0
    """Connections that were reset at the caller's wish, or because bytes of theirs were lost."""
    half_closed: int = 0
    """Connections that were closed in one direction."""
    refused: int = 0
    """Connections that were reset as soon as they were made."""
    unreached: int = 0
    """Connections that were reset because the server took none."""


@dataclass
class Mode:
    """What is done to whatever passes, until there is another mode."""

    kind: Literal["pass", "drop", "hold", "delay", "refuse", "cut", "lose"] = "pass"
    directions: tuple[Direction, ...] = ()
    seconds: float = 0.0
    left: int = 0
    """Bytes until the cut, or chunks that pass before one is dropped."""
    asked: set["Link"] = field(default_factory=set)
    """Connections on which a request went up since then."""
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Link:
    """One client's connection, and the one to the server that was made for it."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.ends: dict[Direction, tuple[socket.socket, socket.socket]] = {"up": (client, server), "down": (server, client)}
        self.spoilt: set[Direction] = set()
        """Where bytes were lost: nothing passes there any more, as on no network a later byte does without an earlier one."""
        self.is_doomed = False
        """It is reset when what of a chunk goes on has gone."""
        self.pumps: list[asyncio.Task[None]] = []
        self._breaking = False
        self._broken = asyncio.Event()

    async def reset(self) -> None:
        """End it by RST at both ends. A socket is closed when nobody waits for it: its number may be another's at once."""
        if self._breaking:
            await self._broken.wait()
            return
        self._breaking = True
        others = [pump for pump in self.pumps if pump is not asyncio.current_task()]
        for pump in others:
            pump.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for end, _ in self.ends.values():
            abort(end)
        self._broken.set()

    def close(self) -> None:
        """Close both sockets, which have come to their ends."""
        self._breaking = True
        self._broken.set()
        for end, _ in self.ends.values():
            end.close()


def abort(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # it is closed already
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
    end.close()
