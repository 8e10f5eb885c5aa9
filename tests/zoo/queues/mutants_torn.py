"""Spools that lose a letter, or a part of it, when their process dies in the middle of a call."""

import json
from pathlib import Path

from tests.zoo.declare import Mutant

from .declare_ninth import declaring
from .ninth_mail import Letter, Spool

__all__ = ["MUTANTS"]

MUTANTS: list[Mutant] = []
mutant = declaring(MUTANTS)
BEHIND = "the process dies behind each write of each call"


@mutant("dead_letter.8", "order of steps", trap=BEHIND, also="visibility.13 basic.12")
class LettersAreCarriedByHand(Spool):
    """A letter that goes to another folder is removed here before it is written there."""

    def move(self, folder: Path, old: Letter, new: Letter, to: Path | None = None) -> Letter:
        if to is None or to == folder:
            return super().move(folder, old, new, to)
        text = (folder / old.file).read_text()
        (folder / old.file).unlink()
        self.write(to, new, text)
        return new


@mutant("basic.12", "torn write", trap=BEHIND, also="visibility.13")
class LettersAreWrittenInTheirFolder(Spool):
    """A letter has its name before it is whole."""

    def write(self, folder: Path, new: Letter, text: str) -> None:
        (folder / new.file).write_text(text)
        self.bell(folder).ring()


@mutant("dead_letter.8", "torn write", trap=BEHIND)
class ConfigurationsAreWrittenInPlace(Spool):
    """The configuration of a queue is empty for a moment."""

    def configure(self, folder: Path, target: str, most: int) -> None:
        (folder / "config").write_text(json.dumps([target, most]))


@mutant("visibility.13", "order of steps", trap=BEHIND, also="basic.12 dead_letter.8")
class LettersChangeTheirNameInTwoSteps(Spool):
    """A letter that is given or comes back has no name in its folder for a moment."""

    def move(self, folder: Path, old: Letter, new: Letter, to: Path | None = None) -> Letter:
        (folder / old.file).rename(folder.parent / "on its way")
        (folder.parent / "on its way").rename((to or folder) / new.file)
        self.bell(to or folder).ring()
        return new
