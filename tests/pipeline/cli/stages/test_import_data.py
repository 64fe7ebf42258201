"""The command `import`, as a user meets it."""

import json

import numpy as np
import pytest

from idxpipe.pipeline.cli.main import main
from tests.intake.pictures import pixels, save, write_classes


@pytest.fixture
def images(tmp_path):
    write_classes(tmp_path / "a", count=20, shape=(28, 28))
    return tmp_path / "a"


def test_it_says_what_it_made_and_what_comes_next(images, tmp_path, capsys):
    (images / "notes.txt").write_text("")
    assert main(["import", str(images), "--output", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert "train-images-idx3-ubyte" in out
    assert "36 to train on, 4 to test on (held out)" in out
    assert f"idxpipe run --data {tmp_path / 'out'} --set num_classes=0" in out
    assert "image_shape" not in out
    assert "left out 1 file that is no example: notes.txt" in err


def test_the_next_command_is_one_that_validate_takes(images, tmp_path, capsys):
    output = str(tmp_path / "my data")
    assert main(["import", str(images), "--output", output, "--resize", "8x8", "--rgb"]) == 0
    out = capsys.readouterr().out
    assert f"--data '{output}' --set image_shape=8x8x3 --set num_classes=0" in out
    words = ["--image-shape", "8x8x3", "--num-classes", "0"]
    assert main(["validate", "--data", output, *words]) == 0


def test_as_json(images, tmp_path, capsys):
    words = ["--test-fraction", "0.25", "--seed", "3", "--grayscale", "--gzip", "--json"]
    assert main(["import", str(images), "--output", str(tmp_path / "out"), *words]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["num_examples"] == {"train": 30, "test": 10}
    assert data["class_names"] == ["cat", "dog"]
    assert data["files"]["train_images"] == "train-images-idx3-ubyte.gz"
    assert data["image_shape"] == [28, 28]


def test_bad_images_end_in_exit_code_3_and_json_lists_all(images, tmp_path, capsys):
    for number in range(30):
        (images / "cat" / f"x{number}.png").write_bytes(b"")
    words = ["import", str(images), "--output", str(tmp_path / "out")]
    assert main(words) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert "30 of 70 images" in err
    assert main([*words, "--json"]) == 3
    data = json.loads(capsys.readouterr().out)
    assert len(data["images"]) == 30
    assert data["images"][0] == {"name": "cat/x0.png", "reason": "an empty file"}
    assert not (tmp_path / "out").exists()
    assert main([*words, "--skip-bad"]) == 0
    assert "left out 30 images that cannot be used: see skipped.csv" in capsys.readouterr().err


def test_sizes_that_differ_end_in_exit_code_3(images, tmp_path, capsys):
    save(images / "cat" / "odd.png", pixels(0, (9, 9)))
    assert main(["import", str(images), "--output", str(tmp_path / "out")]) == 3
    assert "--resize" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["--resize", "8"],
        ["--resize", "8x8x3"],
        ["--image-shape", "auto"],
        ["--test-fraction", "0"],
        ["--grayscale", "--rgb"],
    ],
    ids=" ".join,
)
def test_flags_that_make_no_sense(words, images, tmp_path, capsys):
    assert main(["import", str(images), "--output", str(tmp_path / "out"), *words]) == 2
    assert "expected:" in capsys.readouterr().err


def test_names_from_outside_are_escaped(images, tmp_path, capsys):
    save(images / "cat" / "x.png", pixels(0, (28, 28)))
    (images / "cat" / "evil\x1b]0;pwned\x07.txt").write_text("")
    assert main(["import", str(images), "--output", str(tmp_path / "out")]) == 0
    out, err = capsys.readouterr()
    assert not {"\x1b", "\x07"} & {*out, *err}


def test_idx_files_need_no_import(tmp_path, capsys):
    from tests.idxfiles import write_data_set

    write_data_set(tmp_path / "a")
    assert main(["import", str(tmp_path / "a"), "--output", str(tmp_path / "out")]) == 2
    assert "idxpipe validate --data" in capsys.readouterr().err


def test_an_import_runs_on_to_a_dataset(tmp_path, capsys):
    images = np.random.default_rng(0).integers(0, 255, (40, 28, 28), np.uint8)
    np.savez(tmp_path / "a.npz", x=images, y=np.arange(40) % 10)
    output = str(tmp_path / "out")
    assert main(["import", str(tmp_path / "a.npz"), "--output", output]) == 0
    out = capsys.readouterr().out
    assert out.rstrip().endswith(f"idxpipe run --data {output}")
    assert main(["convert", "--data", output, "--output", str(tmp_path / "records")]) == 0
