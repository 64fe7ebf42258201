import dataclasses
import gzip
import json
import os

import numpy as np
import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.idx.files import DataConfig, DataFiles, find_files
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.finding import FaultsError
from idxpipe.components.validate.stage import validate
from tests.idxfiles import idx_bytes, make_arrays, write_data_set, write_idx

CONFIG = ValidateConfig()


def check(folder, config=CONFIG, **given):
    return validate(find_files(DataConfig(str(folder), **given)), config)


@pytest.mark.parametrize("gz", [False, True])
def test_a_data_set_in_order(tmp_path, gz):
    write_data_set(tmp_path, gz=gz)
    found = check(tmp_path)
    assert found.num_classes == 10
    assert found.image_shape == (28, 28)
    assert found.files["train_images"].header.records == 60
    assert all(file.compressed == gz for file in found.files.values())


def test_fingerprints_are_of_the_content_however_it_is_stored(tmp_path):
    write_data_set(tmp_path / "plain")
    write_data_set(tmp_path / "packed", gz=True)
    plain, packed = check(tmp_path / "plain"), check(tmp_path / "packed")
    assert plain.handed_on()[4:] == packed.handed_on()[4:]
    assert len({*plain.handed_on()[4:8]}) == 4


def test_the_real_mnist():
    found = check("data/mnist")
    counts = [found.files[role].header.records for role in found.files]
    assert counts == [60_000, 60_000, 10_000, 10_000]
    assert found.handed_on()[8:] == (10, "28x28", "")


def faults():
    """Name, role of the bad file, its bytes, what is expected in the error."""
    arrays = make_arrays()
    images, labels = arrays["test_images"], arrays["test_labels"]
    data = idx_bytes(images)
    wrong = labels.copy()
    wrong[7] = 200
    yield "truncated", "test_images", data[:-1], (len(data) - 1, "cut short")
    yield "trailing", "test_images", data + b"\0", (len(data), "goes on after")
    yield "magic", "test_images", b"\1" + data[1:], (0, "not an IDX file")
    yield "type", "test_images", data[:2] + b"\7" + data[3:], (2, "unknown IDX type")
    yield "count", "test_labels", idx_bytes(labels[:-1]), (4, "differ in number")
    yield "shape", "test_images", idx_bytes(images.reshape(-1, 14, 56)), (8, "wrong shape")
    yield "label", "test_labels", idx_bytes(wrong), (15, "out of range")
    huge = data[:4] + b"\xff\xff\xff\xff" + data[8:]
    yield "huge", "test_images", huge, (len(data), "cut short")
    yield "swapped", "test_labels", data, (3, "this is an images file")
    yield (
        "gzip",
        "test_labels",
        gzip.compress(idx_bytes(labels))[:-1],
        (28, "gzip data is cut short"),
    )
    yield "html", "train_images", b"<html>404</html>", (0, "HTML")


@pytest.mark.parametrize(
    ("role", "data", "expected"),
    [fault[1:] for fault in faults()],
    ids=[fault[0] for fault in faults()],
)
def test_a_fault_is_named(tmp_path, role, data, expected):
    offset, problem = expected
    files = write_data_set(tmp_path / "data")
    with open(files[role], "wb") as stream:
        stream.write(data)
    report = tmp_path / "out" / "report.json"
    with pytest.raises(DataError, match=problem) as caught:
        validate(find_files(DataConfig(str(tmp_path / "data"))), CONFIG, str(report))
    error = caught.value
    assert (error.where, error.offset) == (files[role], offset)
    assert error.expected is not None
    assert error.found is not None
    assert error.remedy
    written = json.loads(report.read_text())["findings"]
    assert written[0]["uri"] == files[role]
    assert written == error.to_json()["findings"]


def test_test_images_of_another_shape_or_type_than_the_training_images(tmp_path):
    arrays = make_arrays()
    config = ValidateConfig(image_shape="auto")
    write_data_set(tmp_path, arrays | {"test_images": arrays["test_images"].reshape(-1, 14, 56)})
    with pytest.raises(DataError, match="shape of the test images differs"):
        check(tmp_path, config)
    write_data_set(tmp_path, arrays | {"test_images": arrays["test_images"].astype(np.int16)})
    with pytest.raises(DataError, match="type of the test images differs"):
        check(tmp_path, config)


def test_number_of_classes_from_the_training_labels(tmp_path):
    arrays = make_arrays()
    write_data_set(tmp_path, arrays)
    assert check(tmp_path, ValidateConfig(num_classes=0)).num_classes == 10
    more = arrays["test_labels"].copy()
    more[0] = 10
    write_data_set(tmp_path, arrays | {"test_labels": more})
    with pytest.raises(DataError, match="out of range"):
        check(tmp_path, ValidateConfig(num_classes=0))


def test_the_report_is_the_same_bytes_each_time(tmp_path):
    files = write_data_set(tmp_path / "data")
    reports = []
    for name in ("a.json", "b.json"):
        validate(find_files(DataConfig(**files)), CONFIG, str(tmp_path / name))
        reports.append((tmp_path / name).read_bytes())
    assert reports[0] == reports[1]
    body = json.loads(reports[0])
    assert body["schema_version"] == 2
    assert body["files"]["test_labels"]["shape"] == [20]
    assert sorted(os.listdir(tmp_path)) == ["a.json", "b.json", "data"]


def test_colour_images_of_another_type(tmp_path):
    arrays = make_arrays(shape=(8, 8, 3))
    arrays = {r: a.astype(np.float32) if "images" in r else a for r, a in arrays.items()}
    write_data_set(tmp_path, arrays)
    found = check(tmp_path, dataclasses.replace(CONFIG, image_shape="8x8x3"))
    assert (found.image_shape, found.image_dtype) == ((8, 8, 3), "float32")


def test_every_fault_of_every_file_is_found_at_once(tmp_path):
    files = write_data_set(tmp_path)
    arrays = make_arrays()
    labels = arrays["train_labels"].copy()
    labels[[3, 9]] = 99
    with open(files["train_images"], "r+b") as stream:
        stream.truncate(1000)
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels[:-1])
    with open(files["test_images"], "wb") as stream:
        stream.write(b"<!DOCTYPE html>")
    os.remove(files["test_labels"])
    with pytest.raises(FaultsError) as caught:
        validate(DataFiles(**files), CONFIG)
    errors = [f for f in caught.value.findings if f.is_error]
    assert [(finding.code, finding.uri) for finding in errors] == [
        ("IDX011", files["train_images"]),
        ("IDX040", files["train_labels"]),
        ("IDX037", files["train_labels"]),
        ("IDX003", files["test_images"]),
        ("IDX001", files["test_labels"]),
    ]
    assert errors[2].offset == 8 + 3
    assert errors[2].found == "99, and 1 more out of range"
    text = str(caught.value)
    assert text.startswith(f"{files['train_images']}: byte 1000: file is cut short [IDX011]")
    assert all(f"  also:     {finding}" in text for finding in errors[1:])


def test_a_few_faint_images_are_of_the_scale_of_the_others(tmp_path):
    arrays = make_arrays(60, 20)
    arrays["test_images"] = arrays["test_images"] // 8
    write_data_set(tmp_path, arrays)
    assert "IDX044" not in {finding.code for finding in check(tmp_path).findings}
    arrays["test_images"] = arrays["test_images"].astype(np.float32)
    arrays["train_images"] = (arrays["train_images"] / 25500).astype(np.float32)
    write_data_set(tmp_path, arrays)
    with pytest.raises(FaultsError) as caught:
        check(tmp_path)
    assert "IDX044" in {finding.code for finding in caught.value.findings}
