"""docs/data.md says what becomes of data as people have them: each row of its table is true."""

import re
from pathlib import Path

import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.errors import DataError, IdxpipeError
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import validate
from tests.people import CASES, TEST, TRAIN

ROW = re.compile(r"^\| `([a-z0-9-]+)` \| ([^|]+) \| ([^|]+) \| ([^|]*) \|$", re.MULTILINE)
ROWS = {row[0]: row[1:] for row in ROW.findall(Path("docs/data.md").read_text())}
# What no stage can see that is given one split alone.
OF_BOTH_SPLITS = {"IDX042", "IDX043", "IDX044"}
# What makes a file or its place unusual, and nothing else about it.
IN_ORDER = ["gzip-with-zeros", "path-with-a-colon", "path-with-a-question-mark", "path-with-spaces"]
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


def test_convert_refuses_what_validate_refuses(tmp_path):
    for name in CASES:
        says = ROWS[name][1]
        codes = set(re.findall(r"IDX\d{3}", says))
        if not codes or "warns" in says or codes & OF_BOTH_SPLITS:
            continue
        CASES[name](tmp_path / name)
        with pytest.raises(DataError) as caught:
            converted(tmp_path / name)
        assert str(caught.value.code) in codes, name


@pytest.mark.parametrize("name", IN_ORDER)
def test_convert_takes_what_is_in_order(tmp_path, name):
    CASES[name](tmp_path / name)
    assert converted(tmp_path / name) == [TRAIN, TEST]


def test_convert_takes_a_single_example(tmp_path):
    CASES["one-example"](tmp_path / "data")
    assert converted(tmp_path / "data") == [1, 1]


def converted(folder):
    """Return how many examples convert makes of each split."""
    files = find_files(DataConfig(str(folder)))
    made = []
    for split in ("train", "test"):
        sources = getattr(files, f"{split}_images"), getattr(files, f"{split}_labels")
        out = f"{folder}/{split} dataset"
        convert(*sources, out, ConvertConfig(), LayoutConfig(), split=split)
        made.append(read_dataset(out).num_examples)
    return made
