"""``python -m tests.zoo.servers [BACKEND or NAME ...]``: hunt the wrong drivers over real servers, all by default, and print each.

Those that no check of their promise catches are run against all suites of their family. What is known to be missed is hunted
only by name. ``--arguments`` go to pytest.
"""

import argparse
import shlex

from .change import hunt
from .changes import CHANGES, MISSED


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.zoo.servers", description=__doc__)
    parser.add_argument("asked", nargs="*", help="backends or names of changes")
    parser.add_argument("--arguments", default="", help="for pytest, in one word")
    options = parser.parse_args()
    unknown = set(options.asked) - {change.name for change in [*CHANGES, *MISSED]} - {change.backend for change in CHANGES}
    if unknown:
        parser.error(f"neither a change nor a backend that has one: {', '.join(sorted(unknown))}")
    chosen = [change for change in CHANGES if not options.asked or {change.name, change.backend} & set(options.asked)]
    chosen += [change for change in MISSED if change.name in options.asked]
    caught = elsewhere = 0
    for change in chosen:
        found = hunt(change, arguments=shlex.split(options.arguments))
        if found.caught:
            caught += 1
            print(f"caught     {change.name} ({change.promise}): {found.how}", flush=True)
            continue
        wide = hunt(change, anywhere=True, arguments=shlex.split(options.arguments))
        elsewhere += bool(wide.named or found.named)
        word = "elsewhere" if wide.named or found.named else "SURVIVED "
        print(f"{word}  {change.name} ({change.promise}): {found.how}; all of {change.family}: {wide.how}", flush=True)
    print(f"{caught} of {len(chosen)} caught under the promise, {caught + elsewhere} under any")
    return 0 if caught == len(chosen) else 1


if __name__ == "__main__":
    raise SystemExit(main())
