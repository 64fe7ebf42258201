from pathlib import Path

import pytest
import tensorflow as tf

from idxpipe.components.train.state.events import Events


def read(folder):
    """Return the events of each file, in the order of the files' names."""
    return [
        [
            tf.compat.v1.Event.FromString(record.numpy())
            for record in tf.data.TFRecordDataset(str(file))
        ]
        for file in sorted(Path(folder).glob("events.*"))
    ]


def shown(folder):
    """Return step and loss of each point as TensorBoard's reader keeps them.

    Source: _MaybePurgeOrphanedData in tensorboard's plugin_event_accumulator.py.
    """
    points = []
    for file in read(folder):
        for event in file:
            if event.session_log.status == tf.compat.v1.SessionLog.START:
                points = [point for point in points if point[0] < event.step]
            points += [(event.step, value.simple_value) for value in event.summary.value]
    return points


def write(folder, first_step, points):
    events = Events(str(folder), first_step)
    for step, loss in points:
        events.add(step, {"loss": loss})
    events.flush()
    return events


def test_a_scalar_is_what_tensorboard_takes_for_one(tmp_path):
    events = write(tmp_path, 0, [])
    events.add(5, {"loss": 0.5, "validation_accuracy": 0.75})
    events.close()
    ((version, _, event),) = read(tmp_path)
    assert version.file_version == "brain.Event:2"
    assert event.step == 5
    assert event.wall_time > 1e9
    values = {value.tag: value.simple_value for value in event.summary.value}
    assert values == {"train/loss": 0.5, "validation/accuracy": 0.75}
    assert {v.metadata.plugin_data.plugin_name for v in event.summary.value} == {"scalars"}


def test_flushed_points_can_be_read_while_the_training_goes_on(tmp_path):
    events = write(tmp_path, 0, [(1, 2.0)])
    assert shown(tmp_path) == [(1, 2.0)]
    events.close()


def test_a_resumed_training_takes_the_place_of_what_was_lost(tmp_path):
    # Killed: never closed.
    killed = write(tmp_path, 0, [(10, 1.0), (20, 2.0), (30, 3.0)])
    write(tmp_path, 11, [(20, 4.0), (30, 5.0), (40, 6.0)]).close()
    assert shown(tmp_path) == [(10, 1.0), (20, 4.0), (30, 5.0), (40, 6.0)]
    killed.close()


def test_files_of_one_second_keep_their_order(tmp_path):
    for number in range(5):
        write(tmp_path, number, [(number, float(number))]).close()
    assert shown(tmp_path) == [(number, float(number)) for number in range(5)]


def test_a_folder_that_cannot_be_made_is_tensorflows_error(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(tf.errors.OpError):
        Events(str(tmp_path / "file" / "logs"), 0)
