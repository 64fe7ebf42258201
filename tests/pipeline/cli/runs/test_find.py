"""Runs here and jobs on Vertex AI, side by side."""

import pytest

from idxpipe.pipeline.cli.main import main
from tests.pipeline.runs.commands import command


def test_a_job_is_shown_as_a_run_is(idxpipe, finished):
    shown = idxpipe("show", finished, json_=False)
    for word in (finished, "succeeded", "judge", "gs://ours/", "model"):
        assert word in shown
    # It has no folder of a run here, and its bucket is out of reach.
    assert "folder" not in shown
    record = idxpipe("show", finished)
    assert record["run_id"] == finished
    name = idxpipe("status", finished)["name"].replace("123456789012", "toy-project")
    assert idxpipe("show", name) == record


def test_jobs_and_runs_are_compared(idxpipe, submit, service, finished, run, root, tmp_path):
    other = submit("--set", "steps=11")["job"]
    service.wait(other)
    found = idxpipe("diff", finished, other)
    assert {"kind": "parameter", "name": "steps", "first": "10", "second": "11"} in found[
        "differences"
    ]
    here = run()
    found = idxpipe("diff", finished, "latest", "--root", str(root))
    assert found["runs"] == [finished, here.run_id]
    page = tmp_path / "compared.html"
    idxpipe("report", finished, "latest", "--root", str(root), "--output", page)
    text = page.read_text()
    assert f"<td>{finished}</td>" in text
    assert f">{here.run_id}</a>" in text


@pytest.mark.parametrize("name", ["lates", "show", "20261127-1", "my-1/runs/20261127-1"])
def test_a_mistyped_run_is_no_job(name, root, capsys):
    said = command(capsys, "show", name, "--root", str(root), code=2).err
    assert "--project" not in said


def test_a_job_needs_a_project(capsys, monkeypatch):
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT", raising=False)
    assert main(["show", "toy-20261127-1", "--project", ""]) == 2
    assert "--project" in capsys.readouterr().err
