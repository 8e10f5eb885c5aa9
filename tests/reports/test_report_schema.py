"""The published schema is the model's, and every report is valid against it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from report_samples import reports

from prism_testkit.reports.schema import published_schema, published_text
from prism_testkit.results import SCHEMA_VERSION, Report

FILE = Path(__file__).parents[2] / "docs" / "report.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(published_schema())


def test_the_file_is_the_published_schema() -> None:
    """If this fails: ``python -m prism_testkit.reports.schema > docs/report.schema.json``, and think about `SCHEMA_VERSION`."""
    assert FILE.read_text(encoding="utf-8") == published_text()


def test_the_schema_is_one_and_says_its_version() -> None:
    schema = json.loads(FILE.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:prism-testkit:report:{SCHEMA_VERSION}"
    assert schema["properties"]["version"]["const"] == SCHEMA_VERSION


@given(report=reports)
def test_every_report_is_valid(report: Report) -> None:
    VALIDATOR.validate(json.loads(report.model_dump_json()))


@pytest.mark.parametrize(
    "changes",
    [
        {"version": SCHEMA_VERSION + 1},
        {"format": "something-else"},
        {"results": [{"id": "x"}]},
        {"results": "none"},
        {"extra": 1},
        {"exit_code": "0"},
        {"backends": [{"name": "a", "kind": "toy", "status": "available"}]},
    ],
)
def test_what_is_no_report_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(json.loads(Report().model_dump_json()) | changes)
