"""Mutants that hold only so many names at a time."""

from tests.zoo.declare import Mutant

from .declare import declaring
from .reference import Streams
from .stores import Change

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)


@mutant("basic.8", "cap", trap="more than 100 streams that hold records", also="basic.1 basic.12 basic.4")
class HoldsAHundredStreams(Streams):
    """The stream that was written the longest ago makes room."""

    def apply(self, *changes: Change) -> None:
        super().apply(*changes)
        streams = self.space().streams
        for change in changes:
            streams[change.stream] = streams.pop(change.stream)
        while len(streams) > 100:
            del streams[next(iter(streams))]


@mutant("consumer_groups.9", "cap", trap="more than 32 groups of one stream", also="consumer_groups.1 consumer_groups.2")
class HoldsThirtyTwoGroups(Streams):
    """The first group makes room."""

    def apply(self, *changes: Change) -> None:
        super().apply(*changes)
        for change in changes:
            groups = self.stream(change.stream).groups
            while len(groups) > 32:
                del groups[next(iter(groups))]
