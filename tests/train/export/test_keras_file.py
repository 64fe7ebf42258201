import json
import zipfile

import keras
import numpy as np

from idxpipe.components.train.export.keras_file import save_keras
from idxpipe.components.train.network.networks import tiny


def test_the_same_weights_give_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        save_keras(tiny((8, 8), 4, 0.2, seed=1), str(tmp_path / f"{name}.keras"))
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.keras") as packed:
        assert {info.date_time for info in packed.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert list(json.loads(packed.read("metadata.json"))) == ["keras_version"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.keras", "b.keras"]


def test_keras_loads_the_network_and_no_optimizer(tmp_path):
    network = tiny((9, 7, 3), 5, 0.2, seed=1)
    save_keras(network, str(tmp_path / "m.keras"))
    loaded = keras.models.load_model(tmp_path / "m.keras")
    images = np.random.default_rng(0).random((6, 9, 7, 3), np.float32)
    np.testing.assert_array_equal(loaded(images), network(images))
    assert getattr(loaded, "optimizer", None) is None
    assert loaded.count_params() == network.count_params()


def test_objects_that_layers_share_are_not_named_by_their_place_in_memory(tmp_path):
    policies = [keras.DTypePolicy("mixed_bfloat16") for _ in range(2)]
    for name, policy in zip("ab", policies, strict=True):
        layers = [keras.layers.Dense(3, dtype=policy, name=f"dense{i}") for i in range(2)]
        network = keras.Sequential([keras.layers.Input((4,), name="input"), *layers], name="own")
        network.set_weights([np.zeros_like(weight) for weight in network.get_weights()])
        save_keras(network, str(tmp_path / f"{name}.keras"))
    assert (tmp_path / "a.keras").read_bytes() == (tmp_path / "b.keras").read_bytes()
    loaded = keras.models.load_model(tmp_path / "a.keras")
    assert {layer.dtype_policy.name for layer in loaded.layers} == {"mixed_bfloat16"}
