import json

from idxpipe.pipeline.cli.main import main


def test_runs_of_an_empty_root(tmp_path, capsys):
    assert main(["runs", "--root", str(tmp_path), "--json"]) == 2
    assert "no run is recorded here" in json.loads(capsys.readouterr().out)["error"]["problem"]


def test_a_damaged_record_does_not_hide_the_other_runs(tmp_path, capsys):
    (tmp_path / "runs" / "20260101-000000000-dead").mkdir(parents=True)
    (tmp_path / "runs" / "20260101-000000000-dead" / "run.json").write_text("{")
    assert main(["runs", "--root", str(tmp_path)]) == 0
    assert "20260101-000000000-dead" in capsys.readouterr().out
