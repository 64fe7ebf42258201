"""The command line: what it prints where, and how it exits."""

import subprocess
import sys

import pytest

from idxpipe.pipeline.cli.main import COMMANDS, build_parser, main


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

    monkeypatch.setattr(COMMANDS["image-tag"], "run", run)
    assert main(["image-tag"]) == 5
    assert f"idxpipe[{extra}]" in capsys.readouterr().err


def test_another_missing_module_is_a_defect_of_ours(monkeypatch):
    def run(args):
        raise ModuleNotFoundError("No module", name="idxpipe.nowhere")

    monkeypatch.setattr(COMMANDS["image-tag"], "run", run)
    with pytest.raises(ModuleNotFoundError):
        main(["image-tag"])
