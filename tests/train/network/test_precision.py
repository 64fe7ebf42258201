import keras
import pytest
import tensorflow as tf

from idxpipe.components.train.network import precision
from idxpipe.components.train.network.precision import choose_precision, computing_in

HERE = tf.distribute.get_strategy()


def auto(monkeypatch, flags):
    monkeypatch.setattr(precision, "_cpu_flags", lambda: set(flags))
    return choose_precision("auto", "", HERE)


@pytest.mark.parametrize("flag", ["avx512_bf16", "amx_bf16"])
def test_auto_takes_bfloat16_where_the_cpu_has_it(monkeypatch, flag):
    assert auto(monkeypatch, ["avx2", flag]) == ("bfloat16", f"native to this CPU: {flag}")
    assert auto(monkeypatch, ["avx2", "avx512f"])[0] == "float32"
    assert auto(monkeypatch, [])[0] == "float32"


def test_flags_are_the_first_processors(tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nflags\t\t: fpu amx_bf16\nprocessor\t: 1\nflags\t: sse\n")
    assert "amx_bf16" in precision._cpu_flags(str(path))
    path.write_text("Features\t: fp asimd\n")
    assert precision._cpu_flags(str(path)) == set()
    assert precision._cpu_flags(str(tmp_path / "none")) == set()


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [([(8, 0)], "bfloat16"), ([(9, 0), (7, 5)], "float32"), ([None], "float32")],
)
def test_auto_takes_bfloat16_where_every_gpu_has_it(monkeypatch, capabilities, expected):
    details = [{"compute_capability": c} if c else {} for c in capabilities]
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: details)
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda gpu: gpu)
    assert choose_precision("auto", "", HERE)[0] == expected


def test_auto_takes_bfloat16_on_tpus(monkeypatch):
    class Strategy:
        pass

    monkeypatch.setattr(tf.distribute, "TPUStrategy", Strategy)
    assert choose_precision("auto", "", Strategy()) == ("bfloat16", "native to TPUs")


def test_what_is_asked_for_and_what_checkpoints_were_made_in_come_first(monkeypatch):
    monkeypatch.setattr(precision, "_cpu_flags", lambda: {"amx_bf16"})
    assert choose_precision("float32", "bfloat16", HERE)[0] == "float32"
    assert choose_precision("auto", "float32", HERE) == ("float32", "as its checkpoints")


def test_the_global_policy_is_put_back():
    with pytest.raises(ZeroDivisionError), computing_in("bfloat16"):
        assert keras.layers.Dense(1).compute_dtype == "bfloat16"
        1 / 0  # noqa: B018
    assert keras.config.dtype_policy().name == "float32"
