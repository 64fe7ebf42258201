import shutil

from tests.pipeline import toy
from tests.pipeline.runs.commands import as_json, command


def test_show_tells_all_there_is_to_know(run, root, capsys):
    record = run()
    shown = command(capsys, "show", "latest", "--root", str(root)).out
    for word in (record.run_id, "first time", "looks at the data every time", "steps", "train.log"):
        assert word in shown
    shutil.rmtree(record.tasks["train"].folder)
    assert "gone" in command(capsys, "show", "--root", str(root)).out
    assert as_json(capsys, "show", "--root", str(root))["run_id"] == record.run_id


def test_show_params_is_what_run_params_takes(run, root, data, capsys, tmp_path):
    run(steps=12)
    path = tmp_path / "toy.yaml"
    path.write_bytes(toy.text(toy.toy()))
    (tmp_path / "given.yaml").write_text(
        command(capsys, "show", "--params", "--root", str(root)).out
    )
    again = ("run", "--root", str(root), "--pipeline", str(path), "--params")
    record = as_json(capsys, *again, str(tmp_path / "given.yaml"))
    assert record["parameters"] == {"data": str(data), "steps": 12}
    assert record["tasks"]["train"]["status"] == "cached"
