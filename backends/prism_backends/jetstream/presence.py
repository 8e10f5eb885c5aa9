"""Signs of life of members, which whoever counts them reads: one subject for each, in a stream that forgets them."""

from typing import Any

from prism_backends.jetstream.api import JetStream, NoResponse, Refused, stream_config

__all__ = ["Presence", "count_present"]

_FORGOTTEN_S = 4.0


class Presence:
    """That of one member in one place, both of them tokens of a subject."""

    def __init__(self, server: JetStream, what: str, namespace: str, place: str, member: str) -> None:
        self.member = member
        self._server, self._what, self._namespace = server, what, namespace
        self._subject = f"{namespace}.presence.{place}.{member}"

    async def show(self) -> None:
        try:
            await self._server.publish(self._what, _config(self._namespace), self._subject, b"")
        except Refused as error:
            raise self._server.refused(self._what, error) from error

    async def hide(self) -> None:
        await _ask(self._server, self._what, "PURGE", self._namespace, {"filter": self._subject})


async def count_present(server: JetStream, what: str, namespace: str, place: str) -> int:
    """Return how many members of a place gave a sign of life of late, and did not leave."""
    subject = f"{namespace}.presence.{place}.*"
    found = await _ask(server, what, "INFO", namespace, {"subjects_filter": subject})
    return len(found.get("state", {}).get("subjects") or {})


async def _ask(server: JetStream, what: str, request: str, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    """Return the answer, or nothing where nobody ever was."""
    try:
        return await server.api(what, f"STREAM.{request}.{namespace}_presence", body)
    except Refused:
        return {}
    except NoResponse as error:
        raise server.away(what) from error


def _config(namespace: str) -> dict[str, Any]:
    return stream_config(
        f"{namespace}_presence",
        f"{namespace}.presence.>",
        storage="memory",
        max_age=int(_FORGOTTEN_S * 1e9),
        duplicate_window=int(_FORGOTTEN_S * 1e9),
        max_msgs_per_subject=1,
    )
