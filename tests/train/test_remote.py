"""Training with records, checkpoints, logs and model in a store that TensorFlow does not see."""

import dataclasses

import pytest
import tensorflow as tf

from idxpipe.components.core import storage
from idxpipe.components.core.dataset.staging import local_copy
from idxpipe.components.core.errors import DataError
from idxpipe.components.core.transfer import upload
from idxpipe.components.train.state.checkpoints import list_checkpoints
from tests.train.conftest import CPU, Run


@pytest.fixture(params=["one_gcs", "s3"])
def run(request, records):
    folder = request.getfixturevalue(request.param)
    upload(records, f"{folder}/records", storage.list_files(records))
    return Run(f"{folder}/records", f"{folder}/run")


def weights(run):
    with local_copy(run.model) as path:
        loaded = tf.saved_model.load(path)
        return b"".join(v.numpy().tobytes() for v in loaded.weights)


def test_a_training_that_goes_on_in_a_bucket_ends_with_the_same_weights(run, finished):
    run.train(train_steps=7)
    result = run.train()
    assert result.resumed_from == 7
    assert weights(run) == finished[0].weights()
    assert sorted(list_checkpoints(run.checkpoints)) == [10, 20]
    logs = storage.list_files(run.logs)
    assert "history.json" in logs
    assert sum("tfevents" in name for name in logs) == 2
    model = {"saved_model.pb", "variables/variables.index", "model.json"}
    assert model < storage.list_files(run.model).keys()


def test_checkpoints_that_are_too_old_go_from_the_bucket_too(run):
    run.train(iterations=2, checkpoint_steps=2, train_steps=8, keep_checkpoints=2)
    names = storage.list_files(run.checkpoints).keys() - {"checkpoint", "recipe.json"}
    assert {name.partition(".")[0] for name in names} == {"ckpt-6", "ckpt-8"}


def test_a_checkpoint_whose_upload_was_cut_off_is_not_seen(run, finished):
    upload(finished[0].folder, run.folder, storage.list_files(finished[0].folder))
    # The index is the last that is sent.
    storage.delete(f"{run.checkpoints}/ckpt-20.index")
    assert run.train().resumed_from == 10
    assert weights(run) == finished[0].weights()


def test_another_model_in_the_folder_is_replaced_whole(run):
    run.train(train_steps=5)
    storage.write(f"{run.model}/assets/left-over", b"x")
    run.train(train_steps=6)
    assert "assets/left-over" not in storage.list_files(run.model)


def test_a_shard_that_changed_is_named(run):
    uri = f"{run.records}/0.tfrecord"
    data = bytearray(storage.read(uri))
    data[100] ^= 1
    storage.write(uri, bytes(data))
    with pytest.raises(DataError, match="not what the manifest says") as caught:
        run.train()
    assert caught.value.where == uri


def test_records_beyond_the_threshold_are_streamed(one_gcs, records, finished, capsys):
    upload(records, f"{one_gcs}/records", storage.list_files(records))
    run = Run(f"{one_gcs}/records", f"{one_gcs}/run")
    run.train(device=dataclasses.replace(CPU, stage_bytes=0))
    assert "copying" not in capsys.readouterr().err
    assert weights(run) == finished[0].weights()
