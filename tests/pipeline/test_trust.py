"""Recorded commands are run only if nobody else can have written them."""

import hashlib
import os
import shutil
from pathlib import Path

import pytest
import yaml

from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.transfer import upload
from idxpipe.pipeline import state
from idxpipe.pipeline.spec.parse import load_compiled
from idxpipe.pipeline.trust import trusted_pipeline
from tests import resealed
from tests.pipeline import toy
from tests.pipeline.runs.commands import command


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder to run commands in, without a pipeline."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def poison(record, marker):
    """Write a command of somebody else into a run's record."""
    file = Path(record.folder, "pipeline.yaml")
    text = yaml.safe_load(file.read_text())
    container = text["deploymentSpec"]["executors"]["exec-train"]["container"]
    container["args"] = [f"touch {marker}", *container.get("args", [])]
    container["command"] = ["sh", "-c"]
    file.write_text(yaml.safe_dump(text))
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    resealed.edit(Path(record.folder, "run.json"), lambda value: value.update(digest=digest))


def shared(record, how):
    """Let others write what a run's record is in."""
    folder = Path(record.folder)
    if how == "folder":
        folder.chmod(0o777)
    elif how == "file":
        (folder / "pipeline.yaml").chmod(0o666)
    elif how == "owner":
        os.chown(folder / "pipeline.yaml", 4711, -1)
    elif how == "runs":
        folder.parent.chmod(0o777)


def test_ones_own_record_is_run(run, root, elsewhere, capsys):
    record = run()
    command(capsys, "run", "--only", "train", "--root", str(root), "--run", record.run_id)


@pytest.mark.parametrize("how", ["folder", "file", "owner", "runs"])
def test_trust_10_what_others_can_write_is_not(run, root, elsewhere, capsys, how):
    if how == "owner" and os.getuid():
        pytest.skip("only root gives files away")
    record = run()
    marker = elsewhere / "marker"
    poison(record, marker)
    shared(record, how)
    words = ("run", "--only", "train", "--root", str(root))
    assert "is not in yours" in command(capsys, *words, code=2).err
    (elsewhere / "pipeline.yaml").write_bytes(toy.text(toy.toy()))
    said = command(capsys, *words, code=2).err
    assert "train has a different command and args" in said
    assert "--trust-record" in said
    assert not marker.exists()
    command(capsys, *words, "--pipeline", "pipeline.yaml")
    assert not marker.exists()
    main = (*words, "--run", record.run_id, "--trust-record")
    command(capsys, *main)
    assert marker.exists()


@pytest.mark.parametrize("name", ["pipeline.yaml", "whole.yaml"])
def test_a_pipeline_that_is_not_the_recorded_one_is_damaged(run, root, elsewhere, capsys, name):
    record = run()
    if name == "whole.yaml":
        words = ("run", "--only", "train", "--root", str(root))
        command(capsys, *words)
        record = state.find(str(root))
    file = Path(record.folder, name)
    file.write_bytes(file.read_bytes().replace(b"toy", b"boy", 1))
    with pytest.raises(DataError, match="pipeline is damaged") as caught:
        trusted_pipeline(record)
    assert name in caught.value.where
    file.unlink()
    with pytest.raises(DataError):
        trusted_pipeline(record)


def test_trust_10_a_stopped_run_of_others_goes_on_with_ones_own_pipeline(
    run, root, elsewhere, capsys, monkeypatch
):
    monkeypatch.setenv("BREAK", "train")
    record = run()
    monkeypatch.delenv("BREAK")
    marker = elsewhere / "marker"
    poison(record, marker)
    shared(record, "folder")
    words = ("resume", "--root", str(root))
    assert "--pipeline FILE" in command(capsys, *words, code=2).err
    (elsewhere / "mine.yaml").write_bytes(toy.text(toy.toy()))
    command(capsys, *words, "--pipeline", "mine.yaml")
    assert not marker.exists()


def test_the_same_commands_are_run_from_a_bucket(run, root, one_gcs, elsewhere):
    record = run()
    upload(record.folder, f"{one_gcs}/runs/{record.run_id}", storage.list_files(record.folder))
    there = state.load(one_gcs, record.run_id)
    with pytest.raises(UsageError, match="may be somebody else's"):
        trusted_pipeline(there)
    shutil.copy(Path(record.folder, "pipeline.yaml"), elsewhere)
    assert set(trusted_pipeline(there).tasks) == set(record.tasks)
    assert trusted_pipeline(there, trust=True)


@pytest.mark.parametrize("scheme", ["http", "HTTPS", "ftp"])
def test_trust_10_a_pipeline_from_the_web_is_not_run(scheme):
    with pytest.raises(UsageError, match="from the web"):
        load_compiled(f"{scheme}://127.0.0.1:1/pipeline.yaml")
