"""Tables in a file that lose or keep the wrong thing when their process is killed."""

from typing import Any

from prism_testkit.backend import Place
from tests.zoo.declare import Mutant

from .independent_office import SCHEMA, Office
from .independent_parts import declaring_independent
from .independent_post import FilePost

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
_mutant = declaring_independent(MUTANTS, f"{__package__}.catalogue")


class VolatileOffice(Office):
    def __init__(self, place: Place, path: str) -> None:
        super().__init__(place, path)
        create = "CREATE TEMP TABLE state" + SCHEMA.split("CREATE TABLE IF NOT EXISTS state")[1].split(";")[0]
        self.db.execute(create)


@_mutant("persistent.5", "not durable", trap="kill after an ack", driver=FilePost)
class AcksAreTemporary(VolatileOffice):
    """Acks are in a temporary table."""


class GatheringOffice(Office):
    """Commits every fifth transaction."""

    def __init__(self, place: Place, path: str) -> None:
        super().__init__(place, path)
        self.open = 0

    def transaction(self) -> Any:
        office = self

        class Open:
            def __enter__(self) -> Any:
                if office.open == 0:
                    office.db.execute("BEGIN IMMEDIATE")
                office.open += 1
                office.db.execute(f"SAVEPOINT s{office.open}")
                return office.db

            def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
                if kind is not None:
                    office.db.execute(f"ROLLBACK TO s{office.open}")
                if office.open == 5:
                    office.db.execute("COMMIT")
                    office.open = 0
                office.ring()

        return Open()


@_mutant("persistent.16", "write-behind", trap="kill after fewer than five calls", also="persistent.5 ordering.11", driver=FilePost)
class CommitsEveryFifth(GatheringOffice):
    """Five calls are committed together."""


class KeylessOffice(Office):
    def __init__(self, place: Place, path: str) -> None:
        super().__init__(place, path)
        self.db.execute("UPDATE message SET okey = NULL")


@_mutant("ordering.11", "not durable", trap="kill with two of a key", also="ordering.2 ordering.3 ordering.4", driver=FilePost)
class KeysAreOnlyInMemory(KeylessOffice):
    """After a kill nothing has a key."""


class HoldingOffice(Office):
    def __init__(self, place: Place, path: str) -> None:
        super().__init__(place, path)
        self.db.execute("UPDATE state SET member = -1 WHERE count > 0 AND NOT acked")


@_mutant(
    "persistent.16", "holds for the dead", trap="kill while a message is held", also="persistent.4 ordering.11", driver=FilePost
)
class HoldsForTheDead(HoldingOffice):
    """What a member of a killed process held is never free again."""


class DelayedOffice(Office):
    def __init__(self, place: Place, path: str) -> None:
        super().__init__(place, path)
        self.db.execute(
            "UPDATE sub SET since = (SELECT coalesce(max(seq), 0) FROM message) WHERE id NOT IN (SELECT sub FROM state)"
        )


@_mutant(
    "persistent.16",
    "position not durable",
    trap='kill after "earliest" was entered and nothing received',
    also="persistent.1 ordering.11",
    driver=FilePost,
)
class PositionIsWrittenByTheFirstReceive(DelayedOffice):
    """A subscription that received nothing yet begins after the kill."""
