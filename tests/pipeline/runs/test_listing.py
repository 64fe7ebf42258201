import shutil
from pathlib import Path

import pytest

from idxpipe.components.core.integrity import sealed
from idxpipe.pipeline.cli.main import main
from idxpipe.pipeline.runs import listing
from idxpipe.pipeline.state import RunRecord
from tests.pipeline.runs.commands import as_json, command
from tests.resealed import edit


def test_runs_are_listed_sorted_and_filtered(run, root, capsys):
    first, second = run(), run(steps=11)
    shown = command(capsys, "runs", "--root", str(root)).out
    assert shown.index(second.run_id) < shown.index(first.run_id)
    assert "0.5000" in shown
    assert "steps=11" in shown
    assert listing.local_date(first.started) in shown
    only = as_json(capsys, "runs", "--root", str(root), "--where", "steps=10")
    assert [found["run_id"] for found in only] == [first.run_id]
    slow = max((first, second), key=lambda record: record.seconds)
    assert (
        as_json(capsys, "runs", "--root", str(root), "--sort", "time")[0]["run_id"] == slow.run_id
    )
    assert len(as_json(capsys, "runs", "--root", str(root), "--limit", "1")) == 1
    Path(first.folder, "run.json").write_text("{")
    assert "record of this run is damaged" in command(capsys, "runs", "--root", str(root)).out
    assert "NAME=VALUE" in command(capsys, "runs", "--root", str(root), "--where", "x", code=2).err


def test_a_mistyped_root_is_an_error(capsys, tmp_path):
    said = command(capsys, "runs", "--root", str(tmp_path / "ot"), code=2).err
    assert "no run is recorded here" in said


def test_what_differs_from_the_defaults_is_what_was_changed():
    values = {"data": "d", "train_images": "", "train_labels": "", "test_images": ""}
    ours = {**values, "test_labels": "", "batch_size": -1, "train_steps": 60}
    record = RunRecord("r", "/r", "idxpipe", "d", ours)
    assert listing.changed(record) == {"data": "d", "train_steps": 60}
    assert listing.words({"learning_rate": -1.0, "model": "cnn"}) == (
        "learning_rate=the recipe's model=cnn"
    )


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (26_300_000, "26.3 MB")]
)
def test_sizes(count, text):
    assert listing.size(count) == text


def test_a_record_with_tasks_that_are_none_takes_no_other_down(run, root, capsys):
    good, bad = run(), run(steps=11)
    edit(Path(bad.folder, "run.json"), lambda value: value["tasks"]["train"].update(surprise=1))
    found = as_json(capsys, "runs", "--root", str(root))
    assert [record["run_id"] for record in found] == [good.run_id]


@pytest.mark.parametrize("value", [float("nan"), 10**400, None, [1]], ids=str)
def test_trust_9_one_bad_record_does_not_take_the_list_down(root, run, value, capsys):
    good = run()
    folder = root / "runs" / f"99991231-{good.run_id[9:]}"
    shutil.copytree(root / "runs" / good.run_id, folder)
    record = sealed.unseal((folder / "run.json").read_bytes(), 3)
    task = record["tasks"]["train"]
    places = [(record, name) for name in record if name != "schema_version"]
    for holder, name in [*places, *((task, name) for name in task)]:
        before, holder[name] = holder[name], value
        (folder / "run.json").write_bytes(sealed.seal(record, 1))
        holder[name] = before
        assert main(["runs", "--root", str(root)]) == 0, name
        assert good.run_id in capsys.readouterr().out, name
        assert main(["show", "--root", str(root)]) in {0, 3}, name
        capsys.readouterr()
