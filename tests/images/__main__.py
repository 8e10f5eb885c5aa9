"""Builds images of the servers that are on this machine: ``python -m tests.images [NAME ...]``, all of them by default.

Each is named as the backend (``postgres``, ``postgres@15``). What is done, and what cannot be and why, is told on stderr; stdout is
the arguments with which a run takes them: ``pytest --prism-server=container $(python -m tests.images)``. Exits with 1 if there is
no engine, or if one that was named cannot be built.
"""

import argparse
import sys
import time

from prism_testkit.selection import closest
from prism_testkit.servers import ServerUnavailable
from prism_testkit.servers.engines import EngineAway, find_engine

from .build import Image, build, images

__all__ = ["main"]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.images", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME")
    names = parser.parse_args().names
    known = {name: image for image in images() for name in image.servers}
    for name in names:
        if name not in known:
            parser.error(f"there is no server {name!r}{closest(name, sorted(known))} that runs in a container")
    try:
        engine = find_engine()
    except EngineAway as error:
        print(f"no images: {error.reason}; {error.remedy}", file=sys.stderr)
        return 1
    wanted = {known[name].tag: known[name] for name in names or known}
    done = [image for image in wanted.values() if _built(image, engine.host)]
    print(" ".join(f"--prism-image={name}={image.tag}" for image in done for name in image.servers))
    return int(bool(names) and len(done) < len(wanted))


def _built(image: Image, host: str) -> bool:
    began = time.monotonic()
    try:
        located, is_new = build(image, host)
    except (OSError, ServerUnavailable) as error:
        print(f"{image.name:12} cannot be built: {error}", file=sys.stderr)
        return False
    how = f"built in {time.monotonic() - began:.1f} s of" if is_new else "there already, of"
    print(f"{image.name:12} {image.tag}  {how} {located.detail}", file=sys.stderr)
    return True


if __name__ == "__main__":
    sys.exit(main())
