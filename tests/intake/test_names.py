import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.intake.names import kind_of, number_classes, split_of


@pytest.mark.parametrize(
    ("name", "split", "kind"),
    [
        ("x_train", "train", "images"),
        ("y_test", "test", "labels"),
        ("train_images", "train", "images"),
        ("kmnist-test-imgs", "test", "images"),
        ("test-labels", "test", "labels"),
        ("t10k-labels", "test", "labels"),
        ("X", "", "images"),
        ("val_labels", "validation", "labels"),
        ("weights", "", ""),
        ("trainable", "", ""),
    ],
)
def test_words(name, split, kind):
    assert (split_of(name), kind_of(name)) == (split, kind)


def test_names_are_numbered_as_keras_and_torchvision_number_folders():
    labels, names = number_classes(["dog", "Zebra", "cat", "dog"], "a")
    assert names == ("Zebra", "cat", "dog")
    assert labels.tolist() == [2, 0, 1, 2]


def test_numbers_are_the_labels():
    labels, names = number_classes(["10", "02"], "a")
    assert labels.tolist() == [10, 2]
    assert names == tuple(map(str, range(11)))


def test_two_spellings_of_one_number_are_refused():
    with pytest.raises(DataError, match="02"):
        number_classes(["2", "02"], "a")
