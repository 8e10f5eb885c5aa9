"""``prism matrix REPORT...``: what several runs showed, as one page, on standard output."""

import argparse
from pathlib import Path

from pydantic import ValidationError

from prism_testkit.cli._console import Parser, complain, say
from prism_testkit.reports.published import page
from prism_testkit.results import Report

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism matrix``."""
    made = Parser("matrix", "Print the matrix of backends and interfaces that reports of --prism-json show, as Markdown.")
    made.add_argument(
        "reports",
        type=Path,
        nargs="+",
        metavar="REPORT",
        help="files of --prism-json; of a backend that several have, the newest counts that judged no less than the others",
    )
    return made


def run(options: argparse.Namespace) -> int:
    """Print the page; 1, and no page, if one of the files is no report."""
    found: dict[str, Report] = {}
    for path in options.reports:
        try:
            found[_called(path, found)] = Report.model_validate_json(path.read_bytes())
        except OSError as error:
            complain(f"prism matrix: {path}: {error.strerror or error}")
            return 1
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            complain(f"prism matrix: {path} is no report of this version: {where + ': ' if where else ''}{first['msg']}")
            return 1
    say(page(found).rstrip("\n"))
    return 0


def _called(path: Path, others: dict[str, Report]) -> str:
    """Return a name for a report that tells nothing of the machine, and is nobody else's."""
    name = path.stem
    while name in others:
        name += "'"
    return name
