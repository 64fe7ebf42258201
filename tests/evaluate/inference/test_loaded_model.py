import random
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from idxpipe.components.core.errors import DataError, SetupError
from idxpipe.components.core.integrity.digest import digest_files
from idxpipe.components.core.model import read_card
from idxpipe.components.evaluate.inference.loaded_model import _OTHER_FORMATS, load_model
from idxpipe.components.train.export.formats import KERAS_FILE, TFLITE_FILE
from tests.evaluate.conftest import LOGITS, answers, write_model
from tests.resealed import edit


def load(folder):
    (logits_of,) = load_model(read_card(folder), ["CPU:0"])
    return logits_of


def test_a_copy_leaves_out_what_else_the_train_stage_writes():
    assert set(_OTHER_FORMATS) == {KERAS_FILE, TFLITE_FILE}


def test_logits_are_those_of_the_real_rows(model):
    np.testing.assert_array_equal(load(model)(answers()[0], 7), LOGITS[:7])


def test_padding_may_give_no_numbers_but_examples_may_not(tmp_path):
    images = answers(dtype="float32")[0]
    images[8:, 0, 0] = np.nan
    logits_of = load(write_model(str(tmp_path / "model"), dtype="float32"))
    assert logits_of(images, 8).shape == (8, 3)
    with pytest.raises(DataError, match="not finite"):
        logits_of(images, 9)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"num_classes": 4}, "logits"),
        ({"image_shape": [4, 5]}, "images"),
        ({"image_dtype": "int16"}, "images"),
    ],
)
def test_a_model_that_is_not_what_its_card_says_is_refused(tmp_path, changes, name):
    folder = write_model(str(tmp_path / "model"), card=changes)
    with pytest.raises(DataError, match=f"other {name} than its card says") as caught:
        load(folder)
    assert caught.value.expected != caught.value.found


def list_digests(folder):
    files = {name: one.to_json() for name, one in digest_files(folder).items()}
    edit(f"{folder}/model.json", lambda card: card.update(schema_version=2, digests=files))


def test_trust_4_one_flipped_bit_is_noticed_before_anything_is_loaded(tmp_path):
    folder = write_model(str(tmp_path / "model"))
    list_digests(folder)
    np.testing.assert_array_equal(load(folder)(answers()[0], 7), LOGITS[:7])
    for name in digest_files(folder):
        file = Path(folder) / name
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(DataError, match="not what its card lists") as caught:
            load(folder)
        assert caught.value.where == f"{folder}/{name}"
        file.write_bytes(whole)


def test_a_flipped_bit_never_ends_in_a_traceback(tmp_path):
    folder = write_model(str(tmp_path / "model"))
    file = Path(folder) / "saved_model.pb"
    whole = file.read_bytes()
    chance = random.Random(1)
    refused = 0
    for _ in range(40):
        damaged = bytearray(whole)
        damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        try:
            load(folder)
        except DataError:
            refused += 1
    assert refused > 10


def test_a_batch_that_does_not_fit_is_an_error_that_says_so(model, monkeypatch):
    logits_of = load(model)

    def full(images):
        raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

    monkeypatch.setattr(tf, "constant", full)
    with pytest.raises(SetupError, match="does not fit") as caught:
        logits_of(answers()[0], 10)
    assert "10 images, OOM" in caught.value.found
