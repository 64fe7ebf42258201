"""Every command of ours in the documentation is one that the parser takes."""

import re
import shlex
from pathlib import Path

import pytest

from idxpipe.pipeline.cli.main import build_parser

ROOT = Path(__file__).parent.parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md")),
]
# Words in capitals that stand for a value the reader puts in.
SUBSTITUTION = re.compile(r"\$\(|`")


def commands(page):
    """Yield line, words and whether it can be copied: in a block, or only named in the text."""
    text = (ROOT / page).read_text()
    blocks = re.sub(r"\\\n\s*", lambda match: " " * len(match[0]), text)
    for match in re.finditer(r"^ {4}(?:[A-Z_]+=\S+ )*(idxpipe .*)$", blocks, re.MULTILINE):
        yield text.count("\n", 0, match.start()) + 1, words_of(match[1]), True
    for match in re.finditer(r"`(idxpipe [^`]+)`", text):
        yield text.count("\n", 0, match.start()) + 1, words_of(match[1]), False


def words_of(line):
    words = shlex.split(line, comments=True)
    for mark in ("|", ">", "&&", "...", "-- BEAM OPTIONS"):
        if mark in words:
            words = words[: words.index(mark)]
    return words[1:]


CASES = [(page, *command) for page in PAGES for command in commands(page)]


def test_there_are_some():
    assert {page for page, *_ in CASES} >= {"README.md", "docs/vertex.md"}
    assert len(CASES) > 30


def test_the_first_page_stays_one_page():
    assert len((ROOT / "README.md").read_text().split()) <= 1000


@pytest.mark.parametrize(
    ("page", "line", "words", "whole"), CASES, ids=[f"{page}:{line}" for page, line, *_ in CASES]
)
def test_a_command_parses(page, line, words, whole, capsys):
    # `idxpipe COMMAND --help` stands for all commands.
    if words[0].isupper():
        return
    try:
        build_parser().parse_args(words)
    except SystemExit as end:
        error = capsys.readouterr().err
        # In running text a command may be named without all that it requires.
        named = not whole and " required" in error
        assert not end.code or named, f"{page}:{line}: {shlex.join(words)}\n{error}"


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (ROOT / page).read_text()):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page}: {target}"


def test_trust_17_each_promise_names_a_test_that_is_there():
    named = re.findall(r"(tests/[\w/]+\.py)::(\w+)", (ROOT / "docs" / "security.md").read_text())
    assert len(named) > 15
    for file, test in named:
        assert f"def {test}(" in (ROOT / file).read_text(), test


def test_trust_17_each_kind_of_fault_has_tests_named_after_it():
    kinds = re.findall(r"^\| (\d+) \|", (ROOT / "docs" / "security.md").read_text(), re.MULTILINE)
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert set(kinds) == set(re.findall(r"def test_trust_(\d+)_", tests))
    assert len(kinds) == 17
