import json

import pytest

from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.pipeline.cli.main import main


def test_convert_then_what_it_says(idx_files, tmp_path, capsys):
    words = ["convert", "--output", str(tmp_path / "out"), "--num-shards", "3"]
    for kind in ("images", "labels"):
        (source,) = idx_files.glob(f"train-{kind}-*")
        words += [f"--{kind}", str(source)]
    assert main([*words, "--", "--direct_num_workers=1"]) == 0
    assert capsys.readouterr().out.startswith("60 examples in 3 shards, 50280 bytes: ")
    assert main([*words, "--", "--no_such_thing=1"]) == 2


def test_convert_takes_a_whole_data_set(idx_files, tmp_path, capsys):
    words = ["convert", "--data", str(idx_files), "--output", str(tmp_path / "out"), "--json"]
    assert main([*words, "--num-classes", "0", "--validation-fraction", "0.2"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {split: one["num_classes"] for split, one in made.items()} == {"train": 10, "test": 10}
    assert made["test"]["num_examples"] == 20
    assert read_dataset(made["train"]["output"]).num_examples == made["train"]["num_examples"]
    assert read_dataset(f"{made['train']['output']}/validation").split == "validation"
    assert not (tmp_path / "out" / "test" / "validation").exists()


def test_convert_names_a_set_as_validate_does(idx_files, tmp_path):
    folder = tmp_path / "sets"
    folder.mkdir()
    for path in idx_files.iterdir():
        for name in ("one", "two"):
            (folder / f"{name}-{path.name}").write_bytes(path.read_bytes())
    words = ["convert", "--data", str(folder), "--output"]
    assert main([*words, str(tmp_path / "none")]) == 3
    assert main([*words, str(tmp_path / "one"), "--data-prefix", "one"]) == 0
    assert read_dataset(str(tmp_path / "one" / "test")).num_examples == 20


@pytest.mark.parametrize("words", [[], ["--data", "d", "--images", "i"], ["--labels", "l"]])
def test_convert_must_know_what(words, tmp_path, capsys):
    assert main(["convert", *words, "--output", str(tmp_path / "out")]) == 2
    assert "either --data or all four files, or --images and --labels" in capsys.readouterr().err
