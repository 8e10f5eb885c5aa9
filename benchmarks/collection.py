"""Collecting 5,000 checks, against 5,000 bare parametrised tests: to stay within 1.3.

    python -m benchmarks.collection

The checks are 50 backends times 100 checks in one module, the bare tests 100 functions with 50 parameters each.
"""

import tempfile
from pathlib import Path

from benchmarks._processes import compare

CHECKS, BACKENDS, TURNS = 100, 50, 5
LIMIT = 1.3
NAMES = ",".join(f"nothing{number}" for number in range(BACKENDS))

BARE = "import pytest\n\n" + "\n".join(
    f"@pytest.mark.parametrize('backend', range({BACKENDS}))\ndef test_{n}(backend): pass" for n in range(CHECKS)
)
OURS = "import prism_testkit as prism\nfrom prism_testkit.interfaces import KeyValueBasic\n\n" + "\n".join(
    f"@prism.check('keyvalue_basic.1')\nasync def check_{n}(kv: KeyValueBasic) -> None: pass" for n in range(CHECKS)
)
CONFTEST = f"""
import prism_testkit as prism
from benchmarks.per_example import Nothing, connect

@prism.hookimpl
def prism_register_backends(registry):
    for number in range({BACKENDS}):
        registry.add(prism.Backend(name=f"nothing{{number}}", connect=connect, drivers=[Nothing]))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "conftest.py").write_text(CONFTEST)
        (folder / "test_bare.py").write_text(BARE)
        (folder / "test_ours.py").write_text(OURS)
        base = ["-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider", "-p", "prism_testkit.plugin"]
        found = compare(
            {
                "bare": [*base, "test_bare.py"],
                "ours": [*base, f"--prism-backend={NAMES}", "test_ours.py"],
            },
            folder,
            TURNS,
            {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
    print(f"{CHECKS * BACKENDS} bare tests   {found['bare']:6.2f} s")
    ratio = found["ours"] / found["bare"]
    print(f"{CHECKS * BACKENDS} checks       {found['ours']:6.2f} s, {ratio:.2f} of bare, to stay within {LIMIT}")


if __name__ == "__main__":
    main()
