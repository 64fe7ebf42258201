from pathlib import Path

import pytest

from idxpipe.components.core.errors import DataError
from idxpipe.components.core.model import read_card
from tests.datasets import write_card
from tests.resealed import resealed


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "trained" / "model"
    folder.mkdir(parents=True)
    return write_card(folder)


def test_a_card_is_found_in_the_folder_and_in_the_one_above(model):
    card = read_card(model)
    assert (card.image_shape, card.image_dtype, card.num_classes) == ((4, 4), "uint8", 3)
    assert read_card(str(Path(model).parent)).uri == f"{Path(model).parent}/model"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_shape", [4]),
        ("image_shape", "44"),
        ("image_shape", [4, -4]),
        ("image_shape", [4, 4, 1, 1]),
        ("image_dtype", "object"),
        ("image_dtype", ["uint8"]),
        ("num_classes", 0),
        ("num_classes", "10"),
        ("num_classes", True),
        ("step", 1.5),
        ("parameters", None),
        ("loss", float("nan")),
        ("loss", "low"),
        ("sources", ["a"]),
        ("sources", {"images": 3}),
        ("version", None),
    ],
)
def test_a_card_that_cannot_be_is_refused(tmp_path, name, value):
    folder = write_card(tmp_path, **{name: value})
    with pytest.raises(DataError, match="says what cannot be") as caught:
        read_card(folder)
    assert name in caught.value.found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("not json", "not a model's card"),
        ("[]", "not a model's card"),
        ("[" * 100_000, "not a model's card"),
        ('{"schema_version": 2}', "checksum is missing"),
        (resealed({"schema_version": 3}).decode(), "schema version"),
        ('{"schema_version": 1}', "incomplete"),
    ],
)
def test_what_is_no_card_is_refused(tmp_path, text, problem):
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(DataError, match=problem):
        read_card(str(tmp_path))


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(DataError, match="no model here"):
        read_card(str(tmp_path))
