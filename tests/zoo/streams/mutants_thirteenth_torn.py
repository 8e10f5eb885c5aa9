"""Mutants over a file of steps that do not live with a step of which the system wrote a part: it writes page by page."""

import pickle
import zlib
from collections.abc import Iterator
from struct import Struct
from typing import Any

from prism_testkit.interfaces import BackendUnavailable
from tests.zoo.declare import Mutant
from tests.zoo.family import Log

from .ninth_declare import declaring_ninth
from .ninth_segments import FileBooks

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring_ninth(MUTANTS)
TRAP = "the process dies within a write of some pages"
_HEAD = Struct("<II")


@mutant("basic.15", "torn write", trap=TRAP, also="consumer_groups.16")
class AppendsBehindWhatIsTorn(FileBooks):
    """What stands behind half a step is never found again."""

    class _Log(Log):
        def append(self, record: Any) -> None:
            data = pickle.dumps(record)
            with self.path.open("ab") as file:
                file.write(_HEAD.pack(len(data), zlib.crc32(data)) + data)
            self.position += _HEAD.size + len(data)

    log_type = _Log


@mutant("basic.15", "torn write", trap=TRAP, also="consumer_groups.16")
class RefusesWhatIsTorn(FileBooks):
    """A file that does not end with a whole step is taken for a damaged one."""

    class _Log(Log):
        def unread(self) -> Iterator[Any]:
            yield from super().unread()
            if self.path.exists() and self.path.stat().st_size > self.position:
                raise BackendUnavailable("its file of steps is damaged")

    log_type = _Log
