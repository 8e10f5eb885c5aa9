"""``prism keep WITNESS``: a failing case moves from the scratch folder into the project, with the waiver that would name it."""

import argparse
from pathlib import Path

from prism_testkit.cli._console import Parser, complain, say
from prism_testkit.witness import Witness, WitnessError

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism keep``."""
    made = Parser("keep", "Copy a witness to where it is committed, and say how it is replayed and waived.")
    made.add_argument("witness", type=Path, metavar="WITNESS", help="a file under .prism/witnesses")
    made.add_argument("--to", type=Path, default=Path("witnesses"), metavar="FOLDER", help="default: witnesses, beside conftest.py")
    return made


def run(options: argparse.Namespace) -> int:
    """Copy the file under its own name; 1 if it cannot be read, or another case has that name. A repeat changes nothing."""
    try:
        witness = Witness.load(options.witness)
    except WitnessError as error:
        complain(f"prism keep: {error}")
        return 1
    kept = options.to / options.witness.name
    text = options.witness.read_bytes()
    if kept.is_symlink() or (kept.exists() and kept.read_bytes() != text):
        complain(f"prism keep: {kept} exists and holds something else; nothing was written: move it away")
        return 1
    options.to.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(text)
    say(f"kept {kept}: {witness.check.rpartition('::')[2]} on {witness.binding}, which breaks {witness.promise}")
    say(f"repeat it:  pytest --prism-replay={kept}")
    say("if it is known and stays, add to the waivers of the backend or the pattern:")
    say(f'    prism.Waiver(promise="{witness.promise}", kind="todo", reason="...", witness="{kept.as_posix()}")')
    return 0
