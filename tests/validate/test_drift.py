import json

import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.files import DataFiles
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.drift import drift, read_baseline
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import validate
from tests import resealed
from tests.idxfiles import make_arrays, write_data_set


def check(folder, report=None, **config):
    arrays = make_arrays(200, 40)
    files = write_data_set(folder, arrays)
    return validate(DataFiles(**files), ValidateConfig(**config), report and str(report))


def test_a_data_set_does_not_drift_from_itself(tmp_path):
    baseline = tmp_path / "baseline.json"
    check(tmp_path / "a", baseline)
    assert check(tmp_path / "b", data_baseline=str(baseline)).findings == []


def test_another_shape_is_an_error_that_names_both(tmp_path):
    baseline = tmp_path / "baseline.json"
    check(tmp_path / "a", baseline)
    arrays = make_arrays(200, 40, shape=(14, 56))
    files = DataFiles(**write_data_set(tmp_path / "b", arrays))
    config = ValidateConfig(image_shape="auto", data_baseline=str(baseline))
    with pytest.raises(FaultsError, match="image shape differs from the baseline") as caught:
        validate(files, config)
    assert (caught.value.expected, caught.value.found) == (f"28x28, as in {baseline}", "14x56")


def report(train, test=(10, 10)):
    splits = {"train": {"class_counts": train}, "test": {"class_counts": list(test)}}
    files = {role: {"uri": role} for role in ("train_images", "train_labels", "test_labels")}
    same = {"image_shape": [28, 28], "image_dtype": "uint8", "num_classes": 2}
    return same | {"splits": splits, "files": files}


def known(train, test=(10, 10)):
    return report(train, test) | {"class_counts": {"train": train, "test": list(test)}}


@pytest.mark.parametrize(
    ("before", "now", "most", "moved"),
    [
        ([50, 50], [54, 46], 0.05, False),
        ([50, 50], [56, 44], 0.05, True),
        ([50, 50], [5600, 4400], 0.07, False),
        ([50, 50], [100], 0.4, True),
        ([50, 50], None, 0.0, False),
        (None, [50, 50], 0.0, False),
    ],
)
def test_shares_may_move_as_far_as_was_said(before, now, most, moved):
    found = list(drift(report(now), known(before), "old", most))
    assert [fault.code.code for fault in found] == ["IDX063"] * moved
    for fault in found:
        assert fault.where == "train_labels"


def test_what_moved_most_is_named():
    (fault,) = drift(report([10, 10, 80]), known([40, 40, 20]), "old", 0.1)
    assert fault.expected == "class 2 at 20.0 %, at most 10 points more or less, as in old"
    assert fault.found == "80.0 %; 3 of 3 classes moved so far"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "nonsense",
        '{"schema_version": "x"}',
        json.dumps({"schema_version": 2, "image_shape": 0, "image_dtype": 0, "num_classes": 0})[:-1]
        + ', "splits": {"train": {"class_counts": [-1]}}}',
        "[" * 100_000,
    ],
)
def test_what_is_no_report_is_refused(tmp_path, text):
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(DataError, match="not the report of a validation"):
        read_baseline(str(path), 2)


def test_a_newer_report_is_refused(tmp_path):
    path = tmp_path / "baseline.json"
    check(tmp_path / "a", path)
    resealed.edit(path, lambda value: value.update(schema_version=3))
    with pytest.raises(UsageError, match="newer version"):
        check(tmp_path / "b", data_baseline=str(path))


def test_a_report_of_the_first_version_is_compared_as_far_as_it_goes(tmp_path):
    path = tmp_path / "baseline.json"
    old = {"schema_version": 1, "num_classes": 12, "image_shape": [28, 28], "image_dtype": "uint8"}
    path.write_text(json.dumps(old))
    with pytest.raises(FaultsError, match="number of classes differs from the baseline"):
        check(tmp_path / "a", data_baseline=str(path))
