"""What TensorBoard's own readers make of the arranged logs."""

import os

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data

from idxpipe.components.train.state.events import Events
from idxpipe.pipeline.runs.trainings import arrange, logs_of
from idxpipe.pipeline.spec.artifact import Artifact, Values
from idxpipe.pipeline.state import RunRecord, TaskRecord
from tests.pipeline.runs.commands import command

OURS = dict.fromkeys(("data", "train_images", "train_labels", "test_images", "test_labels"), "")


def trained(run_id, logs, **parameters):
    artifact = Artifact("logs", str(logs), {"schemaTitle": "system.Artifact"})
    task = TaskRecord("train", outputs=Values({}, {"logs": artifact}))
    return RunRecord(run_id, "/r", "idxpipe", "d", OURS | parameters, tasks={"train": task})


def test_names_and_hyperparameters(tmp_path):
    logs = tmp_path / "logs"
    logs.mkdir()
    events = Events(str(logs), 1)
    events.add(5, {"loss": 0.5})
    events.flush()
    first = trained("r1", logs, recipe="fast", learning_rate=0.01, data="/somewhere")
    again = trained("r2", logs, recipe="fast", learning_rate=0.01)
    found = logs_of([first, again, trained("r3", tmp_path / "none", train_images="/x")])
    assert list(found) == ["fast_learning_rate=0.01_r1", "defaults_r3"]
    folder = tmp_path / "arranged"
    folder.mkdir()
    arrange(found, str(folder))
    assert sorted(os.listdir(folder)) == sorted(found)
    seen = EventAccumulator(str(folder / "fast_learning_rate=0.01_r1"))
    seen.Reload()
    assert [point.value for point in seen.Scalars("train/loss")] == [0.5]
    content = seen.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    given = parse_session_start_info_plugin_data(content).hparams
    assert given["learning_rate"].number_value == 0.01
    assert given["recipe"].string_value == "fast"
    assert "data" not in given


def test_without_a_training_there_is_nothing_to_show(run, root, capsys):
    run()
    said = command(capsys, "tensorboard", "--root", str(root), code=2).err
    assert "no run has trained" in said
