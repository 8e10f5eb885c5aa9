"""An independent model of one stream: what is kept, and how low a read may still begin. Offsets are the store's own."""

from typing import Any

from prism_suites._judging import broken
from prism_suites._stream_shared import Put

__all__ = ["Trimmed"]


class Trimmed:
    """What is kept of one stream, and how low a read may still begin."""

    def __init__(self, puts: list[Put]) -> None:
        self.kept = list(puts)
        self.last = puts[-1].offset if puts else None
        self.gone = -1
        """The highest offset that was removed."""
        self.told = 0
        """The highest answer of a trim: the bound, or the first record kept, now this and now that."""

    def add(self, put: Put) -> None:
        if self.last is not None and put.offset <= self.last:
            broken(
                "stream_basic.3", "an offset is used again, or below one that was there", expected=f"> {self.last}", got=put.offset
            )
        if put.offset < self.told:
            sentence = "trim returned a bound above what is appended afterwards"
            broken("stream_basic.7", sentence, expected=f"at most {put.offset}", got=self.told)
        self.kept.append(put)
        self.last = put.offset

    def trim(self, before: int, told: Any) -> None:
        """Judge what a trim returned: the bound, or the first record kept."""
        removed = [put.offset for put in self.kept if put.offset < before]
        self.kept = [put for put in self.kept if put.offset >= before]
        self.gone = max([self.gone, *removed])
        if not isinstance(told, int) or isinstance(told, bool):
            broken("stream_basic.7", "trim returned no offset", expected="an int", got=told)
        if self.kept and not self.gone < told <= self.kept[0].offset:
            sentence = "trim does not return the lowest offset that a read may still give"
            broken("stream_basic.7", sentence, expected=sorted({self.kept[0].offset, max(before, self.gone + 1)}), got=told)
        if told <= self.gone or told < 0:
            broken("stream_basic.7", "trim returned an offset that was removed", expected=f"above {self.gone}", got=told)
        self.told = max(self.told, told)
