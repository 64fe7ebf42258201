import sys

import keras
import numpy as np
import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.components.train.network.own_model import build_own_model
from idxpipe.components.train.network.own_source import source_digest

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


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)

    def write(source, name="mine_for_test"):
        path = tmp_path / f"{name}.py"
        path.write_text(source)
        return f"{name}:net"

    yield write
    for name in set(sys.modules) - before:
        if name.startswith("mine_"):
            del sys.modules[name]


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


def test_the_digest_follows_the_file(write):
    name = write(GOOD)
    first = source_digest(name)
    assert len(first) == 64
    assert source_digest(name) == first
    write(GOOD + "# changed")
    assert source_digest(name) != first
    assert source_digest("mine_absent.deep:net") == ""
    write("1 / 0", "mine_broken")
    assert source_digest("mine_broken.inner:net") == ""
