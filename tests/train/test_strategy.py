import pytest
import tensorflow as tf

from idxpipe.components.core.device import DeviceConfig
from idxpipe.components.core.errors import SetupError, UsageError
from idxpipe.components.train.strategy import check_batch_size, choose_strategy


@pytest.mark.parametrize("accelerator", ["auto", "cpu"])
def test_one_device_needs_no_strategy(accelerator):
    strategy = choose_strategy(DeviceConfig(accelerator=accelerator))
    assert strategy is tf.distribute.get_strategy()


def test_absent_gpu_is_refused():
    with pytest.raises(SetupError, match="no GPU"):
        choose_strategy(DeviceConfig(accelerator="gpu"))


def test_absent_tpu_is_refused():
    with pytest.raises(SetupError, match="no TPU") as caught:
        choose_strategy(DeviceConfig(accelerator="tpu"))
    assert caught.value.expected == "TPU `local`"


@pytest.fixture
def tpu_of_four(monkeypatch):
    class Strategy:
        num_replicas_in_sync = 4

    seen = []
    distribute = tf.distribute

    def resolver(tpu):
        seen.append(tpu)

    monkeypatch.setattr(distribute.cluster_resolver, "TPUClusterResolver", resolver)
    monkeypatch.setattr(tf.config, "experimental_connect_to_cluster", lambda _: None)
    monkeypatch.setattr(tf.tpu.experimental, "initialize_tpu_system", lambda _: None)
    monkeypatch.setattr(distribute, "TPUStrategy", lambda _: Strategy())
    return seen


def test_auto_takes_the_tpu_that_is_named(tpu_of_four):
    strategy = choose_strategy(DeviceConfig(tpu="grpc://10.0.0.1:8470", num_replicas=4))
    assert strategy.num_replicas_in_sync == 4
    assert tpu_of_four == ["grpc://10.0.0.1:8470"]


def test_other_number_of_tpu_cores_is_refused(tpu_of_four):
    with pytest.raises(SetupError, match="a different number of cores") as caught:
        choose_strategy(DeviceConfig(accelerator="tpu", num_replicas=8))
    assert (caught.value.expected, caught.value.found) == (8, 4)


def test_any_number_of_tpu_cores_is_taken_by_default(tpu_of_four):
    assert choose_strategy(DeviceConfig(accelerator="tpu")).num_replicas_in_sync == 4


@pytest.mark.parametrize(
    ("accelerator", "tpu", "local"),
    [
        ("tpu", "", True),
        ("tpu", "local", True),
        ("auto", "local", True),
        ("auto", "", False),
        ("cpu", "local", False),
        ("tpu", "grpc://10.0.0.1:8470", False),
    ],
)
def test_a_tpu_of_this_machine_is_told_apart(accelerator, tpu, local):
    assert DeviceConfig(accelerator=accelerator, tpu=tpu).is_local_tpu is local


def test_batch_that_does_not_divide_is_refused():
    check_batch_size(128, 8)
    with pytest.raises(UsageError, match="evenly") as caught:
        check_batch_size(130, 8)
    assert "8 replicas" in caught.value.expected
    assert caught.value.found == 130
    assert "136" in caught.value.remedy
