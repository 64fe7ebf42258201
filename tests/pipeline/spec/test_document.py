import subprocess
import sys

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.pipeline.spec.document import load_documents
from idxpipe.pipeline.spec.parse import parse


def test_refuses_what_aliases_blow_up():
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 10)]
    with pytest.raises(DataError, match="too many values"):
        parse("\n".join(lines).encode())


def merged(depth):
    lines = ["a0: &a0 {x: 1}"]
    for n in range(depth):
        lines += [f"a{n + 1}: &a{n + 1}", f"  <<: [{', '.join([f'*a{n}'] * 9)}]"]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[" * 30_000, "deeper nesting"),
        ("{a: " * 20_000, "deeper nesting"),
        ("- " * 20_000, "deeper nesting"),
        (merged(9), "a merge key"),
        ("x: 1\na: " + "9" * 100_000, "a number of 100000 digits"),
        ("x: 1\na: " + ":".join(["59"] * 20_000), "a number of"),
    ],
)
def test_refuses_what_costs_more_than_its_length(text, found):
    """In a process of its own: the first of them ended the one that read it."""
    code = (
        "import resource, sys\n"
        "from idxpipe.components.core.errors import DataError\n"
        "from idxpipe.pipeline.spec.document import load_documents\n"
        "resource.setrlimit(resource.RLIMIT_CPU, (20, 20))\n"
        "try: load_documents(sys.stdin.buffer.read(), 'p.yaml')\n"
        "except DataError as error: print(error)\n"
    )
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
    assert f"found:    {found}" in done.stdout
    assert "p.yaml: line " in done.stdout


def test_what_a_pipeline_may_hold():
    text = 'a: "<<"\nb: "' + "9" * 1000 + '"\nc: ' + "[" * 90 + "]" * 90
    (document,) = load_documents(text.encode(), "p.yaml")
    assert document["a"] == "<<"
