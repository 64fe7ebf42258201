import argparse

import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.core.idx.layout import LayoutConfig
from idxpipe.components.train.config import TrainConfig
from idxpipe.pipeline.cli.flags import add_config, flag, read_config


def parse(*words):
    parser = argparse.ArgumentParser()
    add_config(parser, TrainConfig)
    return read_config(parser.parse_args(words), TrainConfig)


def test_no_flags_are_the_defaults():
    assert parse() == TrainConfig()


def test_each_flag_sets_its_parameter():
    config = parse("--batch-size", "64", "--learning-rate", "0.1")
    assert config == TrainConfig(batch_size=64, learning_rate=0.1)
    assert flag("batch_size") == "--batch-size"


def test_a_bound_holds_on_the_command_line_too():
    with pytest.raises(UsageError, match="too small"):
        parse("--batch-size", "0")


def test_yes_or_no_is_written_as_in_json(capsys):
    parser = argparse.ArgumentParser()
    add_config(parser, LayoutConfig)
    assert read_config(parser.parse_args(["--transposed", "true"]), LayoutConfig).transposed
    assert not read_config(parser.parse_args(["--transposed", "false"]), LayoutConfig).transposed
    with pytest.raises(SystemExit):
        parser.parse_args(["--transposed", "yes"])
    assert "expected true or false, found 'yes'" in capsys.readouterr().err
    assert "default: false" in parser.format_help()
