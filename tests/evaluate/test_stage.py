import dataclasses
import json
import math
import os
from pathlib import Path

import numpy as np
import pytest

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import DataError, GateError, SetupError
from idxpipe.components.evaluate.config import EvaluateConfig
from idxpipe.components.evaluate.stage import evaluate
from idxpipe.components.gate.config import GateConfig
from idxpipe.components.gate.stage import gate
from tests.datasets import write_dataset
from tests.evaluate.conftest import ANSWERS, answers, write_model
from tests.resealed import resealed

CPU = DeviceConfig(accelerator="cpu")
CONFUSION = ((4, 1, 0), (1, 2, 0), (1, 1, 0))


def run(records, model, folder, **config):
    metrics, report = f"{folder}/metrics.json", f"{folder}/report.html"
    result = evaluate(records, model, metrics, report, EvaluateConfig(**config), CPU)
    return result, json.loads(Path(metrics).read_text()), Path(report).read_text()


def loss_by_hand():
    return sum(
        math.log(sum(math.exp(z) for z in logits)) - logits[label] for logits, label in ANSWERS
    ) / len(ANSWERS)


@pytest.mark.parametrize("batch", [1, 3, 7, 10, 1000])
def test_figures_do_not_depend_on_the_batch_size(records, model, tmp_path, batch):
    result, metrics, _ = run(records, model, tmp_path, eval_batch_size=batch)
    assert result.accuracy == 0.6
    assert result.loss == pytest.approx(loss_by_hand(), rel=1e-6)
    assert result.num_examples == 10
    assert result.confusion == CONFUSION
    assert [c.support for c in result.classes] == [5, 3, 2]
    assert result.low < 0.6 < result.high
    assert [m["index"] for m in metrics["mistakes"]] == [6, 3, 7, 8]


def test_metrics_file_tells_the_facts_and_nothing_of_when(records, model, tmp_path):
    result, metrics, _ = run(records, model, tmp_path / "a")
    run(records, model, tmp_path / "b")
    one, two = ((tmp_path / name / "metrics.json").read_bytes() for name in "ab")
    assert one == two
    assert metrics["schema_version"] == 2
    assert metrics["accuracy_interval_95"] == [result.low, result.high]
    assert metrics["confusion_matrix"] == [list(row) for row in CONFUSION]
    assert metrics["dataset"]["split"] == "test"
    assert metrics["model"]["step"] == 70
    assert metrics["mistakes"][0] == {
        "index": 6,
        "label": 1,
        "predicted": 0,
        "confidence": pytest.approx(1 / (1 + 2 * math.exp(-8))),
    }


def test_the_other_figures(records, model, tmp_path):
    result, metrics, page = run(records, model, tmp_path, top_k=2)
    # Every mistake has its label in the second place.
    assert metrics["top_k"] == {"k": 2, "accuracy": 1.0}
    assert result.macro.recall == pytest.approx((4 / 5 + 2 / 3 + 0) / 3)
    assert [part.num_examples for part in result.slices] == [5, 3, 2]
    assert [part.accuracy for part in result.slices] == pytest.approx([4 / 5, 2 / 3, 0])
    weighted = sum(part.loss * part.num_examples for part in result.slices) / 10
    assert weighted == pytest.approx(result.loss)
    assert sum(b.count for b in result.bins) == 10
    assert 0.3 < result.calibration_error < 0.5
    assert page.count("<svg") == 2


def test_baseline_is_compared_and_a_worse_model_fails(tmp_path):
    images = np.zeros((8, 4, 4), np.uint8)
    labels = np.arange(8) % 3
    images[np.arange(8), 0, labels] = 9
    records = write_dataset(tmp_path / "d", images, labels, 3)
    good = write_model(str(tmp_path / "good"))
    # All of its logits are the same: it says 0, which is right for three of the eight.
    bad = write_model(str(tmp_path / "bad"), scale=0.0)
    run(records, good, tmp_path / "a")
    run(records, bad, tmp_path / "b")

    _, metrics, page = run(records, good, tmp_path / "c", baseline=f"{tmp_path}/b")
    assert (metrics["baseline"]["lost"], metrics["baseline"]["won"]) == (0, 5)
    assert "not worse" in page
    run(records, bad, tmp_path / "e", baseline=f"{tmp_path}/a/metrics.json")
    assert sorted(os.listdir(tmp_path / "e")) == ["metrics.json", "report.html"]
    with pytest.raises(GateError) as caught:
        gate(f"{tmp_path}/e/metrics.json", GateConfig())
    assert "1.000000" in caught.value.expected
    assert "0.375000: 5 examples lost, 0 won, p = 0.031" in caught.value.found
    assert caught.value.exit_code == 4
    run(records, bad, tmp_path / "f", baseline=f"{tmp_path}/a", baseline_alpha=0.01)
    gate(f"{tmp_path}/f/metrics.json", GateConfig())


