from tests.pipeline.runs.commands import as_json, command


def test_resume_goes_on_where_a_run_stopped(run, root, capsys, monkeypatch):
    monkeypatch.setenv("BREAK", "train")
    stopped = run()
    monkeypatch.delenv("BREAK")
    record = as_json(capsys, "resume", "--root", str(root))
    assert record["status"] == "succeeded"
    assert record["earlier"] == stopped.run_id
    assert record["tasks"]["train"]["status"] == "succeeded"
    said = command(capsys, "resume", "--root", str(root), code=2).err
    assert "there is nothing to go on with" in said
