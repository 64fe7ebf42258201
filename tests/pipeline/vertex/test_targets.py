import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.vertex.targets import TARGETS, find_target


def test_v5e_has_a_topology_and_a_core_per_chip():
    target = find_target("tpu-v5e-8")
    assert target.machine_spec == {"machine_type": "ct5lp-hightpu-8t", "tpu_topology": "2x4"}
    assert target.num_replicas == 8


def test_v2_has_an_accelerator_and_no_topology():
    assert find_target("tpu-v2-8").machine_spec == {
        "machine_type": "cloud-tpu",
        "accelerator_type": "TPU_V2",
        "accelerator_count": 8,
    }


@pytest.mark.parametrize("name", ["tpu-v6e-4", "tpu-v7x-8"])
def test_generations_without_tensorflow_are_refused_with_the_reason(name):
    with pytest.raises(UsageError, match="not supported on this TPU generation of Vertex AI"):
        find_target(name)


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="no such accelerator") as caught:
        find_target("tpu-v9")
    assert all(name in str(caught.value.expected) for name in TARGETS)
