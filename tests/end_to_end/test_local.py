"""The committed pipeline.yaml on real digits, through the command, as a user runs it."""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.idx.content import read_chunks
from tests.idxfiles import NAMES, write_idx

PIPELINE = Path("pipeline.yaml").absolute()
# Enough to tell most digits apart.
QUICK = ("--set", "train_steps=60", "--set", "batch_size=64", "--set", "num_shards=2")
STAGES = ["validate", "convert-train", "convert-test", "train", "evaluate", "gate"]


def idxpipe(*words, check=0) -> subprocess.CompletedProcess:
    command = [str(Path(sys.executable).with_name("idxpipe")), *map(str, words)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == check, done.stderr
    assert "Traceback" not in done.stderr
    return done


def digits(role: str, count: int) -> np.ndarray:
    (name,) = Path("data/mnist").glob(NAMES[role] + "*")
    content = b"".join(read_chunks(str(name)))
    offset = 8 if "labels" in role else 16
    shape = (-1,) if "labels" in role else (-1, 28, 28)
    return np.frombuffer(content, np.uint8, offset=offset).reshape(shape)[:count]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the first digits of MNIST in `data`, and one run of the pipeline in `out`."""
    folder = tmp_path_factory.mktemp("e2e")
    (folder / "data").mkdir()
    for role, name in NAMES.items():
        count = 4000 if "train" in role else 500
        write_idx(folder / "data" / name, digits(role, count))
    first = run(folder)
    assert statuses(first) == dict.fromkeys(STAGES, "succeeded")
    return folder


def words_of(folder: Path) -> tuple:
    place = ("--data", folder / "data", "--root", folder / "out")
    return ("run", *place, *QUICK)


def run(folder: Path, *words) -> dict:
    return json.loads(idxpipe(*words_of(folder), "--json", *words).stdout)


def statuses(record: dict) -> dict[str, str]:
    return {name: task["status"] for name, task in record["tasks"].items() if name in STAGES}


def ran(record: dict) -> set[str]:
    return {name for name, status in statuses(record).items() if status == "succeeded"}


def metrics(record: dict) -> dict:
    return record["tasks"]["evaluate"]["outputs"]["artifacts"]["metrics"]["metadata"]


def metrics_uri(record: dict) -> str:
    return record["tasks"]["evaluate"]["outputs"]["artifacts"]["metrics"]["uri"]


def test_it_learns(place):
    again = run(place)
    assert metrics(again)["accuracy"] > 0.7
    assert metrics(again)["num_examples"] == 500


def test_nothing_changed_runs_validate_alone(place):
    assert ran(run(place)) == {"validate"}


def test_one_byte_of_the_test_images_runs_their_conversion_and_the_evaluation(place):
    path = place / "data" / NAMES["test_images"]
    before = path.read_bytes()
    changed = bytearray(before)
    changed[5000] ^= 1
    path.write_bytes(changed)
    try:
        assert ran(run(place)) == {"validate", "convert-test", "evaluate", "gate"}
    finally:
        path.write_bytes(before)
    assert ran(run(place)) == {"validate"}


def test_trust_3_packing_the_same_bytes_runs_nothing_but_validate(place):
    path = place / "data" / NAMES["train_labels"]
    before = path.read_bytes()
    packed = path.with_name(path.name + ".gz")
    packed.write_bytes(gzip.compress(before))
    path.unlink()
    try:
        record = run(place)
    finally:
        packed.unlink()
        path.write_bytes(before)
    # KFP's key has the URI, which differs; ours has the content.
    assert ran(record) == {"validate"}
    manifests = {p.read_bytes() for p in place.glob("out/artifacts/convert-train/*/*/dataset.json")}
    assert len(manifests) == 1


def test_the_stages_say_nothing_that_only_tensorflow_or_beam_understands(place):
    logs = list(place.glob("out/runs/*/logs/*.log"))
    assert {path.stem for path in logs} == set(STAGES)
    noise = re.compile(r"WARNING|I0000|E0000|W0000|absl|cuda|oneDNN|deprecat|Assets written|Finger")
    for path in logs:
        lines = path.read_text().splitlines()
        assert not [line for line in lines if noise.search(line) and '": "' not in line]


def test_another_recipe_trains_and_evaluates_only(place):
    record = run(place, "--set", "learning_rate=0.01")
    assert ran(record) == {"train", "evaluate", "gate"} | {"validate"}


def test_one_stage_of_an_earlier_run(place):
    record = json.loads(
        idxpipe("run", "--root", place / "out", "--only", "evaluate", "--json").stdout
    )
    assert ran(record) == {"evaluate"}
    record = json.loads(
        idxpipe("run", "--root", place / "out", "--from", "evaluate", "--json").stdout
    )
    assert ran(record) == {"evaluate", "gate"}


def test_a_gate_that_is_not_passed_ends_with_4_and_says_how_to_go_on(place):
    done = idxpipe(*words_of(place), "--set", "min_accuracy=0.999", check=4)
    assert "error: gate: " in done.stderr
    assert "0.999" in done.stderr
    assert any(line.startswith("report ") for line in done.stderr.splitlines())
    (command,) = (line for line in done.stderr.splitlines() if "go on:" in line)
    words = command.split("idxpipe ")[1].split()
    assert words[:1] == ["resume"]
    record = json.loads(idxpipe(*words, "--set", "min_accuracy=0.1", "--json").stdout)
    assert ran(record) == {"gate"}
    # What the model that did not pass was measured at is there.
    assert (
        0
        < record["tasks"]["evaluate"]["outputs"]["artifacts"]["metrics"]["metadata"]["accuracy"]
        < 0.999
    )


def test_bad_data_ends_with_3_and_the_stages_own_error(place, tmp_path):
    shutil.copytree(place / "data", tmp_path / "data")
    path = tmp_path / "data" / NAMES["train_images"]
    path.write_bytes(path.read_bytes()[:-1])
    done = idxpipe("run", "--data", tmp_path / "data", "--root", tmp_path / "out", check=3)
    assert f"error: validate: {path}: byte 3136015: file is cut short" in done.stderr
    assert "validate.log" in done.stderr
    assert not (tmp_path / "out" / "artifacts" / "train").exists()
    words = ("--data", tmp_path / "data", "--root", tmp_path / "out", "--json")
    printed = json.loads(idxpipe("run", *words, check=3).stdout)
    assert printed["error"]["exit_code"] == 3
    assert printed["run"]["tasks"]["validate"]["status"] == "failed"


def test_a_baseline_may_be_named_from_here(place, monkeypatch):
    first = run(place)
    uri = Path(metrics_uri(first))
    monkeypatch.chdir(uri.parent.parent)
    again = run(place, "--pipeline", PIPELINE, "--set", f"baseline={uri.parent.name}")
    assert ran(again) == {"validate", "evaluate", "gate"}
    assert again["parameters"]["baseline"] == str(uri.parent)
    found = json.loads(Path(metrics_uri(again)).read_text())["baseline"]
    assert (found["lost"], found["won"], found["p_value"]) == (0, 0, 1.0)
    rerun = ("--only", "evaluate", "--set", f"baseline={uri.parent.name}/metrics.json")
    done = idxpipe("run", "--root", place / "out", "--json", *rerun)
    assert json.loads(done.stdout)["parameters"]["baseline"] == str(uri)


@pytest.fixture(scope="module")
def commands(place, tmp_path_factory):
    """Each stage's command on the artifacts of the one before: the processes, and their folder."""
    folder = tmp_path_factory.mktemp("commands")
    data = place / "data"
    done = {"validate": idxpipe("validate", "--data", data, "--report", folder / "report.json")}
    for split in ("train", "test"):
        images, labels = (data / NAMES[f"{split}_{kind}"] for kind in ("images", "labels"))
        sources = ("--images", images, "--labels", labels, "--split", split)
        idxpipe("convert", *sources, "--output", folder / split, "--num-shards", 3)
    done["train"] = idxpipe(
        *("train", "--records", folder / "train", "--output", folder / "trained"),
        *("--train-steps", 60, "--batch-size", 64, "--json"),
    )
    done["evaluate"] = idxpipe(
        *("evaluate", "--records", folder / "test", "--model", folder / "trained"),
        *("--output", folder / "evaluated", "--json"),
    )
    done["predict"] = idxpipe("predict", "--model", folder / "trained", data / NAMES["test_images"])
    return done, folder


def test_every_stage_command_works_on_the_artifacts_of_the_one_before(place, commands):
    done, folder = commands
    assert (folder / "report.json").exists()
    assert json.loads(done["train"].stdout)["step"] == 60
    result = json.loads(done["evaluate"].stdout)
    assert (result["num_examples"], os.path.exists(result["report"])) == (500, True)
    # The same numbers as through the pipeline: the number of shards does not matter.
    assert result["accuracy"] == metrics(run(place))["accuracy"]


def model_of(record: dict) -> str:
    return record["tasks"]["train"]["outputs"]["artifacts"]["model"]["uri"]


def test_predictions_are_those_of_the_evaluation(place, tmp_path):
    record = run(place)
    words = ("predict", "--model", model_of(record), "--json")
    done = idxpipe(*words, place / "data" / NAMES["test_images"])
    first, second = done.stderr.splitlines()
    assert first.endswith(" predict: loading TensorFlow")
    assert second == "predicting with step 60 on CPU:0, 500 images"
    found = np.array([p["class"] for p in json.loads(done.stdout)["predictions"]])
    assert (found == digits("test_labels", 500)).mean() == metrics(record)["accuracy"]
    for number, image in enumerate(digits("test_images", 5)):
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    pictures = json.loads(idxpipe(*words, tmp_path).stdout)["predictions"]
    assert [p["class"] for p in pictures] == found[:5].tolist()


def test_the_documented_way_to_load_a_model(place, tmp_path):
    record = run(place)
    (tmp_path / "work" / "trained").mkdir(parents=True)
    (tmp_path / "work" / "trained" / "model").symlink_to(model_of(record))
    (snippet,) = [
        block
        for block in re.findall(
            r"(?:^ {4}.*\n|^\n)+", Path("docs/files.md").read_text(), re.MULTILINE
        )
        if "saved_model.load" in block
    ]
    code = textwrap.dedent(snippet).replace("data/mnist/t10k-images-idx3-ubyte.gz", "images.gz")
    raw = (place / "data" / NAMES["test_images"]).read_bytes()
    (tmp_path / "images.gz").write_bytes(gzip.compress(raw))
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    predicted = idxpipe("predict", "--model", model_of(record), "--json", tmp_path / "images.gz")
    classes = [p["class"] for p in json.loads(predicted.stdout)["predictions"][:5]]
    assert done.stdout.splitlines()[0] == str(np.array(classes))


def test_stages_say_nothing_but_their_own(commands):
    done, _ = commands
    said = [done[name].stderr for name in ("train", "evaluate", "predict")]
    lines = [line for text in said for line in text.splitlines()]
    assert len(lines) >= 5
    lines = [line for line in lines if not line.endswith(": loading TensorFlow")]
    noise = ("warning", "onednn", "cuda", "absl", "tensorflow", "e0000", "w0000", "i0000")
    assert not [line for line in lines if any(word in line.lower() for word in noise)]
