"""``python -m prism_testkit.cli``: the ``prism`` command where no script is on PATH."""

import sys

from prism_testkit.cli import main

if __name__ == "__main__":
    sys.exit(main())
