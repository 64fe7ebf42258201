"""The table of commands, held against the modules that there are."""

from pathlib import Path

import pytest

from idxpipe.pipeline.cli.commands import COMMANDS, GROUPS, WORK

FOLDER = Path("pipeline/cli")


def test_every_module_that_is_a_command_is_in_the_table():
    found = set()
    for path in FOLDER.glob("*/*.py"):
        text = path.read_text()
        # Some take the flags of a module that several share.
        if "\ndef run(args: argparse.Namespace)" in text and "add_flags" in text:
            found.add(f"{path.parent.name}.{path.stem}")
    assert found == {entry.module for entry in COMMANDS.values()}


def test_no_name_is_taken_twice():
    assert len(COMMANDS) == sum(map(len, GROUPS.values()))
    assert COMMANDS.keys() > WORK


@pytest.mark.parametrize("entry", COMMANDS.values(), ids=COMMANDS)
def test_each_is_told_in_a_line(entry):
    assert len(f"  {'tensorboard':<11}  {entry.help}") <= 100
    assert entry.help[0].islower()
    assert not entry.help.endswith(".")
