"""What the drivers of JetStream have in common: how they ask whether it is there."""

from prism_backends.jetstream.api import JetStream, NoResponse, Refused
from prism_backends.living import Living

__all__ = ["LivingJetStream"]


class LivingJetStream(Living):
    """A base for driver classes that keep what they ask of JetStream as ``server``."""

    server: JetStream

    async def _ask(self) -> None:
        what = f"{self._whose}: health"
        try:
            await self.server.api(what, "INFO")
        except NoResponse as error:
            raise self.server.away(what) from error
        except Refused as error:
            raise self.server.refused(what, error) from error
