"""The command line: what it prints where, and how it exits."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from idxpipe.pipeline.cli.commands import COMMANDS
from idxpipe.pipeline.cli.main import build_parser, main
from idxpipe.pipeline.cli.tools import image_tag
from tests.idxfiles import write_data_set


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


def test_a_command_that_there_is_not_is_answered_with_the_nearest(capsys):
    assert main(["valdate", "--data", "x"]) == 2
    assert "did you mean validate?" in capsys.readouterr().err


def test_a_flag_before_the_command_is_told_from_a_command_that_there_is_not(capsys):
    with pytest.raises(SystemExit) as caught:
        main(["--quite", "runs"])
    assert caught.value.code == 2
    assert "unrecognized arguments: --quite" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "inverted", "images"),
    [
        ("--invert seven.png", True, ["seven.png"]),
        ("seven.png --invert", True, ["seven.png"]),
        ("--invert --resize true seven.png", True, ["seven.png"]),
        ("--invert=true seven.png", True, ["seven.png"]),
        ("--invert true true.png", True, ["true.png"]),
        ("--invert false seven.png", False, ["seven.png"]),
        ("seven.png", False, ["seven.png"]),
    ],
)
def test_a_switch_may_stand_alone_before_a_file(words, inverted, images):
    args = build_parser(["predict"]).parse_args(["predict", "--model", "m", *words.split()])
    assert (args.invert, args.images) == (inverted, images)


@pytest.mark.parametrize("value", ["yes", "True", "1", "off"])
def test_a_switch_takes_true_or_false_alone(value, capsys):
    with pytest.raises(SystemExit):
        build_parser(["predict"]).parse_args(["predict", "--model", "m", "--invert", value, "x"])
    assert f"expected true or false, found '{value}'" in capsys.readouterr().err


def test_a_closed_pipe_is_no_error(idx_files):
    command = f"{sys.executable} -m idxpipe.pipeline.cli.main validate --data {idx_files} | true"
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command], check=False, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr
    assert done.returncode == 0


@pytest.mark.parametrize(("module", "extra"), [("tensorflow", "all"), ("kfp.dsl", "all")])
def test_what_an_extra_brings_is_named_where_it_is_missing(module, extra, monkeypatch, capsys):
    def run(args):
        raise ModuleNotFoundError("No module", name=module)

    monkeypatch.setattr(image_tag, "run", run)
    assert main(["image-tag"]) == 5
    assert f"idxpipe[{extra}]" in capsys.readouterr().err


def test_another_missing_module_is_a_defect_of_ours(monkeypatch):
    def run(args):
        raise ModuleNotFoundError("No module", name="idxpipe.nowhere")

    monkeypatch.setattr(image_tag, "run", run)
    with pytest.raises(ModuleNotFoundError):
        main(["image-tag"])


@pytest.mark.parametrize(
    ("words", "redirect", "code"),
    [
        ("params seed", ">&-", 0),
        ("params seed", ">&- 2>&-", 0),
        ("params seed", "> /dev/full", 5),
        ("validate --data data", "> /dev/full", 0),
        ("validate --data none", "2> /dev/full", 3),
    ],
)
def test_output_that_nobody_can_take(tmp_path, words, redirect, code):
    write_data_set(tmp_path / "data")
    idxpipe = Path(sys.executable).with_name("idxpipe")
    done = subprocess.run(
        ["bash", "-c", f"{idxpipe} {words} {redirect}"],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert ("warning: the output cannot be written: No space left" in done.stderr) is (
        redirect == "> /dev/full"
    )


@pytest.mark.parametrize("root", ["", "gs:/bucket", "gs:///x", "s3:/x", "file:/x"])
def test_a_root_that_is_no_uri_is_refused(root, capsys):
    assert main(["runs", "--root", root]) == 2
    said = capsys.readouterr().err
    assert "not a URI" in said or "invalid value" in said


def test_any_encoding_will_do(tmp_path):
    write_data_set(tmp_path / "d\N{LATIN SMALL LETTER U WITH DIAERESIS}")
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("idxpipe")),
            "validate",
            "--json",
            "--data",
            *os.listdir(tmp_path),
        ],
        cwd=tmp_path,
        env={**os.environ, "LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        check=False,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stderr
