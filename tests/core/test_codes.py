"""Each code is found where it should be, and the documentation says so."""

import json
from pathlib import Path

import jsonschema
import pytest

from idxpipe.components.core.codes import Code
from idxpipe.components.core.idx.files import DataFiles
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import validate
from tests.validate.cases import CASES, data_set

DOCS = Path("docs/validation.md")
SCHEMA = json.loads(Path("docs/validation-report.schema.json").read_text())
# What goes along with a fault: none of it hides the other.
BESIDE = {
    "IDX008": {"IDX040"},
    "IDX043": {"IDX051"},
    "IDX050": {"IDX071"},
    "IDX055": {"IDX053"},
    "IDX059": {"IDX053"},
}


@pytest.mark.parametrize("code", Code, ids=str)
def test_a_fault_is_found_by_its_code(tmp_path, code):
    files = data_set(tmp_path / "data")
    changed = CASES[code.code](files) or {}
    report, page = tmp_path / "report.json", tmp_path / "page.html"
    config = ValidateConfig(**changed)
    try:
        findings = validate(DataFiles(**files), config, str(report), str(page)).findings
        assert code.severity == "warning"
    except FaultsError as error:
        findings = error.findings
        assert code.severity == "error"
        assert error.code is not None
    written = json.loads(report.read_text())
    jsonschema.validate(written, SCHEMA)
    assert written["findings"] == [finding.to_json() for finding in findings]
    (mine, *_) = [finding for finding in findings if finding.code == code.code]
    assert mine.severity == code.severity
    assert mine.uri in files.values()
    assert mine.found
    assert mine.remedy
    assert mine.code in page.read_text()
    others = {finding.code for finding in findings} - {code.code}
    assert others <= BESIDE.get(code.code, set()), [str(finding) for finding in findings]


def test_the_data_set_that_the_cases_break_is_in_order(tmp_path):
    files = data_set(tmp_path / "data")
    report = tmp_path / "report.json"
    found = validate(DataFiles(**files), ValidateConfig(), str(report))
    assert found.findings == []
    jsonschema.validate(json.loads(report.read_text()), SCHEMA)


def test_the_documentation_names_every_code_and_its_case():
    rows = [
        f"| {code.code} | {code.severity} | {code.meaning} | `{CASES[code.code].__name__}` |"
        for code in Code
    ]
    lines = DOCS.read_text().splitlines()
    first = lines.index(rows[0])
    assert lines[first : first + len(rows)] == rows
    assert lines[first + len(rows)] == ""
    assert len({code.code for code in Code}) == len(Code)
