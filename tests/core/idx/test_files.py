import pytest

from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.files import ROLES, DataConfig, find_files


def make(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")
    return str(folder)


@pytest.mark.parametrize(
    "names",
    [
        (
            "train-images-idx3-ubyte",
            "train-labels-idx1-ubyte",
            "t10k-images-idx3-ubyte",
            "t10k-labels-idx1-ubyte",
        ),
        (
            "train-images.idx3-ubyte",
            "train-labels.idx1-ubyte",
            "t10k-images.idx3-ubyte",
            "t10k-labels.idx1-ubyte",
        ),
        (
            "emnist-letters-train-images-idx3-ubyte.gz",
            "emnist-letters-train-labels-idx1-ubyte.gz",
            "emnist-letters-test-images-idx3-ubyte.gz",
            "emnist-letters-test-labels-idx1-ubyte.gz",
        ),
    ],
)
def test_the_usual_names_are_found(tmp_path, names):
    folder = make(tmp_path, *names, "README.md")
    found = find_files(DataConfig(data=folder))
    assert [getattr(found, role) for role in ROLES] == [f"{folder}/{name}" for name in names]


def test_a_file_and_its_gz_are_one(tmp_path):
    name = "train-images-idx3-ubyte"
    folder = make(tmp_path, name, f"{name}.gz")
    config = DataConfig(folder, train_labels="a", test_images="b", test_labels="c")
    assert find_files(config).train_images == f"{folder}/{name}"


def test_files_that_are_given_are_not_looked_for():
    config = DataConfig("", "", "a", "b", "c", "d")
    found = find_files(config)
    assert [getattr(found, role) for role in ROLES] == ["a", "b", "c", "d"]


def test_nothing_given_is_a_usage_error():
    with pytest.raises(UsageError, match="no data set given"):
        find_files(DataConfig(train_images="a"))


def test_a_missing_file_is_named_with_what_is_there(tmp_path):
    folder = make(tmp_path, "train-images-idx3-ubyte", "notes.txt")
    with pytest.raises(DataError, match="no train labels file here") as caught:
        find_files(DataConfig(folder))
    assert "notes.txt" in str(caught.value.found)
    assert "train_labels=URI" in caught.value.remedy


def test_a_missing_folder_is_said_to_be_empty_or_missing(tmp_path):
    with pytest.raises(DataError, match="empty or missing"):
        find_files(DataConfig(str(tmp_path / "none")))


def test_two_candidates_are_not_guessed_between(tmp_path):
    folder = make(
        tmp_path, "emnist-mnist-train-images-idx3-ubyte", "emnist-letters-train-images-idx3-ubyte"
    )
    with pytest.raises(DataError, match="several train images files") as caught:
        find_files(DataConfig(folder))
    assert "data_prefix" in caught.value.remedy


def test_a_prefix_says_which_of_several_sets(tmp_path):
    sets = ("emnist-mnist", "emnist-letters", "letters")
    kinds = ("train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1")
    folder = make(tmp_path, *(f"{name}-{kind}-ubyte.gz" for name in sets for kind in kinds))
    for name in sets:
        found = find_files(DataConfig(folder, name))
        assert [getattr(found, role) for role in ROLES] == [
            f"{folder}/{name}-{kind}-ubyte.gz" for kind in kinds
        ]
    with pytest.raises(DataError, match="no train images file") as caught:
        find_files(DataConfig(folder, "emnist"))
    assert "like emnist-train-images-idx3-ubyte" in caught.value.expected


def test_the_names_of_qmnist_are_found(tmp_path):
    names = [
        f"qmnist-{split}-{kind}.gz"
        for split in ("train", "test")
        for kind in ("images-idx3-ubyte", "labels-idx2-int")
    ]
    found = find_files(DataConfig(make(tmp_path, *names, "qmnist-test-labels.tsv.gz")))
    assert [getattr(found, role) for role in ROLES] == [f"{tmp_path}/{name}" for name in names]
