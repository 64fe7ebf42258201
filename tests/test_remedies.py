"""Every remedy that names a parameter or a command: there is one, where the error is raised."""

import ast
import re
from pathlib import Path

import pytest

from idxpipe.pipeline.cli.main import build_parser

ROOTS = Path("idxpipe/components"), Path("idxpipe/pipeline")
# How a remedy sends somebody to another stage than the one whose error it is.
WORDS = {
    "validate": ("validat",),
    "convert": ("conver", "shuffle_seed to 0 or more, so that the conversion"),
    "train": ("train",),
    "evaluate": ("evaluat",),
}
# Whose errors those of a module are, where the folder's name does not say so; the first that fits.
OWNERS = {
    "convert/export.py": "export",
    "convert/records.py": "records",
    **dict.fromkeys((f"evaluate/{n}.py" for n in ("predict", "images", "png_reader")), "predict"),
    "evaluate/contradictions.py": "predict",
    "intake/": "import",
}
# What other programs are given; and Beam's own options.
FOREIGN = re.compile(r"\b(?:gcloud|kubectl|pip|docker)\b[^;,]*|--job_endpoint")
COMMAND = re.compile(r"\bidxpipe (?!that\b)([a-z][a-z-]*)")
# Both of these raise what the code of the format says.
READERS = ("validate", "convert")
SET = re.compile(r"\bset [a-z_]+ to ")
WORD = re.compile(
    r"(?<![\w/.=-])(?:--[a-z]+(?:[_-][a-z]+)*(?![\w/(])|[a-z]+(?:[_-][a-z]+)+(?![\w/=(.]))"
)


def parameters():
    """The parameters of each command, as the command line has them."""
    parser = build_parser()
    commands = parser._subparsers._group_actions[0].choices
    return {
        name: {
            flag.lstrip("-").replace("-", "_")
            for action in command._actions
            for flag in (action.dest, *action.option_strings)
        }
        for name, command in commands.items()
    }


def remedies():
    """Where, and the text, of each remedy that stands in the source as text."""
    sources = {path: str(path.relative_to(root)) for root in ROOTS for path in root.rglob("*.py")}
    for path, name in sorted(sources.items()):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                yield name, text_in(node.value)
            # What is put together elsewhere.
            elif isinstance(node, (ast.Return, ast.Assign)) and SET.search(text_in(node)):
                yield name, text_in(node)


def owner(path):
    """The command whose error a module raises; a folder's name where that is no command."""
    for beginning, command in OWNERS.items():
        if path.startswith(beginning):
            return command
    if path.startswith("cli/"):
        return Path(path).stem.replace("_", "-")
    return path.partition("/")[0]


def text_in(node):
    """All text of an expression."""
    found = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return " ".join(value for value in found if isinstance(value, str))


FLAGS = parameters()
KNOWN = set().union(*FLAGS.values())
REMEDIES = [
    (path, text, word.removeprefix("--").replace("-", "_"))
    for path, text in remedies()
    for word in WORD.findall(FOREIGN.sub("", text))
    if word.removeprefix("--").replace("-", "_") in KNOWN or word.startswith("--")
]


def test_remedies_are_found():
    assert len(REMEDIES) > 70
    assert {"label_offset", "data_prefix", "one_hot", "shuffle_seed"} <= {r[2] for r in REMEDIES}
    owners = {owner(path) for path, _ in remedies()}
    assert {"convert", "train", "evaluate", "predict", "import", "fetch", "export"} <= owners


@pytest.mark.parametrize(("path", "text", "name"), REMEDIES)
def test_the_command_has_the_parameter(path, text, name):
    stage = owner(path)
    having = {command for command, flags in FLAGS.items() if name in flags}
    assert having, f"no command has {name}"
    if path.startswith("core/idx/"):
        missing = set(READERS) - having
        assert not missing, f"{missing} raise this, and have no {name}"
    elif stage in FLAGS:
        sent = [word for other in having for word in WORDS.get(other, (f"idxpipe {other}",))]
        assert stage in having or any(word in text for word in sent)


@pytest.mark.parametrize("text", sorted({text for _, text in remedies() if COMMAND.search(text)}))
def test_a_command_that_is_named_is_one(text):
    assert set(COMMAND.findall(text)) <= FLAGS.keys()
