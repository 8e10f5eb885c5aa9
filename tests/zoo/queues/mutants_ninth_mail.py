"""Mutants of the ninth round: spools that keep, count and bring back wrongly."""

from pathlib import Path
from typing import Any

from prism_testkit.interfaces import Lease, QueueMessage
from tests.zoo.declare import Mutant

from .declare_ninth import declaring
from .ninth_mail import Letter, MailQueue, Spool, letter

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.3", "sorted as text", trap="a queue across its thousandth number", also="basic.10 visibility.1")
class PlacesOfThreeDigits(Spool):
    def ready(self, space: str, folder: Path) -> list[Letter]:
        return sorted(super().ready(space, folder), key=lambda old: (-old.rank, f"{old.place:03}"))


@mutant(
    "basic.2",
    "forgotten number",
    trap="kill of the process after the newest message was taken: its id is given again",
    also="basic.12",
)
class CountsFromWhatIsThere(Spool):
    """The number goes on behind the highest that is still in use."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.counts: dict[str, int] = {}

    def next(self, space: str) -> int:
        if space not in self.counts:
            files = [file.name for file in (self.root / space).glob("*/*") if file.name != "config"]
            self.counts[space] = max((letter(file).place for file in files), default=0)
        self.counts[space] += 1
        return self.counts[space]


class Later(Spool):
    """The file keeps the deadline that the receive gave it; a later one is known to the process."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.later: dict[str, int] = {}

    def letters(self, folder: Path) -> list[Letter]:
        return [old._replace(until=self.later.get(old.token, old.until)) for old in super().letters(folder)]

    def move(self, folder: Path, old: Letter, new: Letter, to: Path | None = None) -> Letter:
        there = next(one for one in super().letters(folder) if one.id == old.id)
        if old.state == new.state == "h":
            self.later[new.token] = new.until
            self.bell(folder).ring()
            return new
        return super().move(folder, there, new, to)


@mutant(
    "visibility.13", "kept in memory", trap="kill of the process after an extend", also="visibility.6 visibility.3", store=Later
)
class ExtensionsAreRemembered(MailQueue):
    def message(self, folder: Path, old: Letter) -> QueueMessage:
        return super().message(folder, self.there(folder, old))

    async def ack(self, lease: Lease) -> None:
        with self.serving("ack", finishing=True):
            folder, old = self.held(lease, "ack")
            (folder / self.there(folder, old).file).unlink()

    def there(self, folder: Path, old: Letter) -> Letter:
        return next(one for one in Spool.letters(self.spool, folder) if one.id == old.id)


@mutant("dead_letter.8", "forgotten number", trap="kill of the process between two deaths", also="dead_letter.4 dead_letter.5")
class DeathsAreCountedAnew(Spool):
    deaths = 0

    def move(self, folder: Path, old: Letter, new: Letter, to: Path | None = None) -> Letter:
        if to is not None and new.died:
            self.deaths += 1
            new = new._replace(died=self.deaths)
        return super().move(folder, old, new, to)


@mutant("dead_letter.8", "kept in memory", trap="kill of the process after a second configuration", also="dead_letter.6")
class TheSecondConfigurationIsRemembered(Spool):
    def __init__(self, place: Any) -> None:
        super().__init__(place)
        self.newer: dict[Path, tuple[str, int]] = {}

    def configure(self, folder: Path, target: str, most: int) -> None:
        if (folder / "config").exists():
            self.newer[folder] = (target, most)
        else:
            super().configure(folder, target, most)

    def config(self, folder: Path) -> tuple[str, int]:
        return self.newer.get(folder) or super().config(folder)


@mutant(
    "visibility.4",
    "kept on the client",
    trap="a lease, extended through another client, acked through its own",
    also="visibility.6 visibility.15",
)
class ClientsRememberTheirFiles(MailQueue):
    """Who received it knows the file's name and need not look for it."""

    def __init__(self, spool: Spool, namespace: str) -> None:
        super().__init__(spool, namespace)
        self.mine: dict[str, Letter] = {}

    def held(self, lease: Lease, call: str) -> tuple[Path, Letter]:
        folder, old = super().held(Lease(lease.queue, lease.message, lease.attempt, lease.token), call)
        if self.mine.get(lease.token, old) != old:
            return super().held(Lease(lease.queue, lease.message, lease.attempt, "gone"), call)
        return folder, old

    def hold(self, queue: str, folder: Path, old: Letter, seconds: float) -> Lease:
        lease = super().hold(queue, folder, old, seconds)
        self.mine[lease.token] = super().held(lease, "receive")[1]
        return lease

    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        if lease.token in self.mine:
            del self.mine[lease.token]


@mutant(
    "dead_letter.6",
    "kept on the client",
    trap="a client that buried something, and a configuration by another one",
    also="dead_letter.1 dead_letter.4",
)
class WhoBuriedRemembersTheConfiguration(MailQueue):
    def __init__(self, spool: Spool, namespace: str) -> None:
        super().__init__(spool, namespace)
        self.known: dict[str, tuple[str, int]] = {}

    async def receive(self, queue: str, visibility_s: float, timeout_s: float = 0) -> Lease | None:
        folder = self.folder(queue, "receive")
        config = self.known.get(queue) or self.spool.config(folder)
        before = len(self.spool.letters(folder))
        if queue in self.known:
            now = self.spool.config(folder)
            self.spool.configure(folder, *config)
            try:
                return await super().receive(queue, visibility_s, timeout_s)
            finally:
                self.spool.configure(folder, *now)
        got = await super().receive(queue, visibility_s, timeout_s)
        if config[0] and len(self.spool.letters(folder)) < before:
            self.known[queue] = config
        return got


@mutant("dead_letter.7", "counts wrongly", trap="extend of a lease, then its end", also="dead_letter.1 visibility.3")
class AnExtensionCountsAsADelivery(MailQueue):
    """From the second one on."""

    def __init__(self, spool: Spool, namespace: str) -> None:
        super().__init__(spool, namespace)
        self.extended: set[str] = set()

    async def extend(self, lease: Lease, seconds: float) -> None:
        await super().extend(lease, seconds)
        if lease.token in self.extended:
            folder, old = self.held(lease, "extend")
            self.spool.move(folder, old, old._replace(tries=old.tries + 1))
        self.extended.add(lease.token)
