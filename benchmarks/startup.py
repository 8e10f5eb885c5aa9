"""Starting pytest with the plugin installed and unused, against without: to stay within 1.15.

python -m benchmarks.startup
"""

import tempfile
from pathlib import Path

from benchmarks._processes import compare

TURNS = 15
LIMIT = 1.15


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_one.py").write_text("def test_one(): pass\n")
        bare = ["-m", "pytest", "-q", "-p", "no:cacheprovider"]
        found = compare(
            {"bare": bare, "unused": [*bare, "-p", "prism_testkit.plugin"]}, folder, TURNS, {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        )
    print(f"pytest alone       {found['bare'] * 1e3:7.1f} ms")
    print(
        f"with it, unused    {found['unused'] * 1e3:7.1f} ms, {found['unused'] / found['bare']:.3f} of bare, to stay within {LIMIT}"
    )


if __name__ == "__main__":
    main()
