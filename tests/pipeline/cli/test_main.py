"""The command line: what it prints where, and how it exits."""

import json
import subprocess
import sys

import pytest

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.manifest import read_dataset
from idxpipe.pipeline.catalogue import PARAMETERS
from idxpipe.pipeline.cli.main import COMMANDS, build_parser, main
from tests.idxfiles import idx_bytes, make_arrays, write_data_set
from tests.pipeline import toy


@pytest.fixture
def data(tmp_path):
    write_data_set(tmp_path / "data")
    return tmp_path / "data"


def test_validate_prints_a_table(data, capsys):
    assert main(["validate", "--data", str(data)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "in order: 10 classes, uint8 images"
    assert "test_labels" in out
    assert err == ""


def test_json_is_one_document_on_stdout(data, capsys):
    assert main(["validate", "--data", str(data), "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["num_classes"] == 10
    assert err == ""


def test_bad_data_is_one_clear_error_and_exit_code_3(data, capsys):
    name = data / "t10k-labels-idx1-ubyte"
    name.write_bytes(idx_bytes(make_arrays()["test_labels"]) + b"\0")
    assert main(["validate", "--data", str(data)]) == 3
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {name}: byte 28: file goes on after its last record [IDX012]\n")
    assert "Traceback" not in err


def test_an_error_is_json_too(data, capsys):
    (data / "t10k-labels-idx1-ubyte").unlink()
    assert main(["validate", "--data", str(data), "--json"]) == 3
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["exit_code"] == 3
    assert err.startswith("error: ")


def test_a_value_out_of_bounds_is_a_usage_error(data, capsys):
    assert main(["validate", "--data", str(data), "--num-classes", "-1"]) == 2
    assert "error: num_classes: parameter is too small" in capsys.readouterr().err


def test_convert_then_what_it_says(data, tmp_path, capsys):
    words = ["convert", "--output", str(tmp_path / "out"), "--num-shards", "3"]
    for kind in ("images", "labels"):
        (source,) = data.glob(f"train-{kind}-*")
        words += [f"--{kind}", str(source)]
    assert main([*words, "--", "--direct_num_workers=1"]) == 0
    assert capsys.readouterr().out.startswith("60 examples in 3 shards, 50280 bytes: ")
    assert main([*words, "--", "--no_such_thing=1"]) == 2


def test_convert_takes_a_whole_data_set(data, tmp_path, capsys):
    words = ["convert", "--data", str(data), "--output", str(tmp_path / "out"), "--json"]
    assert main([*words, "--num-classes", "0", "--validation-fraction", "0.2"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert {split: one["num_classes"] for split, one in made.items()} == {"train": 10, "test": 10}
    assert made["test"]["num_examples"] == 20
    assert read_dataset(made["train"]["output"]).num_examples == made["train"]["num_examples"]
    assert read_dataset(f"{made['train']['output']}/validation").split == "validation"
    assert not (tmp_path / "out" / "test" / "validation").exists()


@pytest.mark.parametrize("words", [[], ["--data", "d", "--images", "i"], ["--labels", "l"]])
def test_convert_must_know_what(words, tmp_path, capsys):
    assert main(["convert", *words, "--output", str(tmp_path / "out")]) == 2
    assert "either --data, or --images and --labels" in capsys.readouterr().err


def test_records_counts_checks_and_draws(data, tmp_path, capsys):
    sources = [str(data / name) for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")]
    output = str(tmp_path / "out")
    main(["convert", "--images", sources[0], "--labels", sources[1], "--output", output])
    capsys.readouterr()
    assert main(["records", output, "--show", "2"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "in order: 20 examples, every checksum right"
    assert "@@" in out
    assert "label 1" in out
    assert main(["records", output, "--show", "1", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["examples"][0]["image"]) == 28
    assert main(["records", str(tmp_path)]) == 3


def test_compile_check_exits_1_when_stale(tmp_path, capsys):
    path = tmp_path / "p.yaml"
    assert main(["compile", "--output", str(path)]) == 0
    assert main(["compile", "--output", str(path), "--check"]) == 0
    path.write_text("# changed\n" + path.read_text())
    assert main(["compile", "--output", str(path), "--check"]) == 1
    assert "stale: line 1" in capsys.readouterr().err


def test_compile_with_a_register_stage(tmp_path, capsys):
    words = ["compile", "--output", str(tmp_path / "p.yaml"), "--register", "digits"]
    assert main(words) == 2
    assert "--project" in capsys.readouterr().err
    assert main([*words, "--project", "p", "--region", "us-central1"]) == 0
    assert "comp-register" in (tmp_path / "p.yaml").read_text()


def test_runs_of_an_empty_root(tmp_path, capsys):
    assert main(["runs", "--root", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


def test_a_damaged_record_does_not_hide_the_other_runs(tmp_path, capsys):
    (tmp_path / "runs" / "20260101-000000000-dead").mkdir(parents=True)
    (tmp_path / "runs" / "20260101-000000000-dead" / "run.json").write_text("{")
    assert main(["runs", "--root", str(tmp_path)]) == 0
    assert "20260101-000000000-dead" in capsys.readouterr().out


def test_run_refuses_before_anything_starts(tmp_path, capsys):
    root = tmp_path / "root"
    for words, problem in [
        (["--set", "batchsize=3"], "batch_size"),
        (["--set", "batch_size=many"], "batch_size"),
        (["--set", "batch_size=0"], "too small"),
        (["--pipeline", str(tmp_path / "none.yaml")], "no compiled pipeline here"),
        (["--from", "train"], "no run is recorded here"),
        (["--data", "https://user:hunter2@host/x"], "password or signature"),
        (["--set", "train_images=https://host/x?sig=hunter2"], "password or signature"),
        (["--set", "baseline=https://host/x?sig=hunter2"], "password or signature"),
        (["--jobs", "-1"], "--jobs"),
        (["--run", "20261123"], "--run: a rerun names a stage, too"),
        (["--from", "train", "--pipeline", str(tmp_path / "none.yaml")], "no compiled pipeline"),
    ]:
        assert main(["run", "--root", str(root), *words]) == 2
        err = capsys.readouterr().err
        assert problem in err
        assert "Traceback" not in err
        assert "hunter2" not in err
    assert not root.exists()


def test_a_rerun_takes_the_pipeline_that_is_named(tmp_path, capsys):
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    given, changed = tmp_path / "given.yaml", tmp_path / "changed.yaml"
    given.write_bytes(toy.text(toy.toy()))
    changed.write_bytes(given.read_bytes().replace(b"tr a-z A-Z", b"rev"))
    root = ["--root", str(tmp_path / "root")]
    assert main(["run", *root, "--data", str(tmp_path), "--pipeline", str(given)]) == 0
    assert main(["run", *root, "--from", "train"]) == 0
    assert main(["run", *root, "--from", "train", "--pipeline", str(changed), "--json"]) == 0
    out = capsys.readouterr().out
    record = json.loads(out[out.index("\n{") :])
    assert b"rev" in storage.read(
        storage.join(record["root"], "runs", record["run_id"], "whole.yaml")
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_explains_every_flag_and_argument(command, capsys):
    parser = build_parser().commands[command]
    for action in parser._actions:
        assert action.help, action
        assert len(action.help.split()) >= 2 or action.help.startswith("default"), action
        assert action.nargs == 0 or action.metavar, action
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args([command, "--help"])
    assert caught.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: idxpipe {command}")
    assert "exit codes" in text
    for action in parser._actions:
        assert all(name in text for name in action.option_strings)


def test_help_of_train_names_default_unit_choices_and_what_is_seldom_needed(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["train", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "global batch size, split over the replicas (examples; at least 1; default: 128)" in text
    assert "(steps; at least 1; default: the recipe's, 1000 in seed, 500 in fast, 7000 in" in text
    assert "--recipe {seed,fast,best}" in text
    assert "-1" not in text
    assert text.index("--dropout") < text.index("Seldom needed: --iterations")


def test_alone_it_prints_the_help(capsys):
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    for name in COMMANDS:
        assert f"\n  {name} " in err


@pytest.mark.parametrize(
    ("words", "usage", "remedy"),
    [
        (["trian"], "usage: idxpipe COMMAND", "did you mean train?"),
        (["zzz"], "usage: idxpipe COMMAND", "idxpipe --help lists them"),
        (
            ["train", "--recrods", "x", "--output", "y"],
            "usage: idxpipe train --records URI --output URI [FLAGS]",
            "did you mean --records?",
        ),
        (["run", "--recipe", "fast"], "usage: idxpipe run", "--set recipe=fast\n"),
        (["run", "--recpie=my own"], "usage: idxpipe run", "--set recipe='my own'\n"),
        (["submit", "--batch-size", "--wait"], "usage: idxpipe submit", "--set batch_size=VALUE\n"),
        (["status", "j", "--zzz"], "usage: idxpipe status JOB", "idxpipe status --help"),
        (["params", "lerning-rate"], "", "did you mean learning_rate?"),
        (["run", "--set", "lerning_rate=1"], "", "did you mean learning_rate?"),
    ],
)
def test_what_is_mistyped_is_answered_with_the_nearest(words, usage, remedy, capsys):
    assert main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(usage)
    assert remedy in err


def test_a_mistyped_flag_is_json_too(capsys):
    assert main(["train", "--json", "--recrods", "x"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["found"] == "--recrods"


def test_what_follows_two_dashes_is_not_ours(data, tmp_path, capsys):
    words = ["convert", "--data", str(data), "--output", str(tmp_path / "out")]
    assert main([*words, "--", "--direct_num_workers=1"]) == 0


def test_what_is_missing_is_named_with_the_usage(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["train", "--output", "y"])
    assert caught.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("usage: idxpipe train --records URI --output URI [FLAGS]\n")
    assert "--records" in err.splitlines()[1]


def test_params_lists_every_parameter(capsys):
    assert main(["params"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(PARAMETERS)
    (line,) = (line for line in lines if line.startswith("train_steps "))
    assert " ".join(line.split()) == "train_steps train int at least 1 1000 | 500 | 7000"
    assert main(["params", "--json", "stage-bytes", "optimizer"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert first["stages"] == ["train", "evaluate"]
    assert second["recipes"] == {"seed": "sgd", "fast": "adamw", "best": "adamw"}
    assert main(["params", "batch_size"]) == 0
    assert "--set batch_size=VALUE" in capsys.readouterr().out


def test_a_closed_pipe_is_no_error(data):
    command = f"{sys.executable} -m idxpipe.pipeline.cli.main validate --data {data} | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0
