"""What docs/data.md says of data as people have them, convert says, too."""

import re

import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from tests.people import CASES, TEST, TRAIN
from tests.validate.test_people import ROWS

# What no stage can see that is given one split alone.
OF_BOTH_SPLITS = {"IDX042", "IDX043", "IDX044"}
# What makes a file or its place unusual, and nothing else about it.
IN_ORDER = ["gzip-with-zeros", "path-with-a-colon", "path-with-a-question-mark", "path-with-spaces"]


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
