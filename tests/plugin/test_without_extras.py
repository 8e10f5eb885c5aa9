"""What a plain `pip install prism-testkit` can judge is judged without the extras."""

from typing import Any


def test_without_the_library_of_zstd_the_claim_check_is_judged_with_what_there_is(folder: Any) -> None:
    (folder.path / "conftest.py").write_text("import sys\nsys.modules['zstandard'] = None\n")
    result = folder.run("--prism-backend=memory", "--prism-pattern=claim-check", "--prism-level=smoke", "-k", "checksum")
    assert result.ret == 0, result.stdout.str()
    found = folder.report()["results"]
    assert found
    assert all("pip install 'prism-testkit[zstd]'" in "".join(r["notes"]) for r in found)
