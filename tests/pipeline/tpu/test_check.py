"""`idxpipe tpu-check`, with the very functions that train and Google's own compiler."""

import json
import sys

import pytest

from idxpipe.pipeline.cli.main import main
from tests.datasets import spots, write_dataset

pytestmark = pytest.mark.slow

FAST = ("--topology", "v2-8", "--eval-batch-size", "8")


def tpu_check(capsys, *args, code=0):
    assert main(["tpu-check", *FAST, *args, "--json"]) == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A network of one layer: compiled in no time, whatever the batch."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "mine_to_check.py").write_text("""
import keras

def net(image_shape, num_classes, **_):
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(num_classes)])

def mean(image_shape, num_classes, **_):
    rows = keras.layers.Reshape((-1, 128))
    return keras.Sequential(
        [rows, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(num_classes)]
    )
""")
    yield "mine_to_check:net"
    sys.modules.pop("mine_to_check", None)


def test_the_recipe_of_2018_compiles(capsys):
    found = tpu_check(capsys)
    assert found["config"]["precision"] == "bfloat16"
    (report,) = found["topologies"]
    assert report["compiles"]
    step, serve = report["programs"]
    assert (step["program"], step["replicas"], step["examples"]) == ("train step", 8, 128)
    # Forward and backward of 16 examples: 82 MFLOP each at most, the first layer has no way back.
    assert 16 * 60e6 < step["flops"] < 16 * 82e6
    # The weights alone are 13 MB.
    assert 13e6 < step["hbm_bytes"] < report["hbm_bytes_per_replica"]
    assert step["roofline"]["examples_per_second"] > 0
    assert (serve["program"], serve["replicas"], serve["examples"]) == ("serve", 1, 8)
    assert report["seconds_at_roofline"] > step["roofline"]["seconds"]
    assert report["largest_batch"] is None


def test_a_dataset_of_another_shape(capsys, own, tmp_path):
    images, labels = spots(20, shape=(12, 10, 3), num_classes=7, dtype="float32")
    records = write_dataset(tmp_path / "records", images, labels, 7)
    found = tpu_check(capsys, "--records", records, "--model", own, "--whole-loop")
    assert (found["image_shape"], found["image_dtype"]) == ([12, 10, 3], "float32")
    assert found["num_classes"] == 7
    loop = found["topologies"][0]["programs"][1]
    assert (loop["program"], loop["compiles"], loop["steps"]) == ("train loop", True, 50)


def test_a_batch_that_does_not_fit(capsys, own):
    found = tpu_check(capsys, "--model", own, "--batch-size", str(8 << 22), code=5)
    (report,) = found["topologies"]
    step, serve = report["programs"]
    assert not report["compiles"]
    assert not step["compiles"]
    assert step["used"] > step["limit"] > 7 << 30
    assert "memory" in step["reason"]
    assert serve["compiles"]
    assert report["seconds_at_roofline"] is None


def test_the_largest_batch(capsys, own):
    # A replica's 256 images of 4 MiB in float32 fit into 8 GiB, eight times as many do not.
    model = own.replace("net", "mean")
    args = ("--model", model, "--image-shape", "1024x1024", "--batch-size", "2048")
    found = tpu_check(capsys, *args, "--search", "1")
    largest = found["topologies"][0]["largest_batch"]
    assert largest == {"fits": 2048, "does_not": 16384, "compiles": 1}


def test_the_table(capsys, own):
    assert main(["tpu-check", "--topology", "v2-8", "--model", own]) == 0
    shown = capsys.readouterr().out
    assert "v2:2x2    train step         8    128  yes" in shown
    assert "it ran nothing" in shown
    assert "v2:2x2: all steps take " in shown


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (("--topology", "v9-8"), 2, "no such TPU topology"),
        (("--image-shape", "auto"), 2, "no such images"),
        (("--image-dtype", "text"), 2, "no such images"),
        (("--num-classes", "0"), 2, "no such images"),
        (("--batch-size", "100"), 2, "cannot be split evenly"),
        (("--records", "nowhere"), 3, "nowhere"),
    ],
)
def test_what_is_refused(capsys, args, code, said):
    assert main(["tpu-check", *FAST, *args]) == code
    assert said in capsys.readouterr().err
