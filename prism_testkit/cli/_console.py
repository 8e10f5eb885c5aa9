"""What the commands share towards the person: lines out, a usage error, a parser whose errors are usage errors."""

import argparse
import os
import sys
from typing import NoReturn

__all__ = ["USAGE", "Parser", "UsageError", "complain", "say"]

USAGE = 4
"""The exit code of what cannot be meant; pytest's own."""


class UsageError(Exception):
    """What was typed cannot be meant; the message says why and what may be typed."""


class Parser(argparse.ArgumentParser):
    """A parser of one command, ``prism NAME``. Options are never abbreviated: a new one would change what an old line means."""

    def __init__(self, command: str, description: str) -> None:
        super().__init__(prog=f"prism {command}", description=description, allow_abbrev=False)

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{self.prog}: {message}\n{self.format_usage().rstrip()}")


def say(line: str = "") -> None:
    """Write one line, or several, to standard output, without credentials."""
    sys.stdout.write(f"{_masked(line)}\n")


def complain(message: str) -> None:
    """Write a message to standard error, after what was said so far, without credentials."""
    sys.stdout.flush()
    sys.stderr.write(f"prism: {_masked(message)}\n")


def _masked(text: str) -> str:
    # Other people's errors are shown here, and may quote an address.
    given = [value for name, value in os.environ.items() if name.startswith("PRISM_") and name.endswith("_URL")]
    if not given and "//" not in text:
        return text
    from prism_testkit.servers import mask

    for url in ["", *given]:
        text = mask(text, url)
    return text
