import pytest

from idxpipe.components.core.errors import UsageError
from idxpipe.pipeline.tpu.topology import ONE_OF_EACH, find_topology, known
from idxpipe.pipeline.vertex.targets import TARGETS


@pytest.mark.parametrize(
    "name",
    ["v5e:2x2", "v5e-4", "v5litepod-4", "tpu-v5e-4", "ct5lp-hightpu-4t", " V5E:2x2 "],
)
def test_names_of_one_slice(name):
    found = find_topology(name)
    assert (found.name, found.replicas) == ("v5e:2x2", 4)
    assert found.target == TARGETS["tpu-v5e-4"]


def test_every_tpu_that_can_be_compiled_for_is_known():
    for target in TARGETS.values():
        if target.accelerator == "tpu":
            found = find_topology(target.name)
            assert (found.replicas, found.target) == (target.num_replicas, target)


def test_a_slice_that_is_not_in_the_table():
    found = find_topology("v3:8x8")
    assert (found.replicas, found.target) == (128, None)


def test_a_core_has_its_part_of_a_chip():
    chip = find_topology("v3:2x2").chip
    assert (chip.hbm_bytes, chip.bytes_per_second, chip.flops) == (16 << 30, 450e9, 61.5e12)


def test_tensorflow_does_not_run_everywhere():
    assert not find_topology("v6e:2x2").chip.tensorflow
    assert find_topology("v5e:2x2").chip.tensorflow


def test_one_of_each_generation():
    assert {name.partition(":")[0] for name in ONE_OF_EACH} == {
        name.partition(":")[0] for name in known()
    }


@pytest.mark.parametrize("name", ["v9:2x2", "v5e", "v5e:", "v5e:2xtwo", "v5e:0x2", "v5e-3", ""])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    with pytest.raises(UsageError, match="no such TPU topology") as caught:
        find_topology(name)
    assert "v5e:2x2 (v5e-4)" in caught.value.expected
    assert repr(name) == caught.value.found
