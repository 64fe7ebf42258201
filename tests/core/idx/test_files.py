import pytest

from idxpipe.components.convert.config import ConvertConfig
from idxpipe.components.core import storage
from idxpipe.components.core.errors import DataError, UsageError
from idxpipe.components.core.idx.files import ROLES, DataConfig, find_files, name_of_data


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
    assert "as train_labels" in caught.value.remedy


def test_a_folder_that_is_not_there_and_one_that_is_nearly(tmp_path):
    with pytest.raises(DataError, match="no such folder") as caught:
        find_files(DataConfig(str(tmp_path / "minst")))
    assert "check the path" in caught.value.remedy
    (tmp_path / "mnist").mkdir()
    with pytest.raises(DataError, match="no such folder") as caught:
        find_files(DataConfig(str(tmp_path / "minst")))
    assert caught.value.remedy == f"did you mean {tmp_path / 'mnist'}?"


def test_what_is_there_instead_is_told_apart(tmp_path):
    def found(folder):
        with pytest.raises(DataError, match="no train images file here") as caught:
            find_files(DataConfig(str(folder)))
        return caught.value.found

    assert found(tmp_path) == "an empty folder"
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "c").mkdir()
    assert found(tmp_path) == "only folders: a, c"
    make(tmp_path, *(f"file{n}" for n in range(10)))
    assert found(tmp_path).endswith("file7 and 2 more")
    assert found(tmp_path / "file1") == "a file, not a folder"


def test_what_holds_data_in_another_way_is_not_told_to_be_named(tmp_path):
    def remedy(name):
        with pytest.raises(DataError, match="no train images file here") as caught:
            find_files(DataConfig(make(tmp_path / name, name)))
        return caught.value.remedy

    for name in ("mnist.npz", "x.tar.gz"):
        (tmp_path / name).mkdir()
    assert remedy("mnist.npz") == ".npz files become IDX files with `idxpipe import`"
    assert remedy("x.tar.gz") == ".tar.gz files are to be unpacked first"


def test_a_folder_of_pictures_by_class_is_to_be_imported(tmp_path):
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        make(tmp_path / folder, "1.png", "2.png")
    with pytest.raises(DataError, match="no train images file here") as caught:
        find_files(DataConfig(str(tmp_path)))
    assert caught.value.found == "only folders: cat, dog"
    assert caught.value.remedy == ".png files become IDX files with `idxpipe import`"


def test_what_is_wrong_in_the_only_folder_with_some_files_is_said_of_it(tmp_path):
    (tmp_path / "gzip").mkdir()
    make(
        tmp_path / "gzip", *(f"emnist-{kind}-{n}" for kind in ("digits", "letters") for n in USUAL)
    )
    with pytest.raises(DataError, match="several train images files") as caught:
        find_files(DataConfig(str(tmp_path)))
    assert caught.value.where == f"{tmp_path}/gzip"
    assert "data_prefix to emnist-digits or emnist-letters" in caught.value.remedy
    found = find_files(DataConfig(str(tmp_path), data_prefix="emnist-letters"))
    assert found.train_images == f"{tmp_path}/gzip/emnist-letters-{USUAL[0]}"


@pytest.mark.parametrize(
    ("images", "name"),
    [
        ("data/mnist/train-images-idx3-ubyte.gz", "mnist"),
        ("/home/me/FashionMNIST/raw/train-images-idx3-ubyte", "fashionmnist"),
        ("gs://bucket/sets/fashion-mnist/t10k-images-idx3-ubyte.gz", "fashion_mnist"),
        ("any/gzip/emnist-letters-train-images-idx3-ubyte.gz", "emnist_letters"),
        ("qmnist-test-images-idx3-ubyte.gz", "qmnist"),
        ("x/k49-train.idx/k49-train.idx", "x"),
        ("pets/a.idx", "pets"),
        ("/data/train-images-idx3-ubyte", "idx"),
        ("/49/train-images-idx3-ubyte", "idx"),
        ("gs://bucket/train-images-idx3-ubyte", "idx"),
        ("/d/../etc/\u00e9 <b>/train-images-idx3-ubyte", "b"),
    ],
)
def test_a_data_set_is_called_by_its_files_or_their_folder(images, name):
    assert name_of_data(images) == name
    ConvertConfig(dataset_name=name)


USUAL = [
    f"{split}-{kind}-ubyte"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


@pytest.mark.parametrize("folder", ["MNIST/raw", "raw", "one/two"])
def test_the_one_set_below_is_found(tmp_path, folder, capsys):
    inside = tmp_path / folder
    inside.mkdir(parents=True)
    make(inside, *USUAL, *(f"{name}.gz" for name in USUAL))
    found = find_files(DataConfig(str(tmp_path)))
    assert [getattr(found, role) for role in ROLES] == [f"{inside}/{name}" for name in USUAL]
    assert f"the data set is in {inside}" in capsys.readouterr().err


def test_each_file_in_a_folder_of_its_name(tmp_path):
    for name in USUAL:
        (tmp_path / "archive" / name).mkdir(parents=True)
        make(tmp_path / "archive" / name, name)
    for data in (tmp_path, tmp_path / "archive"):
        found = find_files(DataConfig(str(data)))
        assert found.test_labels == f"{tmp_path}/archive/{USUAL[3]}/{USUAL[3]}"


def test_of_several_sets_below_none_is_taken(tmp_path):
    for name in ("KMNIST", "MNIST"):
        (tmp_path / name / "raw").mkdir(parents=True)
        make(tmp_path / name / "raw", *USUAL)
    with pytest.raises(DataError, match="several data sets are below") as caught:
        find_files(DataConfig(str(tmp_path)))
    assert caught.value.found == f"{tmp_path}/KMNIST/raw, {tmp_path}/MNIST/raw"


def test_three_levels_down_nothing_is_looked_for(tmp_path):
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    make(tmp_path / "a" / "b" / "c", *USUAL)
    with pytest.raises(DataError, match="no train images"):
        find_files(DataConfig(str(tmp_path)))


def test_what_macos_puts_beside_files_is_no_data(tmp_path):
    folder = make(tmp_path, *USUAL, *(f"._{name}" for name in USUAL))
    assert find_files(DataConfig(folder)).train_images == f"{folder}/{USUAL[0]}"


def test_dashes_are_preferred_to_dots(tmp_path):
    folder = make(tmp_path, *USUAL, *(name.replace("-idx", ".idx") for name in USUAL))
    assert find_files(DataConfig(folder)).train_labels == f"{folder}/{USUAL[1]}"


def test_a_home_folder_in_quotes(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    make(tmp_path, *USUAL)
    assert find_files(DataConfig("~")).train_images == f"~/{USUAL[0]}"
    assert storage.exists(f"~/{USUAL[0]}")


def test_a_prefix_with_its_dash(tmp_path):
    folder = make(tmp_path, *(f"emnist-{name}" for name in USUAL), *USUAL)
    assert find_files(DataConfig(folder, "emnist-")).train_images == f"{folder}/emnist-{USUAL[0]}"


def test_where_no_prefix_tells_files_apart_none_is_advised(tmp_path):
    folder = make(tmp_path, *USUAL, *(name.replace("t10k", "test") for name in USUAL))
    with pytest.raises(DataError, match="several test images files") as caught:
        find_files(DataConfig(folder))
    assert "data_prefix" not in caught.value.remedy


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
