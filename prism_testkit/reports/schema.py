"""The published schema of the JSON report.

``docs/report.schema.json`` is this, and a test fails when the two differ. Regenerate it with

    python -m prism_testkit.reports.schema > docs/report.schema.json
"""

import json
import sys
from typing import Any

from prism_testkit.results import SCHEMA_VERSION, Report

__all__ = ["published_schema", "published_text"]


def published_schema() -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) that every report of this version is valid against.

    The version stands in its id and as the only value of ``version``, so that no report is read by another version's rules.
    """
    schema = Report.model_json_schema(mode="serialization")
    schema["properties"]["version"] = {**schema["properties"]["version"], "const": SCHEMA_VERSION}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:prism-testkit:report:{SCHEMA_VERSION}",
        **schema,
    }


def published_text() -> str:
    """Return the schema as it stands in the file."""
    return json.dumps(published_schema(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(published_text())
