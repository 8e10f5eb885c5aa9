"""``prism servers``: what servers there are, from where, which version; ``prism servers add NAME`` makes one."""

import argparse

from prism_testkit.cli import _inventory as inventory
from prism_testkit.cli._console import Parser, UsageError, complain, say
from prism_testkit.cli._progress import Progress
from prism_testkit.cli._project import Project
from prism_testkit.selection import closest

__all__ = ["parser", "run"]


def parser() -> argparse.ArgumentParser:
    """Return the parser of ``prism servers``."""
    made = Parser("servers", "Say of each server whether it is here, from where, which version, or the one command that adds it.")
    made.add_argument("words", nargs="*", metavar="NAME", help="only these; or: add NAME, to make one in the user's cache")
    return made


def run(options: argparse.Namespace) -> int:
    """List, with exit code 0 whatever is missing; or make what was asked for, 1 if that failed."""
    project = Project.here()
    servers = inventory.servers(project)
    adding, names = options.words[:1] == ["add"], options.words[options.words[:1] == ["add"] :]
    for name in names:
        if name not in servers:
            raise UsageError(
                f"there is no server {name!r}{closest(name, sorted(servers))}; there are: {', '.join(sorted(servers))}"
            )
    if adding:
        return _add(names, servers)
    for name in names or sorted(servers):
        say(inventory.line(name, servers[name], project.state))
    return 0


def _add(names: list[str], servers: inventory.Servers) -> int:
    from prism_testkit.servers import ServerUnavailable, fetch

    if not names:
        made = [name for name, found in servers.items() if not isinstance(found, str) and found.recipe is not None]
        raise UsageError(f"prism servers add: expected a name; what can be made is {', '.join(sorted(made)) or 'nothing'}")
    for name in names:
        found = servers[name]
        if isinstance(found, str) or found.recipe is None:
            raise UsageError(f"{name} is not made by a command of ours: {inventory.remedy(name, found)}")
        say(f"{name} {found.recipe.version}" + (f": {found.recipe.cost}" if found.recipe.cost else ""))
        with Progress() as progress:
            try:
                directory = fetch(name, found, progress.step)
            except ServerUnavailable as error:
                progress.close()
                complain(str(error))
                return 1
        say(f"{name} is in {directory}")
    return 0
