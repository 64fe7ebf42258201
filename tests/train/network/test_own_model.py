import keras
import numpy as np
import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.train.network.own_model import build_own_model

GOOD = """
import keras

def net(image_shape, num_classes, **_):
    return keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(num_classes)])
"""
FAULTS = {
    "import no_such_package": "module cannot be imported",
    "def other(): pass": "no such function",
    "net = 3": "no such function",
    "def net(): pass": "function failed",
    "def net(**_): return [][1]": "function failed",
    "def net(**_): return 3": "gives no Keras model",
    "import keras\ndef net(**_): return keras.Sequential([keras.layers.Dense(4)])": "than logits",
    "import keras\nclass M(keras.Model):\n  def call(self, x): return {'a': x}\n"
    "def net(**_): return M()": "than logits",
    "import keras\ndef net(**_): return keras.Sequential([keras.layers.Conv2D(4, 3)])": "not take",
}


def build(name, seed=0):
    return build_own_model(name, (8, 8), 4, dropout=0.4, seed=seed)


def test_a_function_in_the_current_folder_is_found_and_built(write):
    model = build(write(GOOD))
    assert isinstance(model, keras.Sequential)
    assert model(np.zeros((3, 8, 8), np.float32)).shape == (3, 4)


def test_weights_follow_the_seed_though_the_function_ignores_it(write):
    name = write(GOOD)
    one, same, other = (build(name, seed).weights[0].numpy() for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(("source", "message"), FAULTS.items())
def test_what_is_wrong_with_it_is_said(write, source, message):
    name = write(source)
    with pytest.raises(UsageError, match=message) as caught:
        build(name)
    assert "mine_for_test:net" in caught.value.where


def test_an_exception_is_told_with_its_line(write):
    with pytest.raises(UsageError) as caught:
        build(write("def net(**_):\n    raise KeyError('lost')"))
    assert caught.value.found.startswith("KeyError: 'lost' (")
    assert caught.value.found.endswith("mine_for_test.py:2)")


def test_an_absent_module_is_refused(write):
    with pytest.raises(UsageError, match="cannot be imported"):
        build("mine_absent.deep:net")
