"""docs/data.md says what becomes of data as people have them: each row of its table is true."""

import re
from pathlib import Path

import pytest

from idxpipe.components.core.errors import IdxpipeError
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import validate
from tests.people import CASES

ROW = re.compile(r"^\| `([a-z0-9-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", re.MULTILINE)
ROWS = {row[0]: row[1:] for row in ROW.findall(Path("docs/data.md").read_text())}
KINDS = {int: int, bool: lambda text: text == "true", str: str}


def outcome(folder, **parameters):
    """The codes of all findings, and the text of the error that there is, if there is one."""
    given = {name: KINDS[type(getattr(LayoutConfig(), name))](v) for name, v in parameters.items()}
    try:
        found = validate(find_files(DataConfig(str(folder))), ValidateConfig(**given))
    except FaultsError as error:
        return {finding.code for finding in error.findings}, str(error)
    except IdxpipeError as error:
        return set(), str(error)
    return {finding.code for finding in found.findings}, ""


def test_every_case_is_a_row():
    assert CASES.keys() == ROWS.keys()


@pytest.mark.parametrize("name", CASES)
def test_the_row_is_true(tmp_path, name):
    _, says, way_out = ROWS[name]
    folder = tmp_path / "data"
    CASES[name](folder)
    codes, text = outcome(folder)
    assert codes == set(re.findall(r"IDX\d{3}", says))
    for quoted in re.findall(r"\"([^\"]+)\"", says):
        assert quoted in text
    assert bool(text) != ("in order" in says or "warns" in says)
    # Where parameters are the way out, there is no error with them, nor a finding of its meaning.
    parameters = dict(re.findall(r"`([a-z_]+)=([^`]+)`", way_out))
    if parameters:
        after, text = outcome(folder, **parameters)
        assert text == ""
        assert not after & codes
