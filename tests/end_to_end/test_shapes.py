"""Data sets that are not like MNIST go through all stages: shapes, types and classes flow."""

import dataclasses
import json

import numpy as np
import pytest
from sklearn.datasets import load_digits

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.convert.records import check_records
from idxpipe.components.convert.stage import convert
from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.idx.files import DataConfig, find_files
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.components.validate.config import ValidateConfig
from idxpipe.components.validate.stage import validate
from tests.datasets import spots
from tests.end_to_end.test_local import idxpipe
from tests.idxfiles import idx_bytes, write_idx


def digits():
    """scikit-learn's digits: 8x8, values from 0 to 16."""
    data = load_digits()
    images, labels = data.images.astype(np.uint8), data.target.astype(np.uint8)
    return (images[:1400], labels[:1400]), (images[1400:], labels[1400:])


def both(shape, num_classes, dtype):
    made = (spots(count, shape, num_classes, dtype, seed) for seed, count in enumerate((300, 130)))
    return tuple((images, labels.astype(np.uint8)) for images, labels in made)


def rows(labels, column):
    """Labels as QMNIST has them: eight int32, one of them the class."""
    table = np.random.default_rng(0).integers(0, 4000, (len(labels), 8), dtype=np.int32)
    table[:, column] = labels
    return table


def write(folder, splits):
    folder.mkdir()
    for name, (images, labels) in zip(("train", "test"), splits, strict=True):
        write_idx(folder / f"set-{name}-images-idx{images.ndim}-ubyte", images)
        write_idx(folder / f"set-{name}-labels-idx{labels.ndim}-int.gz", labels)


def qmnist(column):
    return tuple((images, rows(labels, column)) for images, labels in both((12, 10), 10, "uint8"))


CASES = {
    "digits of scikit-learn, 8x8": (digits(), (8, 8), "uint8", 10, {}),
    "three channels, 32x32": (both((32, 32, 3), 7, "uint8"), (32, 32, 3), "uint8", 7, {}),
    "float32": (both((10, 14), 5, "float32"), (10, 14), "float32", 5, {}),
    "labels of QMNIST": (qmnist(0), (12, 10), "uint8", 10, {}),
    "labels in a later column": (qmnist(5), (12, 10), "uint8", 10, {"label_column": 5}),
    "8x8x1 float": (both((8, 8, 1), 3, "float32"), (8, 8, 1), "float32", 3, {}),
    "62 classes": (both((9, 9), 62, "int16"), (9, 9), "int16", 62, {}),
}


@pytest.mark.parametrize(
    ("splits", "shape", "dtype", "classes", "layout"), CASES.values(), ids=CASES
)
def test_all_stages(tmp_path, splits, shape, dtype, classes, layout):
    from idxpipe.components.evaluate.stage import evaluate
    from idxpipe.components.train.stage import train

    write(tmp_path / "data", splits)
    config = ValidateConfig(num_classes=0, image_shape="auto", **layout)
    found = validate(find_files(DataConfig(str(tmp_path / "data"))), config)
    assert (found.image_shape, found.image_dtype, found.num_classes) == (shape, dtype, classes)
    handed_on = found.handed_on()
    for split, at in (("train", 0), ("test", 2)):
        made = convert(
            *handed_on[at : at + 2],
            str(tmp_path / split),
            ConvertConfig(num_shards=2),
            LayoutConfig(num_classes=handed_on[8], image_shape=handed_on[9], **layout),
            split=split,
            expected=handed_on[at + 4 : at + 6],
        )
        assert check_records(str(tmp_path / split)) == made
        assert (made.image_shape, made.image_dtype, made.num_classes) == (shape, dtype, classes)
    folders = [str(tmp_path / name) for name in ("model", "checkpoints", "logs")]
    training = TrainConfig(batch_size=16, train_steps=4, iterations=2, checkpoint_steps=4)
    device = DeviceConfig(accelerator="cpu")
    train(str(tmp_path / "train"), *folders, dataclasses.replace(training, train_steps=2), device)
    assert train(str(tmp_path / "train"), *folders, training, device).resumed_from == 2
    outputs = [str(tmp_path / name) for name in ("metrics.json", "report.html")]
    result = evaluate(str(tmp_path / "test"), folders[0], *outputs, EvaluateConfig(), device)
    assert result.num_examples == len(splits[1][0])
    assert len(result.confusion) == classes


def test_the_compiled_pipeline_on_one_that_is_different_in_all(tmp_path):
    """On their side like EMNIST, not square, among other sets, 62 classes in a column."""
    data = tmp_path / "data"
    data.mkdir()
    for name, (images, labels) in zip(("train", "test"), both((12, 8), 62, "uint8"), strict=True):
        sides = np.ascontiguousarray(images.swapaxes(1, 2))
        write_idx(data / f"emnist-byclass-{name}-images-idx3-ubyte.gz", sides)
        write_idx(data / f"emnist-byclass-{name}-labels-idx2-int.gz", rows(labels, 3))
        write_idx(data / f"emnist-digits-{name}-images-idx3-ubyte.gz", images)
    baseline = tmp_path / "baseline.json"
    known = {"schema_version": 1, "image_shape": [12, 8], "image_dtype": "uint8"}
    baseline.write_text(json.dumps(known | {"num_classes": 62}))
    values = {
        "data_prefix": "emnist-byclass",
        "num_classes": 0,
        "image_shape": "12x8",
        "label_column": 3,
        "transposed": "true",
        "depth": "full",
        "data_baseline": baseline,
        "train_steps": 4,
        "iterations": 2,
        "batch_size": 16,
    }
    settings = [word for item in values.items() for word in ("--set", "{}={}".format(*item))]
    done = idxpipe("run", "--data", data, "--root", tmp_path / "out", "--json", *settings)
    record = json.loads(done.stdout)
    (report,) = (tmp_path / "out/artifacts/validate").glob("*/report.json")
    found = json.loads(report.read_text())
    assert (found["image_shape"], found["num_classes"]) == ([12, 8], 62)
    (manifest,) = (tmp_path / "out/artifacts/convert-train").glob("*/dataset/dataset.json")
    dataset = json.loads(manifest.read_text())
    assert dataset["image_shape"] == [12, 8]
    assert dataset["num_classes"] == 62
    assert record["status"] == "succeeded"


def test_a_data_set_with_faults_leaves_report_and_page_and_goes_no_further(tmp_path):
    write(tmp_path / "data", both((9, 9), 5, "uint8"))
    labels = tmp_path / "data/set-test-labels-idx1-int.gz"
    labels.write_bytes(idx_bytes(np.full(130, 9, np.uint8)) + b"more")
    done = idxpipe(
        *("run", "--data", tmp_path / "data", "--root", tmp_path / "out"),
        *("--set", "image_shape=10x10", "--set", "num_classes=5"),
        check=3,
    )
    for code in ("IDX012", "IDX036", "IDX037"):
        assert code in done.stderr
    (page,) = (tmp_path / "out/artifacts/validate").glob("*/page.html")
    assert "4 errors" in page.read_text()
    assert f"data page         {page}" in done.stderr
    assert not list((tmp_path / "out/artifacts").glob("convert*"))
