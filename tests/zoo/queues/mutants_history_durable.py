"""What a restart forgets, changes or brings back, with mistakes that real projects had shipped."""

from typing import Any

from tests.zoo.declare import Mutant

from .declare_history import declaring
from .history_broker import Journal

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("delayed.6", "kill", "kill while a delay goes on")
class DelaysBeginAgain(Journal):
    """nsqio/nsq#1079: after a restart a deferred message waits its whole delay from then on."""

    def again(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        if script == "push" and arguments[3] > 0:
            now = self.now()
        super().again(script, space, queue, now, arguments)


@mutant("delayed.6", "kill", "kill while a delay goes on")
class DelaysAreForgotten(Journal):
    """nsqio/nsq#674: deferred messages are kept over a restart, and that they are deferred is not."""

    def again(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        super().again(script, space, queue, now, (*arguments[:3], 0) if script == "push" else arguments)


@mutant("visibility.13", "kill", "kill after a delivery failed", "dead_letter.8 dead_letter.1")
class CountsFromTheRestart(Journal):
    """cloudamqp/lavinmq#1911: how often a message was delivered is known in memory only, and begins at nought after a restart."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        for space in self.spaces.values():
            for keys in space.values():
                for record in keys.bodies.values():
                    record.attempts = 0


@mutant("visibility.13", "kill", "kill after a release, a look before the lease would have ended", "visibility.7")
class ReleasesAreNotWritten(Journal):
    """beanstalkd/beanstalkd#597: a release goes into the log only if it has a delay."""

    def write(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        if script != "release":
            super().write(script, space, queue, now, arguments)


@mutant("dead_letter.8", "kill", "kill when more than three had died")
class LaterFilesComeFirst(Journal):
    """beanstalkd/beanstalkd#668: after a restart what was buried last, of another file of the log, comes first."""

    def __init__(self, place: Any) -> None:
        super().__init__(place)
        for space in self.spaces.values():
            for keys in space.values():
                dead = sorted((record for record in keys.bodies.values() if record.died_in), key=lambda record: record.death)
                for place_in_line, record in enumerate([*dead[3:], *dead[:3]]):
                    record.death = place_in_line - len(dead)


@mutant("basic.12", "kill", "two kills, with writes between them", "visibility.13 dead_letter.8 delayed.6")
class StopsAtTheHole(Journal):
    """cloudamqp/lavinmq#384: after a crash one goes on behind a gap in the file; the next start stops reading at the gap."""

    starting = True

    def __init__(self, place: Any) -> None:
        self.replayed = 0
        super().__init__(place)
        self.starting = False

    def catch_up(self) -> None:
        stopped = False
        for record in self.log.unread():
            stopped = stopped or (record[0] == "hole" and self.starting)
            if not stopped and record[0] != "hole":
                self.replayed += 1
                self.again(*record)

    def write(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        if self.replayed:
            self.log.append(("hole", "", "", now, ()))
            self.replayed = 0
        super().write(script, space, queue, now, arguments)


@mutant("visibility.13", "kill", "kill while a lease goes on", "visibility.2")
class LeasesBeginAgain(Journal):
    """Bogdanp/dramatiq#527: what a worker had pulled is put back a whole timeout after the broker came back."""

    def again(self, script: str, space: str, queue: str, now: float, arguments: tuple[Any, ...]) -> None:
        super().again(script, space, queue, now, arguments)
        if script == "take":
            keys = self.keys(space, queue)
            keys.leased.update({name: until + self.now() - now for name, until in keys.leased.items() if until - now > 0})