def test_baseline_on_other_examples_is_refused_and_nothing_written(records, model, tmp_path):
    run(records, model, tmp_path / "a", eval_batch_size=3, eval_steps=2)
    with pytest.raises(DataError, match="other examples"):
        run(records, model, tmp_path / "b", baseline=f"{tmp_path}/a")
    assert not os.path.exists(tmp_path / "b")


def test_eval_steps_limit_the_batches(records, model, tmp_path):
    result, _, page = run(records, model, tmp_path, eval_batch_size=3, eval_steps=2)
    assert result.num_examples == 6
    assert "6 of 10" in page


def test_folder_above_the_model_is_good_too(records, model, tmp_path):
    result, _, _ = run(records, os.path.dirname(model), tmp_path)
    assert result.accuracy == 0.6


def test_the_gate_reads_what_was_written(records, model, tmp_path):
    assert run(records, model, tmp_path)[0].accuracy == 0.6
    metrics = f"{tmp_path}/metrics.json"
    gate(metrics, GateConfig(min_accuracy=0.6))
    with pytest.raises(GateError) as caught:
        gate(metrics, GateConfig(min_accuracy=0.61))
    assert "0.61" in caught.value.expected
    assert "0.6" in caught.value.found


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("image_shape", {"shape": (4, 5)}),
        ("image_dtype", {"dtype": "int16"}),
        ("num_classes", {"num_classes": 4}),
    ],
)
def test_model_of_another_dataset_is_refused(records, tmp_path, name, changes):
    other = write_model(str(tmp_path / "model"), **changes)
    with pytest.raises(DataError, match=f"differ in {name}") as caught:
        run(records, other, tmp_path / "out")
    assert caught.value.expected is not None
    assert caught.value.found is not None
    assert not os.path.exists(tmp_path / "out")


def test_damaged_model_is_refused(records, tmp_path):
    folder = write_model(str(tmp_path / "model"))
    Path(f"{folder}/saved_model.pb").write_bytes(b"\x00garbage")
    with pytest.raises(DataError, match="cannot be loaded"):
        run(records, folder, tmp_path)


def test_damaged_records_are_refused(model, tmp_path):
    folder = write_dataset(tmp_path / "d", *answers(), 3, num_shards=1)
    shard = tmp_path / "d" / "0.tfrecord"
    data = bytearray(shard.read_bytes())
    data[-6] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match="record is damaged"):
        run(folder, model, tmp_path)


def test_records_that_contradict_the_manifest_are_refused(model, tmp_path):
    images, labels = answers()
    good = write_dataset(tmp_path / "good", images, labels, 3, num_shards=1)

    def swapped(images, labels, num_classes=3):
        bad = write_dataset(tmp_path / "bad", images, labels, num_classes, num_shards=1)
        other = json.loads(Path(f"{bad}/dataset.json").read_text())["shards"][0]
        os.replace(f"{bad}/0.tfrecord", f"{good}/0.tfrecord")
        manifest = json.loads(Path(f"{good}/dataset.json").read_text())
        manifest["shards"][0] |= {name: other[name] for name in ("bytes", "crc32c")}
        Path(f"{good}/dataset.json").write_bytes(resealed(manifest))
        return good

    with pytest.raises(DataError, match="not the one that the manifest lists"):
        run(swapped(images[:9], labels[:9]), model, tmp_path)
    with pytest.raises(DataError, match="label is no class"):
        run(swapped(images, labels + 1, 4), model, tmp_path)
    with pytest.raises(DataError, match="not examples of"):
        run(swapped(images[:, :3], labels), model, tmp_path)


def test_logits_that_are_no_numbers_are_refused(tmp_path):
    images, labels = answers(dtype="float32")
    images[4, 0, 0] = np.nan
    folder = write_dataset(tmp_path / "d", images, labels, 3)
    broken = write_model(str(tmp_path / "model"), dtype="float32")
    with pytest.raises(DataError, match="not finite"):
        run(folder, broken, tmp_path)


def test_absent_gpu_is_refused(records, model, tmp_path):
    gpu = dataclasses.replace(CPU, accelerator="gpu")
    with pytest.raises(SetupError, match="no GPU"):
        evaluate(records, model, f"{tmp_path}/m", f"{tmp_path}/r", EvaluateConfig(), gpu)
