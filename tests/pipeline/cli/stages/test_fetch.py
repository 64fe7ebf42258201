"""The command `fetch`, with a server on this machine in place of the mirrors."""

import json

import pytest

from idxpipe.components.fetch.catalogue import DATA_SETS
from idxpipe.pipeline.cli.main import main
from tests.fetch.files import FileServer
from tests.fetch.test_stage import data_set
from tests.idxfiles import write_data_set


@pytest.fixture
def server(tmp_path, monkeypatch):
    write_data_set(tmp_path / "source", gz=True)
    files = {file.name: file.read_bytes() for file in (tmp_path / "source").iterdir()}
    monkeypatch.setitem(DATA_SETS, "mnist", data_set(files, "http://127.0.0.1:1"))
    monkeypatch.setattr("idxpipe.components.fetch.download.PAUSE_SECONDS", 0.0)
    with FileServer(files) as running:
        yield running


def test_fetch_then_what_it_says(server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("idxpipe.pipeline.cli.stages.fetch._SAY_SECONDS", -1.0)
    output = str(tmp_path / "my data")
    assert main(["fetch", "mnist", "--output", output, "--mirror", server.url]) == 0
    out, err = capsys.readouterr()
    assert "train-images-idx3-ubyte.gz: fetched" in out
    assert out.endswith(f"next: idxpipe run --data '{output}'\n")
    assert "t10k-labels-idx1-ubyte.gz: 0.0 of 0.0 MB" in err
    assert main(["validate", "--data", output]) == 0
    capsys.readouterr()
    assert main(["fetch", "mnist", "--output", output, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["there"]) == 4


def test_offline_it_ends_with_exit_code_6(server, tmp_path, capsys):
    assert main(["fetch", "mnist", "--output", str(tmp_path / "out")]) == 6
    assert f"into {tmp_path / 'out'}" in capsys.readouterr().err


def test_a_data_set_that_there_is_not(tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["fetch", "cifar", "--output", str(tmp_path)])
    assert "fashion-mnist" in capsys.readouterr().err
