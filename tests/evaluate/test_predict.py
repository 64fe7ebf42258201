import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from idxpipe.components.core.errors import DataError, SetupError, UsageError
from idxpipe.components.evaluate.config import PredictConfig
from idxpipe.components.evaluate.metrics.metrics import softmax
from idxpipe.components.evaluate.predict import predict, prepare
from idxpipe.pipeline.cli.main import main
from tests.evaluate.conftest import LOGITS, answers, write_model
from tests.idxfiles import write_idx

CPU = {"accelerator": "cpu"}


@pytest.fixture
def images(tmp_path):
    return write_idx(tmp_path / "images.gz", answers()[0])


@pytest.mark.parametrize("batch", [1, 3, 10, 1000])
def test_classes_and_probabilities_are_the_models(model, images, batch):
    found = list(predict(prepare(model, [images], PredictConfig(batch_size=batch, **CPU))))
    assert [p.index for p in found] == list(range(10))
    assert [p.classes for p in found] == [(c,) for c in LOGITS.argmax(axis=1)]
    expected = softmax(LOGITS).max(axis=1)
    np.testing.assert_allclose([p.probabilities[0] for p in found], expected, rtol=1e-6)


def test_top_k_is_in_order_at_most_all_and_of_equals_the_smaller_first(model, images):
    found = list(predict(prepare(model, [images], PredictConfig(top_k=9, **CPU))))
    # Logits 9, 1, 1.
    assert found[6].classes == (0, 1, 2)
    assert found[6].probabilities[1] == found[6].probabilities[2]
    assert sum(found[3].probabilities) == pytest.approx(1)
    assert found[3].to_json() == {
        "file": images,
        "index": 3,
        "class": 1,
        "probability": found[3].probabilities[0],
        "top": [
            {"class": c, "probability": p}
            for c, p in zip((1, 0, 2), found[3].probabilities, strict=True)
        ],
    }


def test_batches_go_on_over_the_files_as_they_are_asked_for(model, images):
    task = prepare(model, [images] * 50, PredictConfig(batch_size=7, **CPU))
    assert task.count == 500
    stream = predict(task)
    assert next(stream).classes == (0,)
    assert sum(1 for _ in stream) == 499


def test_logits_that_are_no_numbers_are_refused(tmp_path):
    pixels, _ = answers(dtype="float32")
    pixels[4, 0, 0] = np.nan
    broken = write_model(str(tmp_path / "model"), dtype="float32")
    task = prepare(broken, [write_idx(tmp_path / "images", pixels)], PredictConfig(**CPU))
    with pytest.raises(DataError, match="not finite"):
        list(predict(task))


def test_absent_gpu_and_bad_values_are_refused(model, images):
    with pytest.raises(SetupError, match="no GPU"):
        next(predict(prepare(model, [images], PredictConfig(accelerator="gpu"))))
    with pytest.raises(UsageError, match="too small"):
        PredictConfig(top_k=0)


def command(*words):
    return ["predict", *map(str, words), "--accelerator", "cpu"]


def test_command_prints_a_table(model, images, capsys):
    assert main(command("--model", model, images, "--top-k", "2")) == 0
    out, err = capsys.readouterr()
    head, first, *rest = out.splitlines()
    assert head.split() == ["file", "index", "class", "probability", "class", "probability"]
    assert first.split() == [images, "0", "0", "0.9995", "1", "0.0003"]
    assert len(rest) == 9
    assert len({len(line) for line in out.splitlines()}) == 1
    assert err == "predicting with step 70 on CPU:0, 10 images\n"


def test_command_prints_json_lines_or_one_document(model, images, capsys):
    assert main(command("--model", model, images, "--format", "jsonl")) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert main(command("--model", model, images, "--json")) == 0
    body = json.loads(capsys.readouterr().out)
    assert body == {"model": model, "step": 70, "predictions": lines}
    assert [line["class"] for line in lines] == LOGITS.argmax(axis=1).tolist()
    assert set(lines[0]) == {"file", "index", "class", "probability"}


def test_command_takes_pictures(model, tmp_path, capsys):
    (tmp_path / "png").mkdir()
    for number, image in enumerate(answers()[0]):
        Image.fromarray(image).save(tmp_path / "png" / f"{number}.png")
    assert main(command("--model", model, tmp_path / "png")) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [int(row[2]) for row in rows] == LOGITS.argmax(axis=1).tolist()
    assert rows[3][0] == f"{tmp_path}/png/3.png"


@pytest.mark.parametrize("shape", [(4, 4, 3), (4, 4, 1)])
def test_command_takes_pictures_of_a_model_with_channels(tmp_path, shape, capsys):
    folder = write_model(str(tmp_path / "model"), shape=shape)
    image = np.zeros((4, 4, 3), np.uint8)
    # The first three values are the logits: one pixel's colours, or three grey pixels.
    image[0, 0] = (1, 2, 9) if shape[2] == 3 else 0
    image[0, 2] = 0 if shape[2] == 3 else 9
    Image.fromarray(image).save(tmp_path / "a.png")
    assert main(command("--model", folder, tmp_path / "a.png", "--format", "jsonl")) == 0
    assert json.loads(capsys.readouterr().out)["class"] == 2


def test_bad_input_is_an_error_before_tensorflow_and_stdout_stays_empty(tmp_path, model):
    images = write_idx(tmp_path / "images", np.zeros((2, 4, 5), np.uint8))
    program = (
        "import sys\nfrom idxpipe.pipeline.cli.main import main\n"
        f"code = main({command('--model', model, images)!r})\n"
        "assert not {'tensorflow', 'keras', 'PIL'} & set(sys.modules)\nsys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr.splitlines() == [
        f"error: {images}: byte 4: images differ in shape from those the model was trained on",
        f"  expected: 4x4, which the model in {model} takes",
        "  found:    4x5",
        "  to do:    give images like those of the training, or the model they are for",
    ]


def test_no_model_is_an_error(tmp_path, images, capsys):
    assert main(command("--model", tmp_path, images)) == 3
    assert "no model here" in capsys.readouterr().err


def test_damage_that_comes_to_light_late_still_ends_in_an_error(model, tmp_path, capsys):
    folder = write_model(str(tmp_path / "model"))
    Path(f"{folder}/saved_model.pb").write_bytes(b"\x00garbage")
    images = write_idx(tmp_path / "images", answers()[0])
    assert main(command("--model", folder, images)) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "cannot be loaded" in err
    assert main(command("--model", folder, images, "--json")) == 3
    assert json.loads(capsys.readouterr().out)["error"]["exit_code"] == 3


def test_a_reader_who_goes_away_is_no_error(model, images):
    words = command("--model", model, *[images] * 30)
    line = f"{sys.executable} -m idxpipe.pipeline.cli.main {' '.join(words)} | head -n 1"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_classes_are_called_as_the_training_called_them(model, images):
    task = prepare(model, [images], PredictConfig(top_k=2, **CPU))
    named = dataclasses.replace(
        task.card, layout={"label_offset": 1}, class_names=("one", "two", "three")
    )
    found = list(predict(dataclasses.replace(task, card=named)))
    assert found[6].classes == (1, 2)
    assert found[6].names == ("one", "two")
    assert found[6].to_json()["name"] == "one"
    assert found[6].to_json()["top"][1]["name"] == "two"
