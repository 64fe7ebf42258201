import os

import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.pipeline.runs.reference import Kind, find_run, resolve

MODEL = Kind("model", "system.Model", "model", "train")


DATASET = Kind("dataset", "system.Dataset", "content", "copy-train")


def test_a_run_is_called_by_its_id_its_beginning_latest_or_its_folder(run, root, monkeypatch):
    first, second = run(), run(steps=11)
    assert find_run("latest", str(root)).run_id == second.run_id
    assert find_run("latest~1", str(root)).run_id == first.run_id
    with pytest.raises(UsageError, match="no such run"):
        find_run("latest~2", str(root))
    assert find_run(first.run_id, str(root)).run_id == first.run_id
    assert find_run(first.folder, "/elsewhere").run_id == first.run_id
    assert find_run(f"{first.folder}/", "/elsewhere").root == str(root)
    with pytest.raises(UsageError, match="no such run"):
        find_run("nope", str(root))


def test_what_a_run_made_is_named_by_the_run(run, root):
    record = run()
    made = record.tasks["train"].outputs.artifacts["model"].uri
    for text in ("latest", record.run_id, record.run_id[:13], record.folder, str(root)):
        assert resolve(text, str(root), MODEL) == made, text
    assert resolve(made, str(root), MODEL) == made
    assert resolve(os.path.dirname(made), str(root), MODEL) == os.path.dirname(made)
    assert resolve("no/such/path", str(root), MODEL) == "no/such/path"
    test = record.tasks["copy-test"].outputs.artifacts["dataset"].uri
    assert resolve("latest:copy-test", str(root), DATASET) == test
    with pytest.raises(UsageError, match="this run's stage has made no dataset") as caught:
        resolve("latest:judge", str(root), DATASET)
    assert f"{record.run_id}:copy-test" in str(caught.value)
    with pytest.raises(DataError, match="this run has made no cake"):
        resolve("latest", str(root), Kind("cake", "system.Cake", "", "bake"))


def test_a_folder_that_is_called_latest_is_a_folder(run, root, tmp_path, monkeypatch):
    run()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latest").mkdir()
    (tmp_path / "latest" / "model").write_text("")
    assert resolve("latest", str(root), MODEL) == "latest"
