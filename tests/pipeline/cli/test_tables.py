import io

import pytest
from rich.console import Console

from idxpipe.pipeline.cli import tables
from idxpipe.pipeline.cli.tables import table


def test_a_table_is_plain_and_unwrapped_in_a_pipe(capsys):
    uri = "gs://bucket/" + "folder/" * 40
    text = table("file", "records", "uri", rows=[("a", 60_000, uri), ("bb", 5, "[red]x[/red]")])
    assert text.splitlines() == [
        "file  records  uri",
        f"a       60000  {uri}",
        "bb          5  [red]x[/red]",
    ]
    assert table("run", "status", rows=[]) == "run  status"


def test_a_pipe_gets_what_rich_would_draw():
    rows = [["a", "1.5", "日本", "3 min"], ["longer", "200", "x", ""], ["", "-", "né", "10 s"]]
    head = ("name", "number", "wide", "time")
    stream = io.StringIO()
    Console(file=stream, width=1000).print(tables.drawn(head, rows), highlight=False)
    drawn = "\n".join(line.rstrip() for line in stream.getvalue().splitlines())
    assert tables._plain(head, rows) == drawn
    assert tables._plain(head, []) == "name  number  wide  time"


@pytest.mark.parametrize("terminal", [False, True])
def test_what_comes_from_outside_is_only_shown(monkeypatch, terminal):
    monkeypatch.setattr("sys.stdout.isatty", lambda: terminal)
    monkeypatch.setenv("NO_COLOR", "1")
    shown = table("name", rows=[["a\x1b[2J\r\n\u202eb"]])
    assert "a\\x1b[2J\\r\\n\\u202eb" in shown
    assert len(shown.splitlines()) == 2
