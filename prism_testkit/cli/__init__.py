"""The ``prism`` command. Each subcommand is a module of its own, imported when it is asked for, so that ``--help`` is quick.

Exit codes: 0 all is well; 1 something is wrong, and named; 4 what was typed cannot be meant; 130 interrupted.
"""

import importlib
import os
import sys
from collections.abc import Sequence

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "list": ("listing", "what there is: backends, interfaces with their promises, patterns, suites"),
    "doctor": ("doctor", "what is missing, and the one command that adds it"),
    "servers": ("servers", "what servers are here, from where, which version; add NAME makes one"),
    "new": ("new", "write the skeleton of a backend, which runs at once and fails helpfully"),
    "check": ("check", "what a backend lacks for each interface"),
    "keep": ("keep", "move a failing case into the project, to be repeated and waived"),
    "matrix": ("matrix", "print what runs showed as one page: backends by interfaces, what is waived, what did not run"),
    "clean": ("clean", "remove what killed runs left"),
}
"""Each command: the module in this package that has its ``parser()`` and ``run(options)``, and one line for the help."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; ``argv`` is without the program's name."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name may hold what the terminal cannot show
    try:
        return _dispatch(arguments)
    except BrokenPipeError:
        # `prism list | head`: nobody reads on. What is still buffered must not raise once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _dispatch(arguments: list[str]) -> int:
    from prism_testkit.cli._console import USAGE, UsageError, complain, say

    if not arguments or arguments[0] in ("-h", "--help", "help"):
        say(_help())
        return 0 if arguments else USAGE
    if arguments[0] == "--version":
        say(f"prism-testkit {_version()}")
        return 0
    try:
        command = importlib.import_module(f"prism_testkit.cli.{_module(arguments[0])}")
        status: int = command.run(command.parser().parse_args(arguments[1:]))
        sys.stdout.flush()
    except UsageError as error:
        complain(str(error))
        return USAGE
    return status


def _module(command: str) -> str:
    from prism_testkit.cli._console import UsageError
    from prism_testkit.selection import closest

    if command not in COMMANDS:
        raise UsageError(f"there is no command {command!r}{closest(command, COMMANDS)}; there are: {', '.join(COMMANDS)}")
    return COMMANDS[command][0]


def _help() -> str:
    lines = [f"  prism {name:8} {text}" for name, (_, text) in COMMANDS.items()]
    return "\n".join(
        [
            "usage: prism COMMAND [options]     (prism COMMAND --help tells more)",
            "",
            *lines,
            "",
            "The acceptance run itself is pytest's: pytest --prism-backend=embedded",
        ]
    )


def _version() -> str:
    from importlib.metadata import version

    return version("prism-testkit")
