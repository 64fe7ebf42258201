"""Every remedy that names a parameter: the command whose error it is has that parameter."""

import ast
import re
from pathlib import Path

import pytest

from idxpipe.pipeline.cli.main import build_parser

ROOT = Path("idxpipe/components")
# How a remedy sends somebody to another stage than the one whose error it is.
WORDS = {
    "validate": ("validat",),
    "convert": ("conver", "shuffle_seed to 0 or more, so that the conversion"),
    "train": ("train",),
    "evaluate": ("evaluat",),
}
# Both of these raise what the code of the format says.
READERS = ("validate", "convert")
SET = re.compile(r"\bset [a-z_]+ to ")
WORD = re.compile(r"(?<![\w/.=])(?:--)?[a-z]+(?:[_-][a-z]+)+(?![\w/=(.])")


def parameters():
    """The parameters of each command, as the command line has them."""
    parser = build_parser()
    commands = parser._subparsers._group_actions[0].choices
    return {
        name: {action.dest for action in command._actions} for name, command in commands.items()
    }


def remedies():
    """Where, and the text, of each remedy that stands in the source as text."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                yield path.relative_to(ROOT), text_in(node.value)
            # What is put together elsewhere.
            elif isinstance(node, (ast.Return, ast.Assign)) and SET.search(text_in(node)):
                yield path.relative_to(ROOT), text_in(node)


def text_in(node):
    """All text of an expression."""
    found = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return " ".join(value for value in found if isinstance(value, str))


FLAGS = parameters()
KNOWN = set().union(*FLAGS.values())
REMEDIES = [
    (str(path), text, word.removeprefix("--").replace("-", "_"))
    for path, text in remedies()
    for word in WORD.findall(text)
    if word.removeprefix("--").replace("-", "_") in KNOWN or word.startswith("--")
]


def test_remedies_are_found():
    assert len(REMEDIES) > 30
    assert {"label_offset", "data_prefix", "one_hot", "shuffle_seed"} <= {r[2] for r in REMEDIES}


@pytest.mark.parametrize(("path", "text", "name"), REMEDIES)
def test_the_command_has_the_parameter(path, text, name):
    stage = path.partition("/")[0]
    having = {command for command, flags in FLAGS.items() if name in flags}
    assert having, f"no command has {name}"
    if stage == "core" and path.startswith("core/idx/"):
        missing = set(READERS) - having
        assert not missing, f"{missing} raise this, and have no {name}"
    elif stage in FLAGS:
        sent = [word for other in having for word in WORDS.get(other, (other,))]
        assert stage in having or any(word in text for word in sent)
