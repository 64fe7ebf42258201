from pathlib import Path

from tests.pipeline.runs.commands import command


def test_open_names_the_page(run, root, capsys, monkeypatch):
    record = run()
    opened = []
    monkeypatch.setattr("webbrowser.open", lambda address: opened.append(address) or True)
    assert "has no page" in command(capsys, "open", "--root", str(root), code=2).err
    page = Path(record.folder, "index.html")
    page.write_text("")
    assert command(capsys, "open", "--root", str(root)).out == f"{page}\n"
    assert opened == [f"file://{page}"]
