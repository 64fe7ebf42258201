import pytest

from idxpipe.components.core.errors import SetupError
from idxpipe.components.train.state.history import History
from idxpipe.components.train.state.points import read_points
from tests.train.state.test_events import shown


def note(folder, resumed_from, points):
    history = History(str(folder), resumed_from)
    for step, loss in points:
        history.add(step, loss=loss)
    history.save()


def test_without_a_history_there_are_no_points(tmp_path):
    assert read_points(str(tmp_path)) == []


def test_points_beyond_the_checkpoint_are_forgotten_in_both_forms(tmp_path):
    note(tmp_path, None, [(10, 4.0), (20, 3.0), (30, 2.0)])
    note(tmp_path, 10, [(20, 1.0)])
    assert read_points(str(tmp_path)) == [{"step": 10, "loss": 4.0}, {"step": 20, "loss": 1.0}]
    assert shown(tmp_path) == [(10, 4.0), (20, 1.0)]


def test_a_training_that_begins_anew_forgets_all(tmp_path):
    note(tmp_path, None, [(10, 4.0)])
    note(tmp_path, None, [(10, 2.0)])
    assert read_points(str(tmp_path)) == [{"step": 10, "loss": 2.0}]
    assert shown(tmp_path) == [(10, 2.0)]


@pytest.mark.parametrize("damage", ["", "[", "[]", '{"schema_version": 99, "points": []}'])
def test_a_damaged_history_is_begun_anew(tmp_path, damage):
    (tmp_path / "history.json").write_text(damage)
    note(tmp_path, 10, [(20, 1.0)])
    assert [point["step"] for point in read_points(str(tmp_path))] == [20]


def test_a_history_on_a_bucket_is_continued(one_gcs):
    uri = f"{one_gcs}/logs"
    note(uri, None, [(10, 4.0), (20, 3.0)])
    note(uri, 10, [(20, 1.0)])
    assert [point["loss"] for point in read_points(uri)] == [4.0, 1.0]


def test_a_place_that_cannot_be_written_is_said(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(SetupError, match="cannot write the logs"):
        History(str(tmp_path / "file"), None)
