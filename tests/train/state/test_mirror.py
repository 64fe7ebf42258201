import gc
import os
from pathlib import Path

from idxpipe.components.core import storage
from idxpipe.components.train.state import mirror
from idxpipe.components.train.state.mirror import Mirror


def test_a_local_folder_is_its_own_mirror(tmp_path):
    folder = Mirror(f"file://{tmp_path}")
    assert folder.path == str(tmp_path)
    folder.pull()
    folder.push()
    del folder
    assert tmp_path.exists()


def test_what_is_written_changed_and_deleted_here_is_so_there(one_gcs):
    folder = Mirror(one_gcs)
    for name in ("a", "b", "c"):
        Path(folder.path, name).write_text(name)
    folder.push()
    assert storage.list_files(one_gcs) == {"a": 1, "b": 1, "c": 1}
    Path(folder.path, "a").write_text("longer")
    os.unlink(f"{folder.path}/b")
    folder.push()
    assert storage.list_files(one_gcs) == {"a": 6, "c": 1}


def test_only_what_is_new_is_sent_in_the_order_of_the_ranks(one_gcs, monkeypatch):
    sent = []
    monkeypatch.setattr(mirror, "upload", lambda _folder, _uri, names: sent.append(sorted(names)))
    folder = Mirror(one_gcs, order=lambda name: name == "index")
    for name in ("index", "data", "more"):
        Path(folder.path, name).write_text(name)
    folder.push()
    Path(folder.path, "index").write_text("another")
    folder.push()
    folder.push()
    assert sent == [["data", "more"], ["index"], ["index"]]


def test_what_is_there_comes_here_but_others_files_are_left_alone(one_gcs):
    for name in ("old", "theirs"):
        storage.write(f"{one_gcs}/{name}", name.encode())
    folder = Mirror(one_gcs)
    folder.pull(["old"])
    assert storage.list_files(folder.path) == {"old": 3}
    os.unlink(f"{folder.path}/old")
    folder.push()
    assert storage.list_files(one_gcs) == {"theirs": 6}


def test_the_copy_goes_with_the_object(one_gcs):
    folder = Mirror(one_gcs)
    path = folder.path
    assert os.path.exists(path)
    del folder
    gc.collect()
    assert not os.path.exists(path)
